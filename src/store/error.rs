//! Why a store did not do what it was asked.

use thiserror::Error;

use crate::routing::{ChangeError, HealthPath, ServiceName, Version};

/// Why a store did not do what it was asked. Nothing has changed, but see [`Unavailable`](Self::Unavailable).
/// [`DeployError`](crate::deployments::DeployError) has an example.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such service.
    #[error("service {0} is not registered: register a version of it first")]
    UnknownService(ServiceName),
    /// A rule of the split refuses the change.
    #[error(transparent)]
    Refused(#[from] ChangeError),
    /// The split is at another generation than the request expects.
    #[error("the split is at generation {found}, not {expected}: read it again and decide anew")]
    GenerationConflict {
        /// What the request expects.
        expected: u64,
        /// Where the split is.
        found: u64,
    },
    /// Versions would get traffic that have none and that the request does not clear.
    #[error(
        "versions would get traffic that were not probed ({}): let Deployments apply it, or force it",
        names(versions)
    )]
    NotCleared {
        /// Which versions.
        versions: Vec<Version>,
        /// Where they answer health probes.
        health_path: Option<HealthPath>,
    },
    /// A text that goes with the request cannot be kept.
    #[error("the {field} must have at most {most} characters, none of them NUL")]
    TextRefused {
        /// Which text.
        field: &'static str,
        /// How many characters it may have.
        most: usize,
    },
    /// What is stored of this service cannot be read.
    #[error("{0}")]
    Broken(super::BrokenSplit),
    /// The store cannot be reached, or gave up after retries. Where it was lost in the very moment of a commit, whether
    /// the change was made is seen by reading the split again.
    #[error("the store is unavailable: what it held is served on; try again")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn names(versions: &[Version]) -> String {
    versions.iter().map(|version| version.name.as_str()).collect::<Vec<_>>().join(", ")
}

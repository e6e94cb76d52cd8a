//! Errors of stores.

use thiserror::Error;

use super::snapshot::BrokenSplit;
use crate::routing::{ChangeError, HealthPath, ServiceName, Version};

/// Why a call of a store failed. Nothing has changed, except possibly after [`Unavailable`](Self::Unavailable).
///
/// ```
/// use tower_canary::routing::Change;
/// use tower_canary::store::{ChangeRequest, MemoryStore, RouteStore, StoreError};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = MemoryStore::new();
/// let service = "auth".parse()?;
/// let register = Change::register("v1.0".parse()?, "http://10.0.0.1:8080".parse()?);
/// store.commit(&service, &ChangeRequest::new(register, "alice")).await?;
///
/// let switch = ChangeRequest::new(Change::switch("v1.0".parse()?), "bob").with_expected_generation(7);
/// match store.commit(&service, &switch).await {
///     Err(StoreError::GenerationConflict { found, .. }) => assert_eq!(found, 1), // read the split again, and decide
///     Err(StoreError::Unavailable(_)) => {}                                      // retry later
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The service does not exist.
    #[error("service {0} is not registered: register a version of it first")]
    UnknownService(ServiceName),
    /// A rule of the split refuses the change.
    #[error(transparent)]
    Refused(#[from] ChangeError),
    /// The split is at another generation than the request expects.
    #[error("the split is at generation {found}, not {expected}: read it again and repeat the change")]
    GenerationConflict {
        /// The generation that the request expects.
        expected: u64,
        /// The generation of the split.
        found: u64,
    },
    /// Versions would get traffic at URLs at which they have none, and the request does not clear them.
    #[error(
        "versions would get traffic that were not probed ({}): let Deployments apply it, or force it",
        names(versions)
    )]
    NotCleared {
        /// The versions, each with the URLs to check: all of a version that has no traffic, and otherwise those that are new.
        versions: Vec<Version>,
        /// The path of the service's health check.
        health_path: Option<HealthPath>,
    },
    /// The service has a rollout that is not over.
    #[error("the service has a rollout that is not over: {id}; abort it, or wait for its end")]
    RolloutActive {
        /// The id of that rollout.
        id: String,
    },
    /// A text of the request is too long or contains a NUL.
    #[error("the {field} must have at most {most} characters, none of them NUL")]
    TextRefused {
        /// Which text: `actor`, `reason`, …
        field: &'static str,
        /// Maximum number of characters.
        most: usize,
    },
    /// The stored split or history of the service cannot be read.
    #[error("{0}")]
    Broken(BrokenSplit),
    /// The store cannot store a character of a text of the request.
    #[error(
        "the database cannot store a character of a text of this request: leave it out, or use a database in UTF-8"
    )]
    Unstorable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store is reached, but cannot be used as it is: it lacks rights, tables or space, or it is read-only. This does
    /// not pass by itself.
    #[error("the store cannot be used as it is: {remedy}")]
    Unusable {
        /// How to fix it.
        remedy: &'static str,
        /// What the store reported.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store cannot be reached, or all retries failed.
    ///
    /// If the connection is lost during the commit, the change may have been made: read the split again.
    #[error("the store is unavailable; existing routes stay in use; retry later")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Lists versions for a message.
fn names(versions: &[Version]) -> String {
    versions.iter().map(|version| version.name.as_str()).collect::<Vec<_>>().join(", ")
}

//! Reasons why a change was not applied.

use thiserror::Error;

use super::version_check::{Unhealthy, UrlRefused};
use crate::routing::{Backend, Instances, VersionName};
use crate::store::StoreError;

/// Why a change was not applied. Each message names the fix.
///
/// ```
/// use tower_canary::deployments::DeployError;
/// use tower_canary::routing::Change;
/// use tower_canary::store::{ChangeRequest, StoreError};
/// use tower_canary::{Deployments, Draw};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let deployments = Deployments::in_memory(Draw::Exact);
/// let switch = ChangeRequest::new(Change::switch("v1.1".parse()?), "alice");
/// let error = deployments.apply(&"auth".parse()?, switch).await.unwrap_err();
/// assert!(matches!(&error, DeployError::Store(StoreError::UnknownService(name)) if name.as_str() == "auth"));
/// assert_eq!(error.to_string(), "service auth is not registered: register a version of it first");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeployError {
    /// The store refused the change or could not be reached.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The version check refused the URL.
    #[error(transparent)]
    UrlRefused(#[from] UrlRefused),
    /// The change would give traffic to a version of which the probes of more than half of the instances failed. The
    /// message includes the causes, so that the record of a refused change has them. The error has no source, which
    /// would repeat them.
    #[error("version {version} is not healthy: {}; repair it, or force the change", failures(causes))]
    Unhealthy {
        /// The version.
        version: VersionName,
        /// The instances whose probes failed, each with the result of its probe.
        causes: Vec<(Backend, Unhealthy)>,
    },
    /// The version to register is registered at other URLs only: none of its base URLs is in the request. See
    /// [`Deployments::register_if_absent`](super::Deployments::register_if_absent).
    #[error(
        "version {version} is registered at {}, not at {}: change its URL, or configure the registered one",
        urls(registered),
        urls(requested)
    )]
    RegisteredElsewhere {
        /// The version.
        version: VersionName,
        /// The base URLs that the store has.
        registered: Instances,
        /// The base URLs of the request.
        requested: Instances,
    },
    /// The history does not have the generation to restore, or dropped it.
    #[error("the history does not have generation {generation}: read it for the generations that it has")]
    UnknownGeneration {
        /// The generation that was requested.
        generation: u64,
    },
    /// The generation to restore has base URLs that the version check refuses now.
    #[error("generation {generation} cannot be restored: {}; set the weights instead", refusals(refused))]
    UrlNotRestorable {
        /// The generation to restore.
        generation: u64,
        /// The versions whose base URLs differ now, each with the reason why the earlier one cannot come back.
        refused: Vec<(VersionName, UrlRefused)>,
    },
    /// Other writers changed the split faster than its versions could be probed.
    #[error("other changes were made during every probe: try again")]
    Unsettled,
}

/// Lists base URLs for a message.
fn urls(instances: &Instances) -> String {
    instances.iter().map(Backend::as_str).collect::<Vec<_>>().join(", ")
}

/// Lists what the failed probes saw, each with its URL. A single one needs no URL: its version has no other instance.
fn failures(causes: &[(Backend, Unhealthy)]) -> String {
    if let [(_, cause)] = causes {
        return cause.to_string();
    }
    causes.iter().map(|(backend, cause)| format!("{backend}: {cause}")).collect::<Vec<_>>().join("; ")
}

/// Lists the versions whose earlier URLs are refused now.
fn refusals(refused: &[(VersionName, UrlRefused)]) -> String {
    let texts = refused.iter().map(|(version, cause)| format!("the URL of {version}: {cause}"));
    texts.collect::<Vec<_>>().join("; ")
}

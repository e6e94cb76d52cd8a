//! Waits until all replicas serve a revision.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::loader::Loader;
use super::replicas::Replicas;
use crate::store::{Replica, StoreError};

/// Time between two reads of the replicas while they converge.
const READ_EVERY: Duration = Duration::from_millis(50);

/// Which replicas serve a revision of the store. Returned by
/// [`Deployments::wait_converged`](super::Deployments::wait_converged).
///
/// ```
/// use tower_canary::deployments::Convergence;
///
/// /// Describes the result to an operator.
/// fn describe(convergence: &Convergence) -> String {
///     if convergence.is_complete() {
///         return format!("all {} replicas serve the change", convergence.serving.len());
///     }
///     let behind = convergence.waiting.iter().map(|replica| replica.name.as_str());
///     format!("not served yet by: {}", behind.collect::<Vec<_>>().join(", "))
/// }
/// assert_eq!(describe(&Convergence::default()), "not served yet by: "); // no replica is known
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Convergence {
    /// Replicas that serve the revision or a later one.
    pub serving: Vec<Replica>,
    /// Replicas that do not serve it yet.
    pub waiting: Vec<Replica>,
}

impl Convergence {
    /// Divides the replicas by whether they serve the revision.
    fn new(revision: u64, replicas: Vec<Replica>) -> Self {
        let (serving, waiting) = replicas.into_iter().partition(|replica| replica.revision >= revision);
        Self { serving, waiting }
    }

    /// Returns whether all replicas serve the revision. `false` if no replica is known.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.waiting.is_empty() && !self.serving.is_empty()
    }
}

/// Waits until all replicas serve `revision`, at most for `limit`. Returns the result of the last read that ended: at
/// the limit replicas may still be waiting.
pub(super) async fn wait_converged(
    replicas: &Replicas,
    loader: &Loader,
    revision: u64,
    limit: Duration,
) -> Result<Convergence, StoreError> {
    let mut last = Err(StoreError::Unavailable("the store did not return the replicas in time".into()));
    let converged = async {
        loop {
            last = read(replicas, loader, revision).await;
            if last.as_ref().is_ok_and(Convergence::is_complete) {
                return;
            }
            sleep(READ_EVERY).await;
        }
    };
    // At the limit the last state is the result.
    let _ = timeout(limit, converged).await;
    last
}

/// Reads the state of all replicas, after this process has followed the store to the revision.
async fn read(replicas: &Replicas, loader: &Loader, revision: u64) -> Result<Convergence, StoreError> {
    loader.refresh_to(revision).await?;
    Ok(Convergence::new(revision, replicas.all().await?))
}

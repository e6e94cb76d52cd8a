//! Which replicas serve what.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Deployments;
use crate::store::{Replica, Report, StoreError};

/// How often the replicas are asked for while they converge.
const ASK_EVERY: Duration = Duration::from_millis(50);

const MAX_NAME: usize = 255;

/// This process among the replicas.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) id: String,
    pub(super) name: String,
}

impl Identity {
    pub(super) fn new(name: String) -> Self {
        Self { id: format!("{:032x}", rand::random::<u128>()), name }
    }

    pub(super) fn check(&self) -> Result<(), StoreError> {
        crate::store::check_text("replica name", &self.name, MAX_NAME)
    }
}

/// Which replicas serve what the store had at a revision. See [`Deployments::wait_converged`] for an example.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Convergence {
    /// Those that serve it, or something later.
    pub serving: Vec<Replica>,
    /// Those that do not yet.
    pub waiting: Vec<Replica>,
}

impl Convergence {
    fn at(revision: u64, replicas: Vec<Replica>) -> Self {
        let (serving, waiting) = replicas.into_iter().partition(|replica| replica.revision >= revision);
        Self { serving, waiting }
    }
}

impl Deployments {
    /// The replicas that share the store, as they reported themselves within the last [`Replica::EXPIRY`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the store cannot be read.
    pub async fn replicas(&self) -> Result<Vec<Replica>, StoreError> {
        let mut replicas = self.stored_replicas().await?;
        let id = self.replica_id();
        for replica in replicas.iter_mut().filter(|replica| Some(replica.id.as_str()) == id) {
            replica.revision = self.followed().revision();
        }
        Ok(replicas)
    }

    /// Returns the replicas as the store has them: none where it keeps no registry.
    pub(super) async fn stored_replicas(&self) -> Result<Vec<Replica>, StoreError> {
        match self.shared.store.replica_registry() {
            Some(registry) => registry.replicas().await,
            None => Ok(Vec::new()),
        }
    }

    /// The id under which this process reports, if it [does](super::Builder::with_replica_name).
    #[must_use]
    pub fn replica_id(&self) -> Option<&str> {
        self.shared.identity.as_ref().map(|identity| identity.id.as_str())
    }

    /// The name under which this process reports, if it does.
    #[must_use]
    pub fn replica_name(&self) -> Option<&str> {
        self.shared.identity.as_ref().map(|identity| identity.name.as_str())
    }

    /// Waits until all replicas serve what the store had at `revision`, but not longer than `limit`. That of a change is
    /// in its [`Applied`](crate::store::Applied).
    ///
    /// Only those count that report: this one does if it was [told to](super::Builder::with_replica_name). A replica that cannot
    /// reach the store serves what it has, and is not counted once its last report has expired.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_canary::routing::Change;
    /// # use tower_canary::store::{ChangeRequest, MemoryStore};
    /// # use tower_canary::{Deployments, NoVersionCheck};
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// # let deployments = Deployments::builder(MemoryStore::new(), NoVersionCheck).with_replica_name("gateway-1").start().await?;
    /// # let register = Change::register("v1.0".parse()?, "http://10.0.0.1:8080".parse()?);
    /// let applied = deployments.apply(&"auth".parse()?, ChangeRequest::new(register, "alice")).await?;
    /// let convergence = deployments.wait_converged(applied.revision, Duration::from_secs(5)).await?;
    /// assert!(convergence.waiting.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the store could not be read to the end of the time.
    pub async fn wait_converged(&self, revision: u64, limit: Duration) -> Result<Convergence, StoreError> {
        let mut seen =
            Err(StoreError::Unavailable("the store did not say in time which replicas there are".into()));
        let asking = async {
            loop {
                seen = self.convergence(revision).await;
                if seen.as_ref().is_ok_and(|convergence| convergence.waiting.is_empty()) {
                    return;
                }
                sleep(ASK_EVERY).await;
            }
        };
        // Where it ends there, what was seen last is the answer.
        let _ = timeout(limit, asking).await;
        seen
    }

    async fn convergence(&self, revision: u64) -> Result<Convergence, StoreError> {
        if self.followed().revision() < revision {
            self.refresh().await?;
        }
        Ok(Convergence::at(revision, self.replicas().await?))
    }

    /// Lets it be known that there is one more, which does not serve anything yet.
    pub(super) async fn report_start(&self) {
        if let Some(Identity { id, name }) = &self.shared.identity
            && let Some(registry) = self.shared.store.replica_registry()
            && let Err(error) = registry.report(&Report::new(id, name, 0)).await
        {
            tracing::debug!(error = &error as &dyn std::error::Error, "cannot report the start");
        }
    }
}

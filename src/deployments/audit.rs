//! What is told of every change: one event each, and those that were refused are kept beside the history.

use std::error::Error;

use super::follow::unwound;
use super::{DeployError, Deployments, meter};
use crate::routing::{ServiceName, VersionShare};
use crate::store::{Applied, ChangeRequest, Clearance, Refusal, StoreError};

impl Deployments {
    /// Up to `limit` changes of `service` that were refused, latest first, by whichever process that shares the store.
    /// There may be no such service. See [`Refusal`] for what is kept of them: a store keeps the last 1,000 of all
    /// services. A change that failed because the store could not be reached is not among them.
    ///
    /// ```
    /// # use tower_canary::routing::Change;
    /// # use tower_canary::store::ChangeRequest;
    /// # use tower_canary::{Deployments, Draw, ServiceName};
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let (deployments, auth): (_, ServiceName) = (Deployments::in_memory(Draw::Exact), "auth".parse()?);
    /// let switch = Change::switch("v1.1".parse()?);
    /// assert!(deployments.apply(&auth, ChangeRequest::new(switch, "alice")).await.is_err());
    /// let refused = &deployments.refusals(&auth, 10).await?[0];
    /// assert_eq!((refused.actor.as_str(), refused.asked.as_str()), ("alice", "switch to v1.1"));
    /// assert_eq!(refused.why, "service auth is not registered: register a version of it first");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn refusals(&self, service: &ServiceName, limit: u32) -> Result<Vec<Refusal>, DeployError> {
        match self.shared.store.refusal_log() {
            Some(log) => Ok(log.refusals(service, limit).await?),
            None => Ok(Vec::new()),
        }
    }

    /// Notes that a change was not made: logs it and keeps it, where it was refused.
    pub(super) async fn note_failure(
        &self,
        service: &ServiceName,
        request: &ChangeRequest,
        error: &DeployError,
    ) {
        let kind = request.change.kind();
        if is_refusal(error) {
            meter::changed(kind, "refused");
            let refusal = self.refusal(service, request, error);
            log_refusal(request, &refusal);
            self.keep_refusal(&refusal).await;
        } else {
            meter::changed(kind, "failed");
        }
    }

    fn refusal(&self, service: &ServiceName, request: &ChangeRequest, error: &DeployError) -> Refusal {
        let served = self.handle().route(service.as_str());
        let split = served.as_ref().map(|route| route.split());
        match error {
            // The store knows better than what is served.
            DeployError::Store(StoreError::GenerationConflict { found, .. }) => {
                let split = split.filter(|split| split.generation() == *found);
                Refusal { generation: Some(*found), ..Refusal::new(service, request, split, error) }
            }
            _ => Refusal::new(service, request, split, error),
        }
    }

    /// Whatever comes of it, the change is refused as it was.
    async fn keep_refusal(&self, refusal: &Refusal) {
        let failed = |error: &(dyn Error + 'static)| tracing::warn!(error, "a refused change cannot be kept");
        let Some(log) = self.shared.store.refusal_log() else { return };
        match unwound(log.record_refusal(refusal)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => failed(&error),
            Err(panicked) => failed(&panicked),
        }
    }
}

/// Whether somebody decided against the change: it did not merely fail.
const fn is_refusal(error: &DeployError) -> bool {
    !matches!(error, DeployError::Store(StoreError::Unavailable(_) | StoreError::Broken(_)))
}

/// Notes that a change was made: logs it, where it changed something.
pub(super) fn note_made(request: &ChangeRequest, applied: &Applied) {
    meter::changed(request.change.kind(), "applied");
    if applied.before.generation() != applied.after.generation() {
        log_change(request, applied);
    }
}

/// Texts that somebody chose are logged as Rust would write them, so that none looks like another line.
fn log_change(request: &ChangeRequest, Applied { before, after, .. }: &Applied) {
    tracing::info!(
        service = %after.service(),
        version = request.change.version().map(tracing::field::display),
        actor = ?request.actor,
        reason = request.reason.as_ref().map(tracing::field::debug),
        kind = request.change.kind(),
        forced = is_forced(request),
        before = before.generation(),
        after = after.generation(),
        weights_before = ?in_words(&before.shares()),
        weights_after = ?in_words(&after.shares()),
        "split changed"
    );
}

fn log_refusal(request: &ChangeRequest, refusal: &Refusal) {
    tracing::warn!(
        service = %refusal.service,
        version = refusal.version.as_ref().map(tracing::field::display),
        actor = ?refusal.actor,
        reason = refusal.reason.as_ref().map(tracing::field::debug),
        kind = refusal.kind,
        forced = is_forced(request),
        asked = ?refusal.asked,
        generation = refusal.generation,
        weights = ?in_words(&refusal.shares),
        why = ?refusal.why,
        "change refused"
    );
}

fn is_forced(request: &ChangeRequest) -> bool {
    request.clearance == Clearance::All
}

fn in_words(shares: &[VersionShare]) -> String {
    shares.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

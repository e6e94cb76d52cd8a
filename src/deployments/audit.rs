//! Records every change: one log event each, the history, and the refused changes beside it.

use std::error::Error;
use std::sync::Arc;

use super::background::unwind::catch_panic;
use super::error::DeployError;
use super::recorder;
use crate::handle::RoutingHandle;
use crate::routing::{Change, HealthPath, MirrorShare, ServiceName, Split, VersionShare};
use crate::store::{Applied, ChangeRequest, Clearance, HistoryEntry, Refusal, RouteStore, StoreError};

/// Reads and writes the records of changes.
#[derive(Debug)]
pub(super) struct Audit {
    store: Arc<dyn RouteStore>,
    handle: RoutingHandle,
}

impl Audit {
    pub(super) fn new(store: Arc<dyn RouteStore>, handle: RoutingHandle) -> Self {
        Self { store, handle }
    }

    /// Returns up to `limit` changes before the generation `before`, or the latest ones for `None`, latest first.
    pub(super) async fn history(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, DeployError> {
        let history = self.store.history(service, before, limit).await;
        recorder::record_store_call("history", &history);
        Ok(history?)
    }

    /// Returns the change that brings back the split of `generation`, or [`DeployError::UnknownGeneration`] if the
    /// history does not have it.
    pub(super) async fn restore_change(
        &self,
        service: &ServiceName,
        generation: u64,
    ) -> Result<Change, DeployError> {
        let latest = self.history(service, generation.checked_add(1), 1).await?;
        match latest.into_iter().find(|entry| entry.generation == generation) {
            Some(entry) => {
                Ok(Change::restore_recorded(generation, entry.after, entry.settings_after, Some(entry.at)))
            }
            None => Err(DeployError::UnknownGeneration { generation }),
        }
    }

    /// Returns up to `limit` refused changes before the id `before`, or the latest ones for `None`, latest first. Empty
    /// if the store has no log of them.
    pub(super) async fn refusals(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Refusal>, DeployError> {
        match self.store.refusal_log() {
            Some(log) => Ok(log.refusals(service, before, limit).await?),
            None => Ok(Vec::new()),
        }
    }

    /// Counts a change that was not applied. One that was refused is also logged and recorded in the store.
    pub(super) async fn record_failure(
        &self,
        service: &ServiceName,
        request: &ChangeRequest,
        error: &DeployError,
    ) {
        let kind = request.change.kind();
        if !is_refusal(error) {
            recorder::record_change(kind, "failed");
            return;
        }
        recorder::record_change(kind, "refused");
        let refusal = self.refusal(service, request, error);
        log_refusal(request, &refusal);
        if let Err(error) = self.record_refusal(&refusal).await {
            tracing::warn!(error = &*error as &dyn Error, "a refused change cannot be kept");
        }
    }

    /// Creates the record of a refused change, with the split that this gateway serves. After a conflict of
    /// generations the served split may be an earlier one than the sender met; then the record has no split.
    fn refusal(&self, service: &ServiceName, request: &ChangeRequest, error: &DeployError) -> Refusal {
        let route = self.handle.route(service.as_str());
        let split = route.as_ref().map(|route| route.split());
        match error {
            // The store is ahead of the route that is served.
            DeployError::Store(StoreError::GenerationConflict { found, .. }) => {
                let split = split.filter(|split| split.generation() == *found);
                Refusal { generation: Some(*found), ..Refusal::new(service, request, split, error) }
            }
            _ => Refusal::new(service, request, split, error),
        }
    }

    /// Records a refusal. A log that fails or panics does not change the response to the caller.
    async fn record_refusal(&self, refusal: &Refusal) -> Result<(), Box<dyn Error + Send + Sync>> {
        match self.store.refusal_log() {
            Some(log) => Ok(catch_panic(log.record_refusal(refusal)).await??),
            None => Ok(()),
        }
    }
}

/// Returns whether a rule or a check decided against the change, rather than that the store failed.
const fn is_refusal(error: &DeployError) -> bool {
    !matches!(
        error,
        DeployError::Store(
            StoreError::Unavailable(_)
                | StoreError::Unusable { .. }
                | StoreError::Unstorable(_)
                | StoreError::Broken(_)
        )
    )
}

/// Counts a change that was applied, and logs it if it changed something.
pub(super) fn log_applied(request: &ChangeRequest, applied: &Applied) {
    recorder::record_change(request.change.kind(), "applied");
    if applied.before.generation() != applied.after.generation() {
        log_change(request, applied);
    }
}

/// Logs a change. Texts that a caller chose are quoted and escaped, so that none can forge another log line.
fn log_change(request: &ChangeRequest, Applied { before, after, .. }: &Applied) {
    tracing::info!(
        service = %after.service(),
        version = request.change.version().map(tracing::field::display),
        actor = ?request.actor,
        actor_kind = request.actor_kind.as_str(),
        request_id = request.request_id.as_ref().map(tracing::field::debug),
        reason = request.reason.as_ref().map(tracing::field::debug),
        kind = request.change.kind(),
        forced = is_forced(request),
        before = before.generation(),
        after = after.generation(),
        weights_before = ?in_words(&before.shares()),
        weights_after = ?in_words(&after.shares()),
        urls_before = urls_not_in(before, after).as_ref().map(tracing::field::debug),
        urls_after = urls_not_in(after, before).as_ref().map(tracing::field::debug),
        health_path_before = health_path_unlike(before, after).map(tracing::field::debug),
        health_path_after = health_path_unlike(after, before).map(tracing::field::debug),
        mirror_before = mirror_unlike(before, after).as_ref().map(tracing::field::debug),
        mirror_after = mirror_unlike(after, before).as_ref().map(tracing::field::debug),
        "split changed"
    );
}

/// Lists the versions of `split` with their URLs, except those that have the same URLs in `other`. `None`: all have.
fn urls_not_in(split: &Split, other: &Split) -> Option<String> {
    let changed = split.versions().iter().filter(|version| {
        let same = other.version(version.name.as_str());
        same.is_none_or(|same| same.instances != version.instances)
    });
    let texts = changed.flat_map(|version| {
        version.instances.iter().map(move |backend| format!("{} {backend}", version.name))
    });
    Some(texts.collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty())
}

/// Returns the health path of `split`, or an empty text without one. `None`: `other` has the same.
fn health_path_unlike<'a>(split: &'a Split, other: &Split) -> Option<&'a str> {
    let path = split.health_path();
    (path != other.health_path()).then(|| path.map_or("", HealthPath::as_str))
}

/// Returns the mirror of `split` in words, or an empty text without one. `None`: `other` has the same.
fn mirror_unlike(split: &Split, other: &Split) -> Option<String> {
    let mirror = split.mirror();
    (mirror != other.mirror()).then(|| mirror.map_or_else(String::new, MirrorShare::to_string))
}

/// Logs a refused change. Texts of the sender are escaped, so that none forges a line.
fn log_refusal(request: &ChangeRequest, refusal: &Refusal) {
    tracing::warn!(
        service = %refusal.service,
        version = refusal.version.as_ref().map(tracing::field::display),
        actor = ?refusal.actor,
        actor_kind = request.actor_kind.as_str(),
        request_id = refusal.request_id.as_ref().map(tracing::field::debug),
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

/// Returns whether the sender skipped the probes.
fn is_forced(request: &ChangeRequest) -> bool {
    request.clearance == Clearance::All
}

/// Returns the weights in one line of a log.
fn in_words(shares: &[VersionShare]) -> String {
    shares.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

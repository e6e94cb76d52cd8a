//! The state of the handlers, and the one way in which they change a split.
//!
//! A change goes down one line, and each level has one function for it: [`AdminState::change`] adds the
//! conditions of the HTTP request, [`Deployments::apply`](crate::deployments::Deployments::apply) probes and
//! publishes, and the store decides by the rules of [`Split::apply`](crate::routing::Split::apply) within its
//! transaction.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::etag::with_etag;
use super::extract::WriteConditions;
use super::optional_rollouts::OptionalRollouts;
use super::probe_limit::ProbeLimit;
use super::problem::ApiError;
use crate::api::{ChangeReason, ChangeResult, ConvergenceView, ProbeView, ProblemKind, UserMove};
use crate::deployments::{Deployed, Deployments};
use crate::routing::{Change, Preview, Route, ServiceName};
use crate::store::{ActorKind, ChangeRequest, StoreError};

/// The state that all handlers share.
///
/// Everything that outlives a request belongs to the deployments, which the application also uses without the API,
/// except the limit of probes, which protects versions from clients of the API, and the rollouts, which are optional.
#[derive(Clone, Debug)]
pub(super) struct AdminState {
    pub(super) deployments: Deployments,
    pub(super) probes: Arc<ProbeLimit>,
    pub(super) rollouts: OptionalRollouts,
}

impl AdminState {
    pub(super) fn new(deployments: Deployments) -> Self {
        Self { deployments, probes: Arc::default(), rollouts: OptionalRollouts::default() }
    }

    /// Returns the route of a service as this gateway serves it, or the problem `unknown-service`.
    pub(super) fn route(&self, service: &ServiceName) -> Result<Arc<Route>, ApiError> {
        let route = self.deployments.handle().route(service.as_str());
        route.ok_or_else(|| StoreError::UnknownService(service.clone()).into())
    }

    /// Makes a change, or previews it, and waits for the other replicas if the request asks for that.
    ///
    /// The result is without `weight` and `switchedTo`, which the handlers of those changes add. Every
    /// refusal of the request itself comes before the change: after it, a failure to see the other replicas
    /// is part of the result.
    pub(super) async fn change(
        &self,
        service: &ServiceName,
        change: Change,
        conditions: WriteConditions,
        reason: Option<ChangeReason>,
    ) -> Result<ChangeResult, ApiError> {
        if conditions.wait.is_some() && self.deployments.replica_id().is_none() {
            let detail = "this gateway does not report to the store, so a change cannot wait for replicas";
            return Err(ApiError::new(ProblemKind::MalformedQuery, detail));
        }
        let request = self.change_request(service, change, &conditions, reason)?;
        // Read before the change. After it, the gateway that drives the rollout may have followed the change already: a
        // rollout that is over by then is not under way, and the response would not say that the change ended it.
        let rollout = self.rollouts.under_way(service).await;
        if conditions.dry_run {
            let preview = self.deployments.preview(service, &request)?;
            let mut result = preview_result(&preview);
            result.rollout = rollout.effect_of(&preview.after);
            return Ok(result);
        }
        let Deployed { applied, probes, .. } = self.deployments.apply_probed(service, request).await?;
        let mut result = ChangeResult::from(&applied.after);
        result.probes = probes.iter().map(ProbeView::from).collect();
        result.revision = Some(applied.revision);
        result.rollout = rollout.effect_of(&applied.after);
        if let Some(limit) = conditions.wait {
            result.convergence = Some(self.convergence(applied.revision, limit).await);
        }
        Ok(result)
    }

    /// Adds the actor, the reason and the conditions to a change.
    fn change_request(
        &self,
        service: &ServiceName,
        change: Change,
        conditions: &WriteConditions,
        reason: Option<ChangeReason>,
    ) -> Result<ChangeRequest, ApiError> {
        let served = self.deployments.handle().route(service.as_str());
        let generation = served.map(|route| route.split().generation());
        let request = ChangeRequest::new(change, conditions.principal.subject());
        let mut request = request.with_actor_kind(ActorKind::Person);
        request.request_id.clone_from(&conditions.request_id);
        request.reason = reason.map(String::from);
        request.expected_generation = conditions.if_match.expected(generation)?;
        if conditions.force {
            request = request.without_check();
        }
        Ok(request)
    }

    /// Waits until all replicas serve `revision`, at most for `limit`, and shows the state at the end of the wait.
    ///
    /// The change is made by now, so a store that fails is no error of the request: the result is then
    /// [`ConvergenceView::default`], with unknown replicas.
    async fn convergence(&self, revision: u64, limit: Duration) -> ConvergenceView {
        match self.deployments.wait_converged(revision, limit).await {
            Ok(convergence) => convergence.into(),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "cannot read which replicas serve a change");
                ConvergenceView::default()
            }
        }
    }
}

/// Shows a change that was not made.
fn preview_result(preview: &Preview) -> ChangeResult {
    let mut result = ChangeResult::from(&preview.after);
    result.dry_run = true;
    result.moves = Some(preview.moves.iter().map(UserMove::from).collect());
    result
}

/// Responds to a change with `status`, or with 202 after a wait at whose end it is not known that all replicas serve the
/// change: some do not yet, none reports, or the store could not be read.
///
/// A preview gets 200 and no ETag, because no such generation exists: a client that sent it as `If-Match`
/// would be refused.
pub(super) fn change_response(status: StatusCode, result: ChangeResult) -> Response {
    if result.dry_run {
        return Json(result).into_response();
    }
    let is_unconfirmed = result.convergence.as_ref().is_some_and(|convergence| !convergence.converged);
    let status = if is_unconfirmed { StatusCode::ACCEPTED } else { status };
    with_etag(result.split.generation, (status, Json(result)).into_response())
}

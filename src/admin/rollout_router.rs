//! The router of an API with rollouts.

use axum::Router;

use super::auth::AdminAuth;
use super::optional_rollouts::OptionalRollouts;
use super::router::assemble;
use super::state::AdminState;
use crate::rollout::Rollouts;

/// Creates the admin API over the deployments of `rollouts`, with the routes of rollouts. It is [`router`](super::router()) in
/// all other respects.
///
/// | method and path | body | response |
/// | --- | --- | --- |
/// | `POST S/rollouts` | [`StartRollout`]: the plan, and a reason | 201 [`RolloutSummary`]; the same plan while it is under way: 200 and that rollout |
/// | `POST S/rollouts?dryRun=true` | the same | [`RolloutPreview`]: weights, moved users, durations. Nothing is written |
/// | `GET S/rollouts` | | [`RolloutPage`], latest first, in pages as the [history](super#history) |
/// | `GET S/rollouts/{id}`, `S/rollouts/current` | | [`RolloutDetails`], or its stream |
/// | `POST S/rollouts/{id}/approve`, `…/advance` | [`StepOrder`]: `{"step": 2}` | [`RolloutSummary`] |
/// | `POST S/rollouts/{id}/pause`, `…/resume`, `…/promote`, `…/abort` | [`PlainChange`](crate::api::PlainChange) | [`RolloutSummary`] |
/// | `GET /deployment/rollouts` | | [`RolloutList`]: all that are under way, or its stream |
///
/// `S` is `/deployment/services/{service}`. `current` names the rollout that is under way, in each path. The API of
/// [`router`](super::router()) responds to all of them with 404 `not-found`; `features.rollouts` of `GET /deployment/status` says
/// which one it is.
///
/// `approve` and `advance` name the step that the sender has seen. If another one is present meanwhile, the response is 409
/// `stale-step`. `…/abort?force=true` goes back although the versions that then get traffic fail their probes. A start and
/// these orders may be sent again: the plan, the step and the phase decide whether something is left to do. A change of the
/// weights that the rollout has not seen yet pauses it first, and then an order that is no abort is not carried out: the
/// response is 409 `wrong-phase`.
///
/// With `Accept: text/event-stream` there is an event `rollout`, or `rollouts`, every two seconds for five minutes, each with
/// the whole state. The stream of one rollout ends after the event that shows its end.
///
/// Other changes of a split are not refused while a rollout is under way. The rollout never undoes them: it pauses, or is
/// over. The response says so: `"rollout": {"id": "…", "now": "paused"}`.
///
/// # Example
///
/// Every gateway that serves the API also runs the rollouts:
///
/// ```
/// use axum::Router;
/// use tower_canary::Deployments;
/// use tower_canary::admin::{self, AdminAuth};
/// use tower_canary::rollout::Rollouts;
///
/// /// Returns the API, and the future that drives the rollouts.
/// fn api(deployments: Deployments, auth: AdminAuth) -> (Router, impl Future<Output = ()>) {
///     let rollouts = Rollouts::new(deployments);
///     let driving = rollouts.clone().run(std::future::pending());
///     let api = admin::router_with_rollouts(rollouts, auth);
///     (Router::new().nest("/api/v1/admin", api), driving)
/// }
/// ```
///
/// [`RolloutDetails`]: crate::api::RolloutDetails
/// [`RolloutList`]: crate::api::RolloutList
/// [`RolloutPage`]: crate::api::RolloutPage
/// [`RolloutPreview`]: crate::api::RolloutPreview
/// [`RolloutSummary`]: crate::api::RolloutSummary
/// [`StartRollout`]: crate::api::StartRollout
/// [`StepOrder`]: crate::api::StepOrder
pub fn router_with_rollouts<S>(rollouts: Rollouts, auth: AdminAuth) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let state = AdminState::new(rollouts.deployments().clone());
    assemble(AdminState { rollouts: OptionalRollouts::new(rollouts), ..state }, auth)
}

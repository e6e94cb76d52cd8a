//! The list of operations on rollouts.

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{rollout_orders, rollouts};
use crate::admin::state::AdminState;

/// Returns the routes with their documentation.
pub(in crate::admin) fn routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new()
        .routes(routes!(rollouts::list_rollouts, rollouts::start_rollout))
        .routes(routes!(rollouts::rollout))
        .routes(routes!(rollouts::live_rollouts))
        .routes(routes!(rollout_orders::approve))
        .routes(routes!(rollout_orders::advance))
        .routes(routes!(rollout_orders::pause))
        .routes(routes!(rollout_orders::resume))
        .routes(routes!(rollout_orders::promote))
        .routes(routes!(rollout_orders::abort))
}

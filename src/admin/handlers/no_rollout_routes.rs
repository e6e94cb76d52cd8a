//! In place of `rollout_routes` in a build without rollouts.

use utoipa_axum::router::OpenApiRouter;

use crate::admin::state::AdminState;

pub(in crate::admin) fn routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new()
}

//! The traffic of all services: read once, or as a stream of events.

use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::HeaderMap;

use super::events::{self, EventSource};
use crate::admin::extract::{NoParams, StrictQuery};
use crate::admin::openapi::ReadProblems;
use crate::admin::state::AdminState;
use crate::api::TrafficOverview;
use crate::deployments::Deployments;

/// Shows the traffic of all services at this gateway in the last 10 seconds, in a few figures each.
///
/// A service without requests is left out. With `Accept: text/event-stream` the same is sent every two seconds as an
/// event `traffic`, for five minutes. Then the client sends the request again.
#[utoipa::path(
    get,
    path = "/deployment/traffic",
    tag = "deployment",
    security(("bearer" = [])),
    responses(
        (status = OK, description = "the traffic of the services", content((TrafficOverview = "application/json"), (String = "text/event-stream"))),
        ReadProblems
    )
)]
pub(in crate::admin) async fn overview(
    State(state): State<AdminState>,
    StrictQuery(NoParams {}): StrictQuery<NoParams>,
    headers: HeaderMap,
) -> Response {
    if events::are_accepted(&headers) {
        return events::stream(state.deployments.clone(), Overview(state.deployments));
    }
    Json(TrafficOverview::new(&state.deployments, SystemTime::now())).into_response()
}

/// The source of the events.
struct Overview(Deployments);

impl EventSource for Overview {
    const NAME: &'static str = "traffic";

    type Data = TrafficOverview;

    async fn next(&mut self) -> Option<TrafficOverview> {
        Some(TrafficOverview::new(&self.0, SystemTime::now()))
    }
}

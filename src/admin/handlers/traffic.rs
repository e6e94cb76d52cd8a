//! Traffic of a service: read once, after a version is drained, or as a stream of events.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::HeaderMap;
use tokio::time::timeout;

use super::events;
use super::traffic_query::TrafficQuery;
use crate::admin::extract::{ServicePath, StrictQuery};
use crate::admin::openapi::ReadProblems;
use crate::admin::problem::ApiError;
use crate::admin::state::AdminState;
use crate::admin::wait_limit::parse_wait_limit;
use crate::api::{ProblemKind, TrafficParams, TrafficView, TrafficWait};

/// Shows the traffic of each version at this gateway, and which other gateways may still have requests for
/// it.
///
/// With `wait=drained` the response waits until the process of a version may be stopped. It shows the traffic
/// in either case, and `drainedEverywhere` says whether the version is drained. With `url` as well it waits for one
/// instance, which is drained once its URL is removed and its last request has ended: `drainedEverywhere` of that
/// instance. With `Accept: text/event-stream` the same is sent every two seconds as an event `traffic`, for five minutes.
/// Then the client sends the request again. The first event also has the `series` of the last five minutes.
#[utoipa::path(
    get,
    path = "/deployment/services/{service}/traffic",
    tag = "deployment",
    params(ServicePath, TrafficParams),
    security(("bearer" = [])),
    responses(
        (status = OK, description = "the traffic of the versions", content((TrafficView = "application/json"), (String = "text/event-stream"))),
        ReadProblems
    )
)]
pub(in crate::admin) async fn traffic(
    State(state): State<AdminState>,
    ServicePath(service): ServicePath,
    StrictQuery(params): StrictQuery<TrafficParams>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if params.url.is_some() && params.version.is_none() {
        let detail = "a URL needs its version, as in ?version=v1.0&url=http://10.0.0.1:8080";
        return Err(ApiError::new(ProblemKind::MalformedQuery, detail));
    }
    let wait = wait_time(&params)?;
    let version = params.version.map(|name| name.parse()).transpose()?;
    let backend = params.url.map(|url| url.parse()).transpose()?;
    let query = TrafficQuery::new(state.deployments, service, version).with_backend(backend);
    if let Some(limit) = wait {
        // The response shows the traffic after a timeout as well: `drainedEverywhere` says whether the wait succeeded.
        let _ = timeout(limit, query.wait_drained()).await;
    }
    // Also before a stream, so that an unknown name is a problem and not an empty stream.
    let snapshot = query.snapshot().await?;
    if events::are_accepted(&headers) {
        return Ok(events::stream(query.deployments(), query));
    }
    Ok(Json(snapshot).into_response())
}

/// Returns the longest time to wait until the version is drained. `None`: the response does not wait.
///
/// A `timeout` without `wait` waits as well, as it does for a change.
fn wait_time(params: &TrafficParams) -> Result<Option<Duration>, ApiError> {
    match (params.wait, &params.version, &params.timeout) {
        (None, _, None) => Ok(None),
        (_, None, _) => {
            let detail = "a wait needs a version, as in ?version=v1.0&wait=drained";
            Err(ApiError::new(ProblemKind::MalformedQuery, detail))
        }
        (Some(TrafficWait::Drained), Some(_), None) => Ok(Some(TrafficParams::DEFAULT_TIMEOUT)),
        (None | Some(TrafficWait::Drained), Some(_), Some(text)) => {
            parse_wait_limit(text, TrafficParams::MAX_TIMEOUT).map(Some)
        }
    }
}

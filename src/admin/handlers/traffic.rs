//! Traffic of a service: read once, after a version is drained, or as a stream of events.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::Sse;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, HeaderMap};
use tokio::time::timeout;

use super::traffic_query::TrafficQuery;
use crate::admin::extract::{ServicePath, StrictQuery};
use crate::admin::openapi::ReadProblems;
use crate::admin::problem::ApiError;
use crate::admin::state::AdminState;
use crate::admin::wait_limit::parse_wait_limit;
use crate::api::{ProblemKind, TrafficParams, TrafficView, TrafficWait};

/// The time that a response waits until a version is drained, if the request names no time.
const DEFAULT_WAIT: Duration = Duration::from_secs(30);

/// The longest time that a request may name.
const MAX_WAIT: Duration = Duration::from_secs(600);

/// Shows the traffic of each version at this gateway, and which other gateways may still have requests for
/// it.
///
/// With `wait=drained` the response waits until the process of a version may be stopped. It shows the traffic
/// in either case, and `drainedEverywhere` says whether the version is drained. With `Accept:
/// text/event-stream` the same is sent every two seconds as an event `traffic`, for five minutes. Then the
/// client sends the request again.
#[utoipa::path(
    get,
    path = "/deployment/services/{service}/traffic",
    tag = "deployment",
    params(
        ServicePath,
        ("version" = Option<String>, Query, description = "only this version"),
        ("wait" = Option<String>, Query, description = "'drained': respond once the version is drained at all gateways, or after the timeout"),
        ("timeout" = Option<String>, Query, description = "the longest wait, at most 10m; default: 30s")
    ),
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
    let wait = wait_time(&params)?;
    let version = params.version.map(|name| name.parse()).transpose()?;
    let query = TrafficQuery::new(state.deployments, service, version);
    if let Some(limit) = wait {
        // The response shows the traffic after a timeout as well: `drainedEverywhere` says whether the wait succeeded.
        let _ = timeout(limit, query.drained()).await;
    }
    // Also before a stream, so that an unknown name is a problem and not an empty stream.
    let snapshot = query.snapshot().await?;
    if accepts_events(&headers) {
        Ok(Sse::new(query.into_events()).into_response())
    } else {
        Ok(Json(snapshot).into_response())
    }
}

/// Returns the longest time to wait until the version is drained. `None`: the response does not wait.
fn wait_time(params: &TrafficParams) -> Result<Option<Duration>, ApiError> {
    match (params.wait, &params.version, &params.timeout) {
        (None, _, None) => Ok(None),
        (None, _, Some(_)) => {
            Err(ApiError::new(ProblemKind::MalformedQuery, "timeout needs wait=drained beside it"))
        }
        (Some(TrafficWait::Drained), None, _) => {
            let detail = "wait=drained needs a version, as in ?version=v1.0&wait=drained";
            Err(ApiError::new(ProblemKind::MalformedQuery, detail))
        }
        (Some(TrafficWait::Drained), Some(_), None) => Ok(Some(DEFAULT_WAIT)),
        (Some(TrafficWait::Drained), Some(_), Some(text)) => parse_wait_limit(text, MAX_WAIT).map(Some),
    }
}

/// Returns whether the client asks for a stream. Other media ranges, such as `*/*`, get one JSON response.
fn accepts_events(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|range| range.trim().starts_with("text/event-stream"))
}

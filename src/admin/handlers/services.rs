//! Splits of services.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use twox_hash::XxHash64;

use crate::admin::etag::IfNoneMatch;
use crate::admin::extract::{ServicePath, StrictQuery};
use crate::admin::openapi::{ListResponses, SplitResponses};
use crate::admin::problem::ApiError;
use crate::admin::state::AdminState;
use crate::api::{HealthEventView, ServiceList, ServicesParams, SplitView, VersionsParams};
use crate::deployments::Deployments;
use crate::handle::VersionInstances;
use crate::routing::{Route, ServiceName};

/// Lists services with their versions, as this gateway serves them now: all, or a page of them.
///
/// The services are in the order of their names. For the next page, send `nextAfter` as `after`. The response needs no
/// store: while the store is unavailable, it shows the routes that stay in use.
///
/// The ETag changes with each change of a listed service. Send it as `If-None-Match`, and the response is 304 as long as
/// nothing has changed.
#[utoipa::path(
    get,
    path = "/deployment/services",
    tag = "deployment",
    params(ServicesParams, IfNoneMatch),
    security(("bearer" = [])),
    responses(ListResponses)
)]
pub(in crate::admin) async fn list_services(
    State(state): State<AdminState>,
    StrictQuery(params): StrictQuery<ServicesParams>,
    condition: IfNoneMatch,
) -> Result<Response, ApiError> {
    let table = state.deployments.handle().table();
    let mut page: Vec<&Arc<Route>> =
        table.sorted().into_iter().filter(|route| is_listed(&params, route)).collect();
    let limit = params.limit.map_or(page.len(), |limit| limit as usize);
    let has_more = page.len() > limit;
    page.truncate(limit);
    let next_after = page.last().filter(|_| has_more).map(|route| route.service().to_string());
    let mut list: ServiceList = page.iter().map(|route| SplitView::from(route.split())).collect();
    list.next_after = next_after;
    Ok(condition.respond(format_args!("{:016x}", fingerprint(&page, has_more)), list))
}

/// Returns whether a service is after the page before, and has the text of the filter in its name.
fn is_listed(params: &ServicesParams, route: &Route) -> bool {
    let name = route.service().as_str();
    params.after.as_deref().is_none_or(|after| name > after)
        && params.q.as_deref().is_none_or(|text| name.contains(text))
}

/// Returns a number that is another one for another list.
///
/// The revision of the store would not do: a change is served before the revision that it made is known. The salt differs
/// between a service and an earlier one of its name, and the generation counts the changes of its split.
fn fingerprint(page: &[&Arc<Route>], has_more: bool) -> u64 {
    let mut hasher = XxHash64::with_seed(u64::from(has_more));
    for route in page {
        let split = route.split();
        hasher.write(route.service().as_str().as_bytes());
        hasher.write_u64(split.salt());
        hasher.write_u64(split.generation());
    }
    hasher.finish()
}

/// Shows the split of one service, as this gateway serves it now, with the health of each instance.
///
/// The ETag begins with the generation of the split. Send it as `If-Match` with a change, and the change is refused if
/// another client has changed the split meanwhile. Send it as `If-None-Match` with this request, and the response is 304
/// as long as neither the split nor the health has changed. With `events` the response also has the transitions of the
/// instances among the last 100 of this gateway.
#[utoipa::path(
    get,
    path = "/deployment/services/{service}/versions",
    tag = "deployment",
    params(ServicePath, VersionsParams, IfNoneMatch),
    security(("bearer" = [])),
    responses(SplitResponses)
)]
pub(in crate::admin) async fn list_versions(
    State(state): State<AdminState>,
    ServicePath(service): ServicePath,
    StrictQuery(params): StrictQuery<VersionsParams>,
    condition: IfNoneMatch,
) -> Result<Response, ApiError> {
    let route = state.route(&service)?;
    let observed = state.deployments.handle().instances(service.as_str()).unwrap_or_default();
    let mut split = SplitView::from(route.split()).with_health(&observed);
    split.events = params.events.then(|| events(&state.deployments, &service));
    let tag = match health_fingerprint(&observed, split.events.as_deref()) {
        Some(health) => format!("{}-{health:016x}", split.generation),
        None => split.generation.to_string(),
    };
    Ok(condition.respond(tag, split))
}

/// Returns the last transitions of the instances of a service, latest first.
fn events(deployments: &Deployments, service: &ServiceName) -> Vec<HealthEventView> {
    let events = deployments.health_events();
    events.iter().rev().filter(|event| event.service == *service).map(HealthEventView::from).collect()
}

/// Returns a number that is another one for other instances in other states, or `None` if nothing is observed, so that the
/// response shows the split alone.
///
/// Times are left out. They follow from the rest, except that two reads may find one time a millisecond apart.
fn health_fingerprint(observed: &[VersionInstances], events: Option<&[HealthEventView]>) -> Option<u64> {
    if events.is_none() && !observed.iter().any(|version| version.observed) {
        return None;
    }
    let mut hasher = XxHash64::with_seed(0);
    for instance in observed.iter().flat_map(|version| &version.instances) {
        let checks = (instance.checks_passed, instance.checks_failed);
        (instance.state, instance.trial, instance.ejections, checks, instance.registered).hash(&mut hasher);
    }
    for event in events.into_iter().flatten() {
        (event.at, &event.version, &event.url, &event.kind).hash(&mut hasher);
    }
    Some(hasher.finish())
}

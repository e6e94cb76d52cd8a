//! The router of the admin API and its OpenAPI document, from one list of handlers.

use std::any::Any;

use axum::body::{Body, HttpBody};
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::Value;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{AdminAuth, guard};
use super::constraints::constrain;
use super::extract::{MAX_BODY, NoParams, StrictQuery};
use super::handlers::{
    explain, history, mirror, overview, replicas, rollout_routes, service, services, traffic, versions,
    weights, whoami,
};
use super::openapi::{OpenApiDocument, ReadProblems, shorten_descriptions};
use super::problem::ApiError;
use super::state::AdminState;
use crate::api::ProblemKind;
use crate::deployments::Deployments;

/// Creates the admin API over `deployments` for the principals that `auth` authenticates. See the
/// [module](super) for its routes. It has no rollouts: with the feature `rollout`, `router_with_rollouts` has them.
///
/// The router has its own state, so that it nests into a router with any state `S`. Nest it with
/// `Router::nest`, and do not merge it: it responds to every path below its mount. The path of the mount with
/// a `/` at the end stays with the application, unless it uses `Router::nest_service`.
///
/// ```
/// use axum::Router;
/// use axum::extract::State;
/// use axum::routing::get;
/// use tower_canary::admin::{self, AdminAuth};
/// use tower_canary::{Deployments, Draw};
///
/// #[derive(Clone)]
/// struct AppState {
///     greeting: &'static str,
/// }
///
/// async fn hello(State(state): State<AppState>) -> &'static str {
///     state.greeting
/// }
///
/// fn app(deployments: Deployments, auth: AdminAuth) -> Router {
///     Router::new()
///         .route("/hello", get(hello))
///         .nest("/api/v1/admin", admin::router(deployments, auth))
///         .with_state(AppState { greeting: "hello" })
/// }
/// ```
pub fn router<S>(deployments: Deployments, auth: AdminAuth) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    assemble(AdminState::new(deployments), auth)
}

/// Assembles the router of an API with this state.
pub(super) fn assemble<S>(state: AdminState, auth: AdminAuth) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let (routes, _) = documented_routes().split_for_parts();
    let routes: Router = routes
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(state);
    // `guard` is around the routes as one service. A layer of the routes would be inside the code that adds
    // the `Allow` header, which would then show unauthenticated clients which paths exist.
    Router::new()
        .fallback_service(routes)
        .layer(from_fn_with_state(auth, guard))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(overriding_header(CACHE_CONTROL, "no-store"))
        .layer(overriding_header(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(from_fn(empty_head))
}

/// Returns the OpenAPI document of the admin API. Its paths are relative to the mount.
///
/// ```
/// let document = tower_canary::admin::openapi_json();
/// assert!(document["paths"]["/deployment/services"]["get"].is_object());
/// ```
#[must_use]
pub fn openapi_json() -> Value {
    let mut document = documented_routes().into_openapi();
    shorten_descriptions(&mut document);
    // The document has only maps with text keys, so it always has a JSON form.
    let mut document = serde_json::to_value(document).unwrap_or_default();
    constrain(&mut document);
    document
}

/// Responds with the document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "document",
    security(("bearer" = [])),
    responses((status = OK, description = "the OpenAPI document", body = Object), ReadProblems)
)]
async fn openapi(StrictQuery(NoParams {}): StrictQuery<NoParams>) -> Json<Value> {
    Json(openapi_json())
}

/// Returns the routes with their documentation: one list, so that neither has a route that the other lacks.
fn documented_routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::with_openapi(OpenApiDocument::openapi())
        .merge(reads())
        .merge(changes())
        .merge(rollout_routes::routes())
}

/// The operations that change nothing and need [`Scope::Read`](super::principal::Scope::Read).
fn reads() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new()
        .routes(routes!(openapi))
        .routes(routes!(whoami::whoami))
        .routes(routes!(services::list_services))
        .routes(routes!(services::list_versions))
        .routes(routes!(explain::explain))
        .routes(routes!(traffic::traffic))
        .routes(routes!(overview::overview))
        .routes(routes!(history::history))
        .routes(routes!(history::refusals))
        .routes(routes!(replicas::status))
        .routes(routes!(replicas::replicas))
}

/// The operations that need [`Scope::Write`](super::principal::Scope::Write).
fn changes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new()
        .routes(routes!(weights::set_weight))
        .routes(routes!(weights::set_weights))
        .routes(routes!(weights::switch))
        .routes(routes!(weights::redraw))
        .routes(routes!(versions::register))
        .routes(routes!(versions::update, versions::remove))
        .routes(routes!(versions::check))
        .routes(routes!(history::restore))
        .routes(routes!(service::update_service, service::remove_service))
        .merge(mirrors())
}

/// The changes of mirrors.
fn mirrors() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new().routes(routes!(mirror::set_mirror, mirror::remove_mirror))
}

/// Sets a header of every response, including those after a panic and to a denied request.
fn overriding_header(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
}

/// Removes the content of every response to `HEAD` and keeps its length (RFC 9110, 9.3.2).
///
/// axum does so for handlers of a method, but not for fallbacks and layers of a nested router. Over HTTP/2 the server does
/// not do it either.
async fn empty_head(request: Request, next: Next) -> Response {
    let is_head = request.method() == Method::HEAD;
    let mut response = next.run(request).await;
    if is_head {
        let length = response.body().size_hint().exact();
        if let Some(length) = length.filter(|_| !response.headers().contains_key(CONTENT_LENGTH)) {
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        *response.body_mut() = Body::empty();
    }
    response
}

/// Responds after a panic of the application's store, version check or authenticator. The panic hook of the
/// application has logged its message.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    let detail = "the gateway has a defect; read the split to see whether the change was made";
    ApiError::new(ProblemKind::InternalError, detail).into_response()
}

/// Responds to paths that the API does not have.
async fn not_found() -> ApiError {
    ApiError::new(ProblemKind::NotFound, "the admin API has no such path")
}

/// Responds to other methods of a known path. The router adds the `Allow` header.
async fn method_not_allowed(method: Method) -> Response {
    // RFC 9110, 9.3.7: `Allow` is the whole response. There are no CORS headers.
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    ApiError::new(ProblemKind::MethodNotAllowed, "see the Allow header").into_response()
}

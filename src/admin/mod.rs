//! The admin API: an axum router with which operators register versions and move traffic.
//!
//! [`router()`] makes the API from the [`Deployments`](crate::Deployments) that it controls and an
//! [`AdminAuth`] that decides who may use it. The application nests it, by convention at `/api/v1/admin`. The
//! JSON of requests and responses is in the module [`api`](crate::api), for clients too.
//!
//! # Routes
//!
//! All paths are below the mount. Reads of the state:
//!
//! | method and path | response |
//! | --- | --- |
//! | `GET /deployment/services` | [`ServiceList`]: all services with their versions |
//! | `GET /deployment/services/{service}/versions` | [`SplitView`]: one service |
//! | `GET /deployment/services/{service}/history` | [`HistoryPage`]: who changed what, when and why |
//! | `GET /deployment/services/{service}/explain?key=alice` | [`ExplanationView`]: the version of a key |
//! | `GET /deployment/services/{service}/traffic` | [`TrafficView`]: requests, outcomes and latencies |
//! | `GET /deployment/status` | [`StatusView`]: the freshness of this gateway |
//! | `GET /deployment/replicas` | [`ReplicaList`]: the gateways that share the store |
//! | `GET /openapi.json` | the OpenAPI document, also from [`openapi_json`] |
//!
//! Changes of a split, all with the response [`ChangeResult`]:
//!
//! | method and path | body | effect |
//! | --- | --- | --- |
//! | `PUT /deployment/services/{service}/versions/{version}/weight` | [`SetWeight`] | sets one weight; the others share the rest |
//! | `PUT /deployment/services/{service}/weights` | [`SetWeights`] | sets all weights |
//! | `POST /deployment/services/{service}/versions/{version}/switch` | [`PlainChange`] | gives one version all traffic |
//! | `POST /deployment/services/{service}/restore` | [`RestoreGeneration`] | restores the weights of an earlier generation |
//! | `POST /deployment/services/{service}/redraw` | [`PlainChange`] | ends the session affinity of pinned users |
//! | `POST /routing/services/{service}/versions` | [`RegisterVersion`] | registers a version |
//! | `PUT /routing/services/{service}/versions/{version}` | [`UpdateVersion`] | activates, deactivates or changes the URL |
//! | `DELETE /routing/services/{service}/versions/{version}` | [`PlainChange`] | removes an inactive version |
//!
//! And one request that changes nothing: `POST /deployment/services/{service}/versions/{version}/check`
//! probes a version now, with the response [`CheckView`].
//!
//! # Requests
//!
//! A body is a JSON object of at most 16 KiB. An empty body is read as `{}`. Unknown fields and unknown query
//! parameters are refused, so that a mistyped name is not overlooked.
//!
//! # Changes
//!
//! Every change takes a `reason` in its body (at most 1,000 characters, no control characters) and these
//! conditions:
//!
//! - `If-Match: "<generation>"` makes the change only if the split is at that generation. `"0"` on a
//!   registration expects that the service does not exist yet. `*` expects that it exists.
//! - `?force=true` skips the probe, and allows to deactivate the last active version. It does not skip the
//!   policy for URLs.
//! - `?dryRun=true` does not make the change. The response shows the split that the change would make, and
//!   which users with a key would get another version. Nothing is probed or stored.
//! - `?wait=converged` waits until all [replicas](crate::deployments::Builder::with_replica_name) serve the
//!   change, for 5 seconds or for `&timeout=`, 60 seconds at most. The response lists the replicas, and its
//!   status is 202 if some replica does not serve the change yet. A gateway that does not report to the store
//!   refuses to wait.
//!
//! A version without traffic is probed before it gets some. The first version of a service is not probed,
//! because it has no traffic yet that it could fail.
//!
//! Each change that changed something is logged as one `info` event. Each refused change is logged as one
//! `warn` event and appears on the first page of the history. A write without the necessary scope is logged
//! as one `warn` event. A malformed request gets an error response. It is not logged and not stored.
//!
//! # History
//!
//! A page has 50 changes, or `?limit=` of 1 to 200, latest first. `?before=` takes the `nextBefore` of the
//! page before. The first page also has the last 50 refused changes, with the reason for each refusal.
//!
//! # Traffic
//!
//! The figures are from the gateway that responds. If it
//! [reports](crate::deployments::Builder::with_replica_name) to the store, the response also lists the other
//! gateways that may still have requests for a version.
//!
//! - `?version=v1.0` shows one version.
//! - `?version=v1.0&wait=drained` responds once the process of the version may be stopped, because no gateway
//!   has or sends requests to it, or after 30 seconds or `&timeout=`, 10 minutes at most. `drainedEverywhere`
//!   says which one it is. A removed version is shown while this gateway has requests for it, so wait before
//!   you remove it.
//! - `Accept: text/event-stream` responds with an event `traffic` every two seconds, for five minutes.
//!
//! # Responses
//!
//! Weights are in percent, times are in RFC 3339. A response with one split has the header `ETag:
//! "<generation>"`.
//!
//! Reads show what this gateway serves now, without the store. The history, the refused changes and the
//! replicas are read from the store. Errors are problem documents (RFC 9457), see [below](#problems). Their
//! details are for the sender of the request; the cause of a failure inside the gateway goes to `tracing`
//! only.
//!
//! # Authentication
//!
//! [`AdminAuth`] authenticates every request before any other part of the API sees it. An unauthenticated
//! client cannot find out which paths or services exist. `GET` and `HEAD` need [`Scope::Read`], every other
//! method needs [`Scope::Write`].
//!
//! The API sends no CORS headers. Time limits and rate limits are the application's part.
//!
//! # Example
//!
//! An application that authenticates operators by keys of its own. With the feature `jwt`, `AdminAuth::jwt`
//! needs no such code.
//!
//! ```
//! use std::collections::HashMap;
//!
//! use axum::Router;
//! use axum::body::Body;
//! use http::Request;
//! use http::request::Parts;
//! use tower::ServiceExt;
//! use tower_canary::admin::{self, AdminAuth, AuthError, Authenticator, Principal, Scope};
//! use tower_canary::{Deployments, Draw};
//!
//! /// The operators by their keys.
//! #[derive(Debug)]
//! struct ApiKeys(HashMap<String, Principal>);
//!
//! #[async_trait::async_trait]
//! impl Authenticator for ApiKeys {
//!     async fn authenticate(&self, request: &Parts) -> Result<Principal, AuthError> {
//!         let key = request.headers.get("x-api-key").ok_or(AuthError::Missing)?;
//!         let key = key.to_str().map_err(AuthError::invalid)?;
//!         self.0.get(key).cloned().ok_or_else(|| AuthError::invalid("unknown key"))
//!     }
//!
//!     fn instructions(&self) -> &str {
//!         "send a valid key in the header x-api-key"
//!     }
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let alice = Principal::new("alice")?.with_scopes([Scope::Read, Scope::Write]);
//!     let keys = ApiKeys(HashMap::from([("a random key of alice".to_owned(), alice)]));
//!
//!     let deployments = Deployments::in_memory(Draw::Exact);
//!     let api = admin::router(deployments, AdminAuth::custom(keys));
//!     let app: Router = Router::new().nest("/api/v1/admin", api);
//!
//!     let services = Request::get("/api/v1/admin/deployment/services");
//!     let anonymous = app.clone().oneshot(services.body(Body::empty())?).await?;
//!     assert_eq!(anonymous.status(), 401);
//!
//!     let register = Request::post("/api/v1/admin/routing/services/auth/versions")
//!         .header("x-api-key", "a random key of alice")
//!         .header("content-type", "application/json")
//!         .body(Body::from(r#"{"version": "v1.0", "url": "http://10.0.0.1:8080"}"#))?;
//!     assert_eq!(app.oneshot(register).await?.status(), 201);
//!     Ok(())
//! }
//! ```
//!
//! # Concurrent changes
//!
//! Two operators may change the same split. A client that reads a split, decides, and writes sends the ETag
//! that it has read. If the split has changed meanwhile, the write is refused with 412 and both generations,
//! and the client reads again. Requests and responses are the types of the module [`api`](crate::api):
//!
//! ```
//! use axum::Router;
//! use axum::body::{Body, to_bytes};
//! use http::{Request, Response};
//! use tower::ServiceExt;
//! use tower_canary::api::{ChangeResult, Problem, SetWeight};
//!
//! /// Sets the weight of v1.1 if the split of `auth` is still at `generation`.
//! async fn set_weight(api: Router, generation: u64, body: &SetWeight) -> Response<Body> {
//!     let request = Request::put("/deployment/services/auth/versions/v1.1/weight")
//!         .header("authorization", "Bearer a-valid-token")
//!         .header("content-type", "application/json")
//!         .header("if-match", format!("\"{generation}\""))
//!         .body(Body::from(serde_json::to_vec(body).expect("a request is JSON")))
//!         .expect("a valid request");
//!     api.oneshot(request).await.expect("a router responds")
//! }
//!
//! /// Returns the generation after the change. On a conflict it tries again with the present generation.
//! async fn start_canary(api: Router, mut generation: u64) -> Result<u64, Box<dyn std::error::Error>> {
//!     let body = SetWeight::new("5".parse()?).with_reason("start".parse()?);
//!     loop {
//!         let response = set_weight(api.clone(), generation, &body).await;
//!         let status = response.status();
//!         let json = to_bytes(response.into_body(), 64 * 1024).await?;
//!         if status.is_success() {
//!             let result: ChangeResult = serde_json::from_slice(&json)?;
//!             return Ok(result.split.generation);
//!         }
//!         let problem: Problem = serde_json::from_slice(&json)?;
//!         generation = problem.current_generation.ok_or(problem)?;
//!     }
//! }
//! # use tower_canary::admin::{self, AdminAuth, AuthError, Authenticator, Principal, Scope};
//! # use tower_canary::{Deployments, Draw, routing::Change, store::ChangeRequest};
//! # #[derive(Debug)] struct Everybody;
//! # #[async_trait::async_trait] impl Authenticator for Everybody {
//! #     async fn authenticate(&self, _: &http::request::Parts) -> Result<Principal, AuthError> {
//! #         let alice = Principal::new("alice").map_err(AuthError::invalid)?;
//! #         Ok(alice.with_scopes([Scope::Read, Scope::Write]))
//! #     }
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! # let deployments = Deployments::in_memory(Draw::Exact);
//! # for (version, url) in [("v1.0", "http://10.0.0.1"), ("v1.1", "http://10.0.0.2")] {
//! #     let register = Change::register(version.parse()?, url.parse()?);
//! #     deployments.apply(&"auth".parse()?, ChangeRequest::new(register, "alice")).await?;
//! # }
//! # let api = admin::router(deployments, AdminAuth::custom(Everybody));
//! # assert_eq!(start_canary(api, 1).await?, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Problems
//!
//! The `type` of a problem stays the same across releases; titles and details may change. [`Problem`] is the
//! document, and [`ProblemKind`] has the rows of this table:
//!
//! | status | `type` | when |
//! | --- | --- | --- |
//! | 400 | `malformed-body` | the body is not a JSON object of the right form |
//! | 400 | `malformed-query` | a query parameter is unknown, out of range, or needs another one |
//! | 400 | `malformed-header` | `If-Match` is neither `*` nor a list of ETags |
//! | 401 | `unauthorized` | the credentials are missing or not valid |
//! | 403 | `insufficient-scope` | the credentials do not have the necessary scope |
//! | 404 | `unknown-service` | no service has this name |
//! | 404 | `unknown-version` | no version of the service has this name |
//! | 404 | `unknown-generation` | the history does not have this generation, or not any more |
//! | 404 | `not-found` | the API has no such path |
//! | 405 | `method-not-allowed` | the path does not have this method |
//! | 409 | `duplicate-version` | the service has a version with this name |
//! | 409 | `version-inactive` | an inactive version cannot have a weight |
//! | 409 | `version-active` | only an inactive version can be removed |
//! | 409 | `ambiguous-rebalance` | several other versions are at 0: set all weights |
//! | 409 | `last-active-version` | the last active version is deactivated only with `?force=true` |
//! | 409 | `backend-unhealthy` | the probe failed: repair the version, or use `?force=true` |
//! | 409 | `version-gone` | a version of the generation to restore was removed |
//! | 409 | `nothing-to-restore` | the generation had no active version |
//! | 409 | `unsettled` | others changed the split during each attempt: try again |
//! | 412 | `generation-conflict` | `If-Match` expects another generation: the response has both |
//! | 413 | `payload-too-large` | the body is larger than 16 KiB |
//! | 415 | `unsupported-media-type` | the body is not `application/json` |
//! | 422 | `invalid-name` | the name is not a name of a service or version |
//! | 422 | `invalid-weight` | the number is not 0 to 100 with at most two decimals, or not possible here |
//! | 422 | `invalid-split` | the weights do not total 100 |
//! | 422 | `invalid-url` | the URL is not a base URL, or the policy refuses it |
//! | 422 | `invalid-health-path` | the health path is not a path |
//! | 500 | `broken-split` | the stored split of the service cannot be read: see the log |
//! | 500 | `internal-error` | the gateway has a defect: see the log |
//! | 503 | `store-unavailable` | the store cannot be reached; existing routes stay in use |
//!
//! [`ChangeResult`]: crate::api::ChangeResult
//! [`CheckView`]: crate::api::CheckView
//! [`ExplanationView`]: crate::api::ExplanationView
//! [`HistoryPage`]: crate::api::HistoryPage
//! [`PlainChange`]: crate::api::PlainChange
//! [`RegisterVersion`]: crate::api::RegisterVersion
//! [`ReplicaList`]: crate::api::ReplicaList
//! [`RestoreGeneration`]: crate::api::RestoreGeneration
//! [`ServiceList`]: crate::api::ServiceList
//! [`Problem`]: crate::api::Problem
//! [`ProblemKind`]: crate::api::ProblemKind
//! [`SetWeight`]: crate::api::SetWeight
//! [`SetWeights`]: crate::api::SetWeights
//! [`SplitView`]: crate::api::SplitView
//! [`StatusView`]: crate::api::StatusView
//! [`TrafficView`]: crate::api::TrafficView
//! [`UpdateVersion`]: crate::api::UpdateVersion

mod auth;
mod decode;
mod extract;
mod handlers;
mod if_match;
#[cfg(feature = "jwt")]
mod jwt;
mod openapi;
mod principal;
mod problem;
mod router;
mod state;
mod wait_limit;

pub use self::auth::{AdminAuth, AuthError, Authenticator, Denial};
#[cfg(feature = "jwt")]
pub use self::jwt::{JwtAuth, JwtConfigError};
pub use self::principal::{InvalidSubject, Principal, Scope, UnknownScope};
pub use self::router::{openapi_json, router};

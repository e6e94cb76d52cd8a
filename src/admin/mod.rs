//! The admin API: an axum router that a host nests, by convention at `/api/v1/admin`.
//!
//! | method and path below the mount | does |
//! | --- | --- |
//! | `GET /deployment/services` | all services with their versions |
//! | `GET /deployment/services/{service}/versions` | one of them |
//! | `PUT /deployment/services/{service}/versions/{version}/weight` | `{"weight": 10}` |
//! | `POST /deployment/services/{service}/versions/{version}/switch` | all traffic to one version |
//! | `PUT /deployment/services/{service}/weights` | `{"weights": {"v1.0": 70, "v1.1": 30}}` |
//! | `POST /routing/services/{service}/versions` | `{"version", "url", "weight"?, "active"?, "healthPath"?}`: registers |
//! | `PUT /routing/services/{service}/versions/{version}` | `{"active"?, "url"?}`, at least one |
//! | `DELETE /routing/services/{service}/versions/{version}` | forgets an inactive version |
//! | `GET /deployment/services/{service}/history` | who, when, why, before and after, and on the first page what was refused lately, and why; `?limit=` (1 to 200, by default 50) and `?before=` (a generation) |
//! | `POST /deployment/services/{service}/restore` | `{"generation": 41}` |
//! | `POST /deployment/services/{service}/redraw` | draws users who are pinned to a version anew, once |
//! | `POST /deployment/services/{service}/versions/{version}/check` | probes now |
//! | `GET /deployment/services/{service}/explain?key=alice` | which version a key gets, and why |
//! | `GET /deployment/services/{service}/traffic` | what each version does at this gateway; `?version=v1.0&wait=drained&timeout=30s` answers once it may be stopped: drained here, and at the other gateways that report, or after the timeout (30 s by default, 10 minutes at most). One that was removed is told of while this gateway has requests there, so wait before you remove it. `Accept: text/event-stream` tells every two seconds, as an event `traffic`, for five minutes |
//! | `GET /deployment/status` | how fresh the routes of this gateway are; answered without the store |
//! | `GET /deployment/replicas` | the gateways that share the store, and how far each has followed it |
//! | `GET /openapi.json` | the OpenAPI document |
//!
//! **Requests.** Bodies are JSON of at most 16 KiB; unknown fields are refused, and an empty body is read as `{}`. Every
//! change takes a `reason` (at most 1,000 characters, no control characters), `If-Match: "<generation>"`, and
//! `?force=true`, which skips the probe of versions that get traffic and takes even the last active version out. It never skips the
//! policy on addresses. With `?dryRun=true` a change is only told: the split after it, and which users would move; nothing
//! is probed or stored. `If-Match: "0"` on a registration asks for a new service. With `?wait=converged&timeout=5s` the
//! answer waits until all [replicas](crate::deployments::Builder::with_replica_name) serve the change, 5 s by default and at most
//! 60; a gateway that is no replica refuses. Its
//! `convergence` names those that do, and 202 instead of 200 says that some do not yet.
//!
//! A version that would get traffic and has none is probed first; the first version of a service is not, since there is
//! no traffic yet that it could fail.
//!
//! **Answers.** Weights are in percent, times in RFC 3339. An answer that shows one split has `ETag: "<generation>"`.
//! Reads show what this gateway serves at this moment; the history is read from the store. Errors are problem documents (RFC 9457) with a stable `type`; what went wrong
//! inside goes to `tracing` only. Every change that changed something is one `info` event, every one that was refused one
//! `warn` event, and so is a write by somebody without the scope for it. What is no change at all, as for want of a number
//! between 0 and 100, is answered and neither told nor kept.
//!
//! **Who may.** Nothing is answered before [`AdminAuth`] knows who asks, not even whether a path exists. `GET` and `HEAD`
//! need [`Scope::Read`], every other method [`Scope::Write`]. No CORS headers are sent. Time limits and rate limits are
//! the host's to add.
//!
//! # Problems
//!
//! | status | `type` | when |
//! | --- | --- | --- |
//! | 400 | `malformed-body` | the body is no JSON of the right form, has an unknown field, or a text that is too long |
//! | 400 | `malformed-query` | a parameter is unknown, out of range, or may not stand with the others |
//! | 400 | `malformed-header` | `If-Match` is neither `*` nor a generation in quotes |
//! | 401 | `unauthorized` | no valid credentials |
//! | 403 | `insufficient-scope` | the credentials are valid, and not for this |
//! | 404 | `unknown-service` | no service of that name |
//! | 404 | `unknown-version` | no version of that name |
//! | 404 | `unknown-generation` | the history does not have it, or no longer |
//! | 404 | `not-found` | no such path |
//! | 405 | `method-not-allowed` | the path has other methods |
//! | 409 | `duplicate-version` | the name is taken |
//! | 409 | `version-inactive` | an inactive version cannot have a weight |
//! | 409 | `version-active` | only an inactive version can be removed |
//! | 409 | `ambiguous-rebalance` | several other versions are at 0: name all weights |
//! | 409 | `last-active-version` | the last active version goes only by `?force=true` |
//! | 409 | `backend-unhealthy` | the probe failed: mend the version, or `?force=true` |
//! | 409 | `version-gone` | a version of the generation to restore was removed |
//! | 409 | `nothing-to-restore` | the generation had no active version |
//! | 409 | `unsettled` | others kept changing the split: try again |
//! | 412 | `generation-conflict` | `If-Match` names another generation: both are in the answer |
//! | 413 | `payload-too-large` | more than 16 KiB |
//! | 415 | `unsupported-media-type` | a body that is not `application/json` |
//! | 422 | `invalid-name` | a name that no service or version can have |
//! | 422 | `invalid-weight` | not 0 to 100 with up to two decimals, or not possible here |
//! | 422 | `invalid-split` | the weights do not total 100 |
//! | 422 | `invalid-url` | no base URL, or one that the policy denies |
//! | 422 | `invalid-health-path` | no path |
//! | 500 | `broken-split` | what is stored of the service cannot be read: see the log |
//! | 500 | `internal-error` | a defect: see the log |
//! | 503 | `store-unavailable` | the database cannot be reached; requests are served as before |
//!
//! # Example
//!
//! ```
//! use axum::Router;
//! use tower_canary::admin::{self, AdminAuth};
//! # use tower_canary::admin::{AuthError, Authenticator, Principal, Scope};
//! use tower_canary::{Deployments, Draw};
//! # #[derive(Debug)] struct OurLogin;
//! # #[async_trait::async_trait] impl Authenticator for OurLogin {
//! #     async fn authenticate(&self, _: &http::request::Parts) -> Result<Principal, AuthError> {
//! #         Principal::new("alice").map(|alice| alice.with_scopes([Scope::Read])).map_err(AuthError::invalid)
//! #     }
//! # }
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let deployments = Deployments::in_memory(Draw::Exact);
//! let api = admin::router(deployments, AdminAuth::custom(OurLogin));
//! let app: Router = Router::new().nest("/api/v1/admin", api);
//! # use tower::ServiceExt;
//! # let request = http::Request::get("/api/v1/admin/deployment/services").body(axum::body::Body::empty())?;
//! # assert_eq!(app.oneshot(request).await?.status(), 200);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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

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
//! | `GET /whoami` | [`PrincipalView`](crate::api::PrincipalView): the sender and its scopes |
//! | `GET /deployment/services` | [`ServiceList`](crate::api::ServiceList): all services with their versions, or a page of them |
//! | `GET /deployment/services/{service}/versions` | [`SplitView`](crate::api::SplitView): one service, with the health of its [instances](#instances) |
//! | `GET /deployment/services/{service}/history` | [`HistoryPage`](crate::api::HistoryPage): who changed what, when and why |
//! | `GET /deployment/services/{service}/refusals` | [`RefusalPage`](crate::api::RefusalPage): the changes that were refused |
//! | `GET /deployment/services/{service}/explain?key=alice` | [`ExplanationView`](crate::api::ExplanationView): the version of a key |
//! | `GET /deployment/services/{service}/traffic` | [`TrafficView`](crate::api::TrafficView): requests, outcomes and latencies |
//! | `GET /deployment/traffic` | [`TrafficOverview`](crate::api::TrafficOverview): the busy services in a few figures each |
//! | `GET /deployment/status` | [`StatusView`](crate::api::StatusView): the freshness of this gateway, its release and its rules |
//! | `GET /deployment/replicas` | [`ReplicaList`](crate::api::ReplicaList): the gateways that share the store |
//! | `GET /openapi.json` | the OpenAPI document, also from [`openapi_json`] |
//!
//! Changes of a split, all with the response [`ChangeResult`](crate::api::ChangeResult):
//!
//! | method and path | body | effect |
//! | --- | --- | --- |
//! | `PUT /deployment/services/{service}/versions/{version}/weight` | [`SetWeight`](crate::api::SetWeight) | sets one weight; the others share the rest |
//! | `PUT /deployment/services/{service}/weights` | [`SetWeights`](crate::api::SetWeights) | sets all weights |
//! | `POST /deployment/services/{service}/versions/{version}/switch` | [`PlainChange`] | gives one version all traffic |
//! | `PUT /deployment/services/{service}/mirror` | [`SetMirror`](crate::api::SetMirror) | sends copies of a share of the requests to a version |
//! | `DELETE /deployment/services/{service}/mirror` | [`PlainChange`] | sends no more copies |
//! | `POST /deployment/services/{service}/restore` | [`RestoreGeneration`](crate::api::RestoreGeneration) | restores an earlier generation: weights, URLs, health path and mirror |
//! | `POST /deployment/services/{service}/redraw` | [`PlainChange`] | ends the session affinity of pinned users |
//! | `POST /routing/services/{service}/versions` | [`RegisterVersion`](crate::api::RegisterVersion) | registers a version |
//! | `PUT /routing/services/{service}/versions/{version}` | [`UpdateVersion`](crate::api::UpdateVersion) | activates, deactivates or changes the URLs |
//! | `DELETE /routing/services/{service}/versions/{version}` | [`PlainChange`] | removes an inactive version |
//! | `PUT /routing/services/{service}` | [`UpdateService`](crate::api::UpdateService) | sets the path of health probes |
//! | `DELETE /routing/services/{service}` | [`PlainChange`] | removes a service |
//!
//! And one request that changes no split: `POST /deployment/services/{service}/versions/{version}/check`
//! probes the instances of a version now. Its body is a [`CheckVersion`](crate::api::CheckVersion), its response a [`CheckView`](crate::api::CheckView).
//!
//! With the feature `rollout`, `router_with_rollouts` also starts, shows and steers rollouts.
//!
//! # Requests
//!
//! A body is a JSON object of at most 16 KiB, enough for 64 URLs of 240 bytes. An empty body is read as `{}`. Unknown fields and unknown query
//! parameters are refused, so that a mistyped name is not overlooked. The OpenAPI document states the limits of
//! names, numbers and texts.
//!
//! Responses to `GET` with an `ETag` are 304 without a body if the request sends that tag as `If-None-Match`.
//!
//! # Instances
//!
//! A version has 1 to 64 base URLs, its instances. A body names them as `url`, for a version with one, or as `urls`. A body
//! that changes a version may have `addUrls` or `removeUrls` instead, so that two programs that scale a version do not undo
//! each other. A URL to add that is there, and one to remove that is not, change nothing. Several of these fields in one
//! body, more than 64 URLs and a URL twice get 422 `invalid-url`. The last URL cannot be removed: 409 `last-instance`.
//!
//! `GET …/versions` shows what this gateway observes: the state of each instance with its last check, how many are usable,
//! and, with `?events=true`, the last transitions. Another gateway may see other states. The ETag has a hash after the
//! generation then, `"41-8f2e"`: it changes with the health, while `If-Match` compares the generation alone.
//!
//! No request sets a state. To take an instance out, remove its URL. To bring one back before its ejection ends, send
//! `{"clear": true}` to `…/check`: it gets requests again at this gateway if it passes.
//!
//! # Services
//!
//! `?limit=` of 1 to 1,000 lists a page of the services, in the order of their names. `?after=` takes the `nextAfter` of
//! the page before. `?q=` lists the services whose name contains a text. The ETag changes with every change of a listed
//! service, so a client can ask often for little.
//!
//! `explain` takes `?weights=v1.0:70,v1.1:30`, to ask which version a key would get under these weights.
//!
//! # Changes
//!
//! Every change takes a `reason` in its body (at most 1,000 characters, no control characters) and these
//! conditions:
//!
//! - `If-Match: "<generation>"` makes the change only if the split is at that generation. `"0"` on a
//!   registration expects that the service does not exist yet, or was removed, as `If-None-Match: *` does. `*` expects
//!   that it exists. A request that is sent again after its response was lost has its effect once if it has this
//!   condition: that matters for a redraw, which would draw users again. There is no `Idempotency-Key`, since the
//!   generation serves that purpose in all gateways and needs no memory of keys. [`docs`](crate::docs) has a recipe for a
//!   client that tries again after a conflict, in `cookbook::applications`.
//! - `?force=true` skips the probe, and allows to deactivate the last active version or to remove a service that has
//!   active versions. It does not skip the policy for URLs.
//! - `?dryRun=true` does not make the change. The response shows the split that the change would make, and which users
//!   with a key would get another version. Nothing is probed or stored, so a sender with [`Scope::Read`] alone may preview.
//! - `?wait=converged` waits until all [replicas](crate::deployments::Builder::with_replica_name) serve the change, for 5
//!   seconds or for `&timeout=`, 60 seconds at most. The response lists the replicas, and its status is 202 if some replica
//!   does not serve the change yet or the store could not be read. A gateway that does not report to the store refuses to
//!   wait.
//!
//! A version without traffic is probed at each instance before it gets some, and a version with traffic at each new URL. At
//! least half of the probes must pass. The response to the change has the results as `probes`, and the problem
//! `backend-unhealthy` has those that failed as `probes` and the first of them as `probe`. A version that is registered while
//! no version of its service is active is not probed, because the service has no traffic yet that it could fail.
//!
//! Each change that changed something is logged as one `info` event. Each refused change is logged as one `warn` event and
//! appears on the first page of the history. A write without the necessary scope is logged as one `warn` event. A preview
//! and a malformed request are neither logged nor stored.
//!
//! # History
//!
//! A page has 50 changes, or `?limit=` of 1 to 200, latest first. `?before=` takes the `nextBefore` of the page before. The
//! first page also has the last 50 refused changes, with the reason for each refusal; all that are kept are at
//! `/refusals`, in pages as well.
//!
//! An entry has the actor, the kind of actor and the header `X-Request-Id` of the request, the weight, the active flag and
//! the URLs of each version before and after the change, the health path and the mirror. So a restore brings back the URLs
//! too, with the policy and the probe of a new URL. It is refused with `url-not-restorable` if the policy does not allow a
//! URL any more, and if the history of an earlier release has no URLs and a version was registered again since then.
//!
//! # Removing a service
//!
//! `DELETE /routing/services/{service}` removes a service with its versions and its health path. All gateways answer its
//! requests as requests for an unknown service, once they have followed the change. The history of the service and its refused
//! changes can still be read, for audits. A service that is registered again starts clean: other identities of versions,
//! other slots for keys, no health path, and earlier pins are not valid. Its generations continue the earlier ones, so
//! that no two states have the same.
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
//! - `?version=v1.0&url=http://10.0.0.3:8080&wait=drained` waits for one instance in the same way. It gets requests as long
//!   as its version does, so remove its URL first. `drainedEverywhere` in `instances` says whether it may be stopped.
//!   `isRegistered` is false for a URL that the version does not have.
//! - `Accept: text/event-stream` responds with an event `traffic` every two seconds, for five minutes. The first event has
//!   the `series` of the last five minutes. The header `X-Accel-Buffering: no` keeps NGINX from holding events back.
//!
//! `GET /deployment/traffic` has requests per second, the part that failed and the requests in flight of each service
//! that has any, and the same kind of stream.
//!
//! # Responses
//!
//! Weights are in percent, times are in RFC 3339. A response with one split has the header `ETag:
//! "<generation>"`, or `"<generation>-<hash>"` where it also shows the health of instances.
//!
//! Reads show what this gateway serves now, without the store. The history, the refused changes and the
//! replicas and the rollouts are read from the store. Errors are problem documents (RFC 9457), see [below](#problems). Their
//! details are for the sender of the request; the cause of a failure inside the gateway goes to `tracing`
//! only.
//!
//! # Authentication
//!
//! [`AdminAuth`] authenticates every request before any other part of the API sees it. An unauthenticated
//! client cannot find out which paths or services exist. `GET` and `HEAD` need [`Scope::Read`], every other
//! method needs [`Scope::Write`]. Three requests need less: `GET /whoami` needs no scope, and a probe
//! (`POST …/check`) or a preview (`?dryRun=true`) needs one of both, since they change nothing. A probe that ends ejections
//! (`"clear": true`) needs [`Scope::Write`] and is always carried out. Without it, a version is probed at most once per second
//! on request: a request within that time gets the results of the probes before it.
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
//! # Problems
//!
//! The `type` of a problem stays the same across releases; titles and details may change. [`Problem`](crate::api::Problem) is the
//! document, and [`ProblemKind`](crate::api::ProblemKind) has the rows of this table:
//!
//! | status | `type` | when |
//! | --- | --- | --- |
//! | 400 | `malformed-body` | the body is not a JSON object of the right form |
//! | 400 | `malformed-query` | a query parameter is unknown, out of range, needs another one, or asks for a wait that the gateway cannot do |
//! | 400 | `malformed-header` | `If-Match` or `If-None-Match` is neither `*` nor a list of ETags |
//! | 401 | `unauthorized` | the credentials are missing or not valid |
//! | 403 | `insufficient-scope` | the credentials do not have the necessary scope |
//! | 404 | `unknown-service` | no service has this name |
//! | 404 | `unknown-version` | no version of the service has this name |
//! | 404 | `unknown-generation` | the history does not have this generation, or not any more |
//! | 404 | `unknown-rollout` | the service has no such rollout, or none that is under way |
//! | 404 | `not-found` | the API has no such path, or no rollouts |
//! | 405 | `method-not-allowed` | the path does not have this method |
//! | 409 | `duplicate-version` | the service has a version with this name |
//! | 409 | `version-inactive` | an inactive version cannot have a weight |
//! | 409 | `version-active` | only an inactive version can be removed, and only a service without active ones |
//! | 409 | `ambiguous-rebalance` | several other versions are at 0: set all weights |
//! | 409 | `last-instance` | the version keeps at least one URL: add another first, or remove the version |
//! | 409 | `last-active-version` | the last active version is deactivated only with `?force=true` |
//! | 409 | `backend-unhealthy` | fewer than half of the probes passed: repair the version, or use `?force=true` |
//! | 409 | `version-gone` | a version of the generation to restore was removed |
//! | 409 | `url-not-restorable` | a version has another URL now, and the earlier one cannot come back |
//! | 409 | `nothing-to-restore` | the generation had no active version, and the service has one now |
//! | 409 | `unsettled` | others changed the split during each attempt: try again |
//! | 409 | `rollout-active` | the service has a rollout by another plan: the response has its id |
//! | 409 | `rollout-over` | the rollout is over |
//! | 409 | `stale-step` | the rollout is at another step: the response has its number |
//! | 409 | `wrong-phase` | the order has no meaning in the phase of the rollout, which may follow a change of others |
//! | 409 | `nothing-to-approve` | the step has no approval gate |
//! | 409 | `no-promotion` | the plan ends without a promotion |
//! | 409 | `no-stable` | no other version has traffic to compare with |
//! | 409 | `canary-ahead` | the version has more traffic than the first step gives it |
//! | 409 | `not-a-replica` | this gateway has no replica name, so it takes no part in rollouts |
//! | 412 | `generation-conflict` | `If-Match` expects another generation: the response has both |
//! | 413 | `payload-too-large` | the body is larger than 16 KiB |
//! | 415 | `unsupported-media-type` | the body is not `application/json` |
//! | 422 | `invalid-name` | the name is not a name of a service or version |
//! | 422 | `invalid-weight` | the number is not 0 to 100 with at most two decimals, or not possible here |
//! | 422 | `invalid-split` | the weights do not total 100 |
//! | 422 | `invalid-url` | the URL is not a base URL, the policy refuses it, or the version cannot have these URLs |
//! | 422 | `invalid-health-path` | the health path is not a path |
//! | 422 | `invalid-plan` | the body is not a plan: the response has a JSON pointer to the field |
//! | 422 | `unknown-gate` | the plan names a gate that the gateway does not have |
//! | 422 | `unstorable-text` | the database cannot store a character of a text: leave it out, or use a database in UTF-8 |
//! | 500 | `broken-split` | the stored split of the service cannot be read, or cannot count one more change: see the log |
//! | 500 | `broken-rollout` | the stored rollout cannot be read: see the log |
//! | 500 | `store-unusable` | the store lacks rights, tables or space, or it is read-only: the detail has the remedy |
//! | 500 | `internal-error` | the gateway has a defect: see the log |
//! | 503 | `store-unavailable` | the store cannot be reached; existing routes stay in use |
//!
//! [`PlainChange`]: crate::api::PlainChange

mod access;
mod auth;
mod constraints;
mod decode;
mod etag;
mod extract;
mod handlers;
mod if_match;
#[cfg(feature = "jwt")]
mod jwt;
#[cfg(feature = "jwt")]
mod jwt_keys;
#[cfg(feature = "jwt")]
mod jwt_scopes;
mod openapi;
#[cfg(feature = "rollout")]
mod optional_rollouts;
#[cfg(not(feature = "rollout"))]
#[path = "no_rollouts.rs"]
mod optional_rollouts;
mod parameters;
mod principal;
mod probe_limit;
mod problem;
#[cfg(feature = "rollout")]
mod rollout_extract;
#[cfg(feature = "rollout")]
mod rollout_parameters;
#[cfg(not(feature = "rollout"))]
#[path = "no_rollout_parameters.rs"]
mod rollout_parameters;
#[cfg(feature = "rollout")]
mod rollout_problem;
#[cfg(feature = "rollout")]
mod rollout_router;
mod router;
mod state;
mod wait_limit;

pub use self::auth::{AdminAuth, AuthError, Authenticator, Denial};
#[cfg(feature = "jwt")]
pub use self::jwt::JwtAuth;
#[cfg(feature = "jwt")]
pub use self::jwt_keys::{JwtConfigError, JwtKeys};
pub use self::principal::{InvalidSubject, Principal, Scope, UnknownScope};
#[cfg(feature = "rollout")]
pub use self::rollout_router::router_with_rollouts;
pub use self::router::{openapi_json, router};

//! Recipes for applications: stores, logins, configuration, clients of the admin API, tests.
//!
//! # A pool and migrations of your own
//!
//! The store shares the pool and the database. Its tables are named `gateway_*`, and its migrations have a
//! migration table of their own, so they do not meet the application's.
//!
//! | you want | use |
//! | --- | --- |
//! | the store to create its tables | [`Migrations::Auto`], beside your own `Migrator::up` |
//! | one list of migrations | append [`migrations()`](crate::store::sql::migrations) to yours, and [`Migrations::Manual`] |
//! | tables created by somebody with more rights | [`Migrations::VerifyOnly`] fails if one is missing, and writes nothing |
//!
//! ```
//! use sea_orm::Database;
//! use tower_canary::store::sql::{Migrations, SqlStore};
//! use tower_canary::{Deployments, NoVersionCheck};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let pool = Database::connect("sqlite::memory:").await?;
//! // Migrator::up(&pool, None).await?; // yours
//! let store = SqlStore::with_connection(pool.clone(), Migrations::Auto).await?;
//! let deployments = Deployments::start(store, NoVersionCheck).await?;
//! // `pool` serves your own queries as before.
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/own_pool.rs` has a migrator of its own. On PostgreSQL the store opens one more connection to
//! listen for changes.
//!
//! [`Migrations::Auto`]: crate::store::sql::Migrations::Auto
//! [`Migrations::Manual`]: crate::store::sql::Migrations::Manual
//! [`Migrations::VerifyOnly`]: crate::store::sql::Migrations::VerifyOnly
//!
//! # An authenticator of your own
//!
//! A session cookie of the application, which browsers send by themselves. So a write also needs a header
//! that another site cannot set: that is the protection against forged requests, which is the application's
//! part.
//!
//! ```
//! use std::collections::HashMap;
//! use std::sync::{Arc, RwLock};
//!
//! use axum::{Router, body::Body};
//! use http::{Method, Request, header::COOKIE, request::Parts};
//! use tower::ServiceExt;
//! use tower_canary::admin::{self, AdminAuth, AuthError, Authenticator, Principal, Scope};
//! use tower_canary::{Deployments, Draw};
//!
//! /// The sessions of operators by their random id. The application's login adds them.
//! #[derive(Clone, Debug, Default)]
//! struct Sessions(Arc<RwLock<HashMap<String, Principal>>>);
//!
//! #[async_trait::async_trait]
//! impl Authenticator for Sessions {
//!     async fn authenticate(&self, request: &Parts) -> Result<Principal, AuthError> {
//!         let is_read = request.method == Method::GET || request.method == Method::HEAD;
//!         if !is_read && !request.headers.contains_key("x-requested-by") {
//!             return Err(AuthError::invalid("the header x-requested-by is missing"));
//!         }
//!         let cookies = request.headers.get(COOKIE).ok_or(AuthError::Missing)?;
//!         let cookies = cookies.to_str().map_err(AuthError::invalid)?;
//!         let id = cookies.split("; ").find_map(|pair| pair.strip_prefix("session="));
//!         let id = id.ok_or(AuthError::Missing)?;
//!         let sessions = self.0.read().map_err(|_| AuthError::invalid("the sessions are lost"))?;
//!         sessions.get(id).cloned().ok_or_else(|| AuthError::invalid("the session has ended"))
//!     }
//!
//!     fn instructions(&self) -> &str {
//!         "sign in, and send the header x-requested-by with changes"
//!     }
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let sessions = Sessions::default();
//!     let alice = Principal::new("alice")?.with_scopes([Scope::Read, Scope::Write]);
//!     sessions.0.write().map_err(|error| error.to_string())?.insert("a random id".into(), alice);
//!
//!     let api = admin::router(Deployments::in_memory(Draw::Exact), AdminAuth::custom(sessions));
//!     let app: Router = Router::new().nest("/api/v1/admin", api);
//!     let list = Request::get("/api/v1/admin/deployment/services").header(COOKIE, "session=a random id");
//!     assert_eq!(app.clone().oneshot(list.body(Body::empty())?).await?.status(), 200);
//!
//!     let forged = Request::post("/api/v1/admin/deployment/services/auth/redraw");
//!     let forged = forged.header(COOKIE, "session=a random id").body(Body::empty())?;
//!     assert_eq!(app.oneshot(forged).await?.status(), 401);
//!     Ok(())
//! }
//! ```
//!
//! # Seeding versions from configuration
//!
//! Register missing versions at the start, and leave the weights to the operators. Several gateways may start
//! together: one of them registers the version and the others find it. A start from the snapshot, without the
//! database, succeeds as well.
//!
//! ```
//! use tower_canary::routing::Registration;
//! use tower_canary::{Deployments, Draw};
//!
//! /// Service, version and URL, in the order of the file.
//! type Configured = [(&'static str, &'static str, &'static str)];
//!
//! async fn seed(deployments: &Deployments, versions: &Configured) -> Result<(), Box<dyn std::error::Error>> {
//!     for (service, version, url) in versions {
//!         let registration = Registration::new(version.parse()?, url.parse()?);
//!         deployments.register_if_absent(&service.parse()?, registration, "configuration").await?;
//!     }
//!     Ok(())
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let deployments = Deployments::in_memory(Draw::Exact);
//! let configured = [("orders", "v1", "http://10.0.0.7:8080"), ("orders", "v2", "http://10.0.0.8:8080")];
//! seed(&deployments, &configured).await?;
//! seed(&deployments, &configured).await?; // as at the next start
//! let route = deployments.handle().route("orders").ok_or("not seeded")?;
//! let weights = route.split().versions().iter().map(|version| version.weight.percent());
//! assert_eq!(weights.collect::<Vec<_>>(), [100.0, 0.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A URL that is none of the registered ones is an error, since a restart should not move traffic. Change it
//! with the admin API, or register a version with another name.
//!
//! # A client of the admin API beside other clients
//!
//! Two operators may change the same split. A client that reads a split, decides, and writes sends the ETag
//! that it has read as `If-Match`. If the split has changed meanwhile, the write is refused with 412 and both
//! generations, and the client decides again. Requests and responses are the types of the module
//! [`api`](crate::api):
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
//! # Choosing without sending
//!
//! A generated SDK, a database driver or tonic's `Channel` takes a base URL and sends by itself.
//! [`RoutingHandle::choose`](crate::RoutingHandle::choose) draws a version for it, and the request counts as
//! in flight until the value is dropped.
//!
//! ```
//! use tower_canary::traffic::Outcome;
//! use tower_canary::{Deployments, Draw, RoutingHandle};
//!
//! /// A client that was generated from the API of the payment service.
//! struct Payments {
//!     base_url: String,
//! }
//!
//! impl Payments {
//!     async fn charge(&self, cents: u64) -> Result<u64, std::io::Error> {
//!         Ok(cents)
//!     }
//! }
//!
//! async fn charge(handle: &RoutingHandle, customer: &str, cents: u64) -> Result<u64, Box<dyn std::error::Error>> {
//!     // The key keeps a customer with one version. `None` draws by weight.
//!     let chosen = handle.choose("payments", Some(customer.as_bytes()))?;
//!     let sdk = Payments { base_url: chosen.backend().as_str().to_owned() };
//!     let charged = sdk.charge(cents).await;
//!     chosen.finish(if charged.is_ok() { Outcome::Success } else { Outcome::Error });
//!     Ok(charged?)
//! }
//! # use tower_canary::{routing::Change, store::ChangeRequest};
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! # let deployments = Deployments::in_memory(Draw::Exact);
//! # let register = Change::register("v1".parse()?, "http://10.0.0.7:8080".parse()?);
//! # deployments.apply(&"payments".parse()?, ChangeRequest::new(register, "alice")).await?;
//! assert_eq!(charge(deployments.handle(), "customer-17", 499).await?, 499);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Clients with a connection pool per base URL are worth keeping: a map from [`Backend`](crate::Backend) to
//! client.
//!
//! # A unit test with a named user
//!
//! With a seeded draw everything repeats: the choices of requests without a key, and the salt of the service,
//! which decides with the key which version a user gets.
//!
//! ```
//! use std::convert::Infallible;
//!
//! use http::{HeaderName, Request, Response};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_canary::layer::Affinity;
//! use tower_canary::routing::Change;
//! use tower_canary::store::ChangeRequest;
//! use tower_canary::{Deployments, Draw, Target, WeightedVersionLayer};
//!
//! async fn version_of(deployments: &Deployments, user: &str) -> Result<String, Box<dyn std::error::Error>> {
//!     let layer = WeightedVersionLayer::new(deployments.handle(), Target::service("shop".parse()?))
//!         .with_affinity(Affinity::header(HeaderName::from_static("x-user")));
//!     // A client that sends nothing, and responds with the host that it was given.
//!     let client = layer.layer(service_fn(|request: Request<()>| async move {
//!         Ok::<_, Infallible>(Response::new(request.uri().host().unwrap_or_default().to_owned()))
//!     }));
//!     let response = client.oneshot(Request::get("/").header("x-user", user).body(())?).await?;
//!     Ok(response.into_body().into_inner().unwrap_or_default())
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! // In a test: #[tokio::test] async fn alice_stays_when_the_canary_grows()
//! let deployments = Deployments::in_memory(Draw::Seeded(42));
//! let changes = [
//!     Change::register("v1".parse()?, "http://v1".parse()?),
//!     Change::register("v2".parse()?, "http://v2".parse()?),
//!     Change::set_weight("v2".parse()?, "50".parse()?),
//! ];
//! for change in changes {
//!     deployments.apply(&"shop".parse()?, ChangeRequest::new(change, "test")).await?;
//! }
//! assert_eq!(version_of(&deployments, "alice").await?, "v2");
//! assert_eq!(version_of(&deployments, "bob").await?, "v1");
//!
//! let grow = Change::set_weight("v2".parse()?, "60".parse()?);
//! deployments.apply(&"shop".parse()?, ChangeRequest::new(grow, "test")).await?;
//! assert_eq!(version_of(&deployments, "alice").await?, "v2", "no user leaves a version that grows");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/seeded.rs` tests requests without a key. Without `Deployments`, the salt is an argument of
//! [`Split::new`](crate::routing::Split::new); in a store that exists,
//! [`ChangeRequest::with_salt`](crate::store::ChangeRequest::with_salt) sets it for a new service.

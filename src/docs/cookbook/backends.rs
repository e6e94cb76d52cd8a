//! Recipes for clients and backends.
//!
//! # reqwest under the proxy
//!
//! The crate `tower-reqwest` turns reqwest's client into a service. Switch redirects off: a redirect that the
//! client follows leaves the chosen version. [`proxy`](crate::proxy#reqwest) lists what else differs from
//! the client of this crate.
//!
//! ```
//! use std::time::Duration;
//!
//! use axum::{Router, body::Body};
//! use http::Request;
//! use tower::{Layer, ServiceBuilder};
//! use tower_canary::proxy::{Proxy, RequestBody};
//! use tower_canary::{Deployments, Target, WeightedVersionLayer};
//!
//! fn gateway(deployments: &Deployments) -> Result<Router, Box<dyn std::error::Error>> {
//!     let client = reqwest::Client::builder()
//!         .redirect(reqwest::redirect::Policy::none())
//!         .no_proxy()
//!         .connect_timeout(Duration::from_secs(2))
//!         .build()?;
//!     let client = ServiceBuilder::new()
//!         .map_request(|request: Request<RequestBody<Body>>| request.map(reqwest::Body::wrap))
//!         .layer(tower_reqwest::HttpClientLayer)
//!         .service(client);
//!     let layer = WeightedVersionLayer::new(deployments.handle(), Target::path_segment());
//!     // Makes a timeout of reqwest 504, as other timeouts are. It would be 502 without the check.
//!     let proxy = Proxy::new(layer.layer(client))
//!         .with_timeout_check(|error| error.downcast_ref().is_some_and(reqwest::Error::is_timeout));
//!     Ok(Router::new().fallback_service(proxy))
//! }
//! # use tower_canary::Draw;
//! # assert!(gateway(&Deployments::in_memory(Draw::Exact)).is_ok());
//! ```
//!
//! # TLS to backends
//!
//! Turn on the feature `client-tls`, and give the probe and the [client for backends](crate::upstream) the same
//! `ClientTls`: the certificates of the system, or a rustls `ClientConfig` of your own, for a private authority
//! or a client certificate. Without it, an `https` URL is refused when it is registered, since each request to
//! it would fail.
//!
//! ```no_run
//! # #[cfg(feature = "client-tls")]
//! # async fn gateway() -> Result<tower_canary::Deployments, Box<dyn std::error::Error>> {
//! use tower_canary::Deployments;
//! use tower_canary::probe::{HttpProbe, UrlPolicy};
//! use tower_canary::store::sql::SqlStore;
//! use tower_canary::upstream::ClientTls;
//!
//! let tls = ClientTls::platform()?;
//! let probe = HttpProbe::new(UrlPolicy::new()).with_tls(tls.clone());
//! let store = SqlStore::connect("sqlite://gateway.db?mode=rwc").await?;
//! let deployments = Deployments::start(store, probe).await?;
//! // `with_tls(tls)` of the client that sends the traffic.
//! # Ok(deployments)
//! # }
//! ```
//!
//! The certificate is checked against the host of the version's URL, and the backend chooses HTTP/2 or
//! HTTP/1.1. The policy on addresses applies below TLS. TLS to the *database* is the feature `tls-rustls`.
//!
//! A client with a TLS of its own, such as reqwest, needs no feature: allow `https` by
//! [`UrlPolicy::allow_https`](crate::probe::UrlPolicy::allow_https), and probe by
//! [`HttpProbe::with_client`](crate::probe::HttpProbe::with_client).
//!
//! # A timeout outside of the proxy
//!
//! A `TimeoutLayer` of the server drops the request before the proxy can judge it. The client gets its 504,
//! but the version counts `abandoned`, as after a client that hung up, and a slow canary looks healthy. Give
//! the proxy the shorter timeout:
//!
//! ```
//! # #[cfg(feature = "client")] {
//! use std::time::Duration;
//!
//! use axum::Router;
//! use http::StatusCode;
//! use hyper_util::rt::TokioExecutor;
//! use tower::Layer;
//! use tower_canary::probe::UrlPolicy;
//! use tower_canary::proxy::Proxy;
//! use tower_canary::upstream::Client;
//! use tower_canary::{Deployments, Target, WeightedVersionLayer};
//! use tower_http::timeout::TimeoutLayer;
//!
//! /// For requests that a handler of the application blocks. Longer than the timeout of the proxy.
//! const SERVER_TIMEOUT: Duration = Duration::from_secs(30);
//! /// A version that needs longer gets 504, counted as an error of the version.
//! const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);
//!
//! fn app(deployments: &Deployments) -> Router {
//!     let layer = WeightedVersionLayer::new(deployments.handle(), Target::path_segment());
//!     let client = Client::new(UrlPolicy::new(), TokioExecutor::new());
//!     let proxy = Proxy::new(layer.layer(client)).with_response_timeout(RESPONSE_TIMEOUT);
//!     Router::new()
//!         .fallback_service(proxy)
//!         .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, SERVER_TIMEOUT))
//! }
//! # let _ = app(&Deployments::in_memory(tower_canary::Draw::Exact));
//! # }
//! ```
//!
//! An upload restarts the timer of the proxy every 16 KiB, but not the timer of the `TimeoutLayer`. Put
//! routes with long uploads outside of it.
//!
//! # A limit for each instance
//!
//! A circuit breaker by load is tower's `ConcurrencyLimit` in `LoadShed`, below the layer: one of each for the
//! authority that the layer has set. For a limit per version, let
//! [`with_choice`](crate::WeightedVersionLayer::with_choice) add the
//! [`VersionChoice`](crate::layer::VersionChoice) to each request, and make its version the key.
//!
//! ```
//! use std::collections::HashMap;
//! use std::sync::{Arc, PoisonError, RwLock};
//! use std::task::{Context, Poll, Waker};
//!
//! use http::uri::Authority;
//! use http::{Request, Response, StatusCode};
//! use tower::limit::ConcurrencyLimit;
//! use tower::load_shed::{LoadShed, error::Overloaded};
//! use tower::util::Oneshot;
//! use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
//! use tower_canary::routing::Change;
//! use tower_canary::store::ChangeRequest;
//! use tower_canary::traffic::Outcome;
//! use tower_canary::{Deployments, Draw, Target, WeightedVersionLayer};
//!
//! type Limited<C> = LoadShed<ConcurrencyLimit<C>>;
//!
//! #[derive(Clone)]
//! struct PerInstance<C> {
//!     client: C,
//!     limit: usize,
//!     instances: Arc<RwLock<HashMap<Option<Authority>, Limited<C>>>>,
//! }
//!
//! impl<C, B> Service<Request<B>> for PerInstance<C>
//! where
//!     C: Service<Request<B>, Error: Into<BoxError>> + Clone,
//! {
//!     type Response = C::Response;
//!     type Error = BoxError;
//!     type Future = Oneshot<Limited<C>, Request<B>>;
//!
//!     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
//!         Poll::Ready(Ok(()))
//!     }
//!
//!     fn call(&mut self, request: Request<B>) -> Self::Future {
//!         let mut instances = self.instances.write().unwrap_or_else(PoisonError::into_inner);
//!         let instance = instances
//!             .entry(request.uri().authority().cloned())
//!             .or_insert_with(|| LoadShed::new(ConcurrencyLimit::new(self.client.clone(), self.limit)));
//!         instance.clone().oneshot(request)
//!     }
//! }
//!
//! /// Makes a rejection a response that speaks neither of the version nor of the instance.
//! fn as_response(result: Result<Response<String>, BoxError>) -> Result<Response<String>, BoxError> {
//!     match result {
//!         Err(error) if error.is::<Overloaded>() => {
//!             let rejection = Response::builder().status(StatusCode::TOO_MANY_REQUESTS).header("retry-after", "1");
//!             Ok(rejection.body(String::new())?)
//!         }
//!         other => other,
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! # let deployments = Deployments::in_memory(Draw::Exact);
//! # let register = Change::register("v1".parse()?, "http://10.0.0.7:8080".parse()?);
//! # deployments.apply(&"shop".parse()?, ChangeRequest::new(register, "alice")).await?;
//! // A client that is busy for ever, where yours sends requests.
//! let client = service_fn(|_: Request<()>| std::future::pending::<Result<Response<String>, BoxError>>());
//! let client = PerInstance { client, limit: 2, instances: Arc::default() }.map_result(as_response);
//! let layer = WeightedVersionLayer::new(deployments.handle(), Target::service("shop".parse()?));
//! let mut shop = layer.layer(client);
//!
//! let mut served = [(); 2].map(|()| Box::pin(shop.call(Request::new(()))));
//! for busy in &mut served {
//!     assert!(busy.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
//! }
//! assert_eq!(shop.call(Request::new(())).await?.status(), StatusCode::TOO_MANY_REQUESTS);
//! let traffic = deployments.handle().traffic("shop").ok_or("no such service")?;
//! assert_eq!(traffic.versions[0].total.outcome(Outcome::ClientError), 1);
//! # Ok::<(), BoxError>(())
//! # })?;
//! # Ok::<(), BoxError>(())
//! ```
//!
//! | a rejection | the client gets | counts for the version as | counts for the instance as |
//! | --- | --- | --- | --- |
//! | outside of the layer | your response | nothing: no version was chosen | nothing |
//! | below it, as a response 429 | 429 | `4xx` | an answer: it ends a row of failures |
//! | below it, as a response 503 | 503 | `5xx` | a failure |
//! | below it, as the error | 502 by [`Proxy`](crate::proxy::Proxy) | `error` | a failure |
//!
//! With [health](crate::health), five failures in a row eject an instance for 30 seconds, and the others get
//! its requests. That is right where an instance that is full is a broken one. Where all are full, it makes
//! it worse, so 429 is the default choice. A request that was rejected by its instance was not sent: the
//! predicate of [`failover`](crate::layer) may send it to another one, `|error| error.is::<Overloaded>()`.
//!
//! A place of the limit is free again when the response head has arrived. `examples/load_shed.rs` shows the effect of
//! both forms on two instances.
//!
//! # Copies of requests before the first user
//!
//! A [`Mirror`](crate::mirror) sends copies of requests to a version that has no users yet. The layer gets it, and
//! [`prepare`](crate::mirror::prepare) stands between the proxy and the layer, since the body of a copied request is
//! collected while it is sent. With a retry of connects, `failover::prepare` comes after it.
//!
//! ```
//! # #[cfg(all(feature = "client", feature = "proxy", feature = "mirror"))] {
//! use axum::Router;
//! use http::Request;
//! use hyper_util::rt::TokioExecutor;
//! use tower::ServiceBuilder;
//! use tower_canary::mirror::{Mirror, MirrorBody, prepare};
//! use tower_canary::probe::UrlPolicy;
//! use tower_canary::proxy::{Proxy, RequestBody};
//! use tower_canary::upstream::Client;
//! use tower_canary::{Deployments, Target, WeightedVersionLayer};
//!
//! type Sent = MirrorBody<RequestBody<axum::body::Body>>;
//!
//! fn app(deployments: &Deployments) -> Router {
//!     let mirror = Mirror::new(TokioExecutor::new()).with_max_in_flight(32);
//!     let versions = ServiceBuilder::new()
//!         .map_request(prepare as fn(Request<RequestBody<axum::body::Body>>) -> Request<Sent>)
//!         .layer(WeightedVersionLayer::new(deployments.handle(), Target::path_segment()).with_mirror(mirror))
//!         .service(Client::<Sent>::new(UrlPolicy::new(), TokioExecutor::new()));
//!     Router::new().fallback_service(Proxy::new(versions))
//! }
//! # let _ = app(&Deployments::in_memory(tower_canary::Draw::Exact));
//! # }
//! ```
//!
//! Then `PUT …/services/auth/mirror` with `{"version": "v1.1", "percent": 10}` starts the copies, and `GET …/traffic` shows
//! how they end. A [rollout](super::super::rollouts) can begin with them.

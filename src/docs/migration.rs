//! Migration from other ways to split traffic. The code is compiled with the tests.
//!
//! # From a weighted handler
//!
//! The handler that many gateways begin with:
//!
//! ```
//! use axum::extract::{Request, State};
//! use axum::response::{IntoResponse, Response};
//! use hyper_util::client::legacy::{Client, connect::HttpConnector};
//!
//! #[derive(Clone)]
//! struct Canary {
//!     client: Client<HttpConnector, axum::body::Body>,
//!     stable: String,
//!     canary: String,
//!     percent: f64,
//! }
//!
//! async fn orders(State(state): State<Canary>, mut request: Request) -> Response {
//!     let is_canary = rand::random::<f64>() * 100.0 < state.percent;
//!     let base = if is_canary { &state.canary } else { &state.stable };
//!     let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
//!     *request.uri_mut() = format!("{base}{path}").parse().expect("a valid URI");
//!     match state.client.request(request).await {
//!         Ok(response) => response.into_response(),
//!         Err(_) => http::StatusCode::BAD_GATEWAY.into_response(),
//!     }
//! }
//! ```
//!
//! becomes a service in the same place. The state with the weights is gone; they are in the store.
//!
//! ```no_run
//! # #[cfg(feature = "client")] {
//! use axum::Router;
//! use hyper_util::rt::TokioExecutor;
//! use tower::Layer;
//! use tower_canary::probe::UrlPolicy;
//! use tower_canary::proxy::Proxy;
//! use tower_canary::upstream::Client;
//! use tower_canary::{Deployments, Target, WeightedVersionLayer};
//!
//! fn app(deployments: &Deployments) -> Result<Router, Box<dyn std::error::Error>> {
//!     let client = Client::new(UrlPolicy::new(), TokioExecutor::new());
//!     let layer = WeightedVersionLayer::new(deployments.handle(), Target::service("orders".parse()?));
//!     // Before: .route("/orders/{*path}", any(orders)).with_state(canary)
//!     Ok(Router::new().nest_service("/orders", Proxy::new(layer.layer(client))))
//! }
//! # }
//! ```
//!
//! 1. Seed the two versions and the present weight at the start by the recipe on
//!    [seeding](super::cookbook::applications#seeding-versions-from-configuration), and add one
//!    [`SetWeight`](crate::routing::Change::SetWeight).
//! 2. `nest_service` removes the prefix `/orders` from the path, as `nest` does. A handler at
//!    `/orders/{*path}` did not: use `route_service("/orders/{*path}", …)` to keep it.
//! 3. What the handler lacked comes with the proxy: hop-by-hop headers, `X-Forwarded-*`, timeouts, 502 and
//!    504, upgrades. [`proxy`](crate::proxy) has the list. Remove code of your own that does the same.
//! 4. Spawn [`Deployments::run`](crate::Deployments::run), mount the admin API, and delete the route or the
//!    environment variable that changed the percentage.
//!
//! # From NGINX `split_clients`
//!
//! Before:
//!
//! ```nginx
//! split_clients "${cookie_session}" $orders {
//!     10%  10.0.0.8:8080;   # v2
//!     *    10.0.0.7:8080;   # v1
//! }
//! server {
//!     location /orders/ { proxy_pass http://$orders; }
//! }
//! ```
//!
//! After, in the gateway: the same key, and the prefix stays in the path as with a `proxy_pass` without a
//! path.
//!
//! ```no_run
//! # #[cfg(feature = "client")] {
//! use axum::Router;
//! use hyper_util::rt::TokioExecutor;
//! use tower::Layer;
//! use tower_canary::layer::Affinity;
//! use tower_canary::probe::UrlPolicy;
//! use tower_canary::proxy::Proxy;
//! use tower_canary::upstream::Client;
//! use tower_canary::{Deployments, Target, WeightedVersionLayer};
//!
//! fn app(deployments: &Deployments) -> Result<Router, Box<dyn std::error::Error>> {
//!     let layer = WeightedVersionLayer::new(deployments.handle(), Target::service("orders".parse()?))
//!         .with_affinity(Affinity::cookie("session"));
//!     let client = Client::new(UrlPolicy::new(), TokioExecutor::new());
//!     Ok(Router::new().route_service("/orders/{*path}", Proxy::new(layer.layer(client))))
//! }
//! # }
//! ```
//!
//! And once, instead of the block:
//!
//! ```sh
//! admin() { curl -sS -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' "$@"; echo; }
//! admin -X POST "$ADMIN/routing/services/orders/versions" -d '{"version": "v1", "url": "http://10.0.0.7:8080"}'
//! admin -X POST "$ADMIN/routing/services/orders/versions" -d '{"version": "v2", "url": "http://10.0.0.8:8080"}'
//! admin -X PUT "$ADMIN/deployment/services/orders/versions/v2/weight" -d '{"weight": 10}'
//! ```
//!
//! | `split_clients` | here |
//! | --- | --- |
//! | the key in quotes | [`Affinity`](crate::layer::Affinity): header, cookie, client address, or a function of the request head |
//! | an empty key is a value like any other, so all users without the cookie share one version | a request without a key is drawn by weight |
//! | `${remote_addr}` | [`Affinity::client_address`](crate::layer::Affinity::client_address) |
//! | MurmurHash2 of the key | XXH64 of the key, seeded per service: users are assigned again once, at the migration |
//! | a change of `10%` moves the boundary, and with three or more lines also users between other lines | the fewest users move, and none leaves a version that does not shrink |
//! | edit, `nginx -t`, reload | one call, for all gateways |
//!
//! NGINX can stay in front, for TLS and files. Then [trust its
//! headers](crate::proxy::Proxy::with_trusted_proxies), so that the client address is the user's.

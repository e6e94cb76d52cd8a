//! An axum gateway with session affinity: each user keeps one version.
//!
//! `cargo run --example sessions`
//!
//! Users who are logged in keep a version by their name, other visitors by a signed cookie, and testers select a version with
//! a header. The application's own middleware identifies the user. The layer reads the result from the request's extensions
//! and trusts no header of the client. The example starts two backends and the gateway, sends requests as a few users,
//! and ends.

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::any;
use axum::{Router, body::Body};
use http::header::{COOKIE, HOST, HeaderName, SET_COOKIE};
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt};
use tower_canary::layer::{Affinity, Override, PinCookie};
use tower_canary::probe::UrlPolicy;
use tower_canary::proxy::Proxy;
use tower_canary::upstream::Client;
use tower_canary::{Deployments, Draw, Target, WeightedVersionLayer, routing::Change, store::ChangeRequest};

type BoxError = Box<dyn std::error::Error>;

const VERSION_HEADER: HeaderName = HeaderName::from_static("x-version");

/// The user of a session.
#[derive(Clone)]
struct User {
    name: String,
    is_tester: bool,
}

/// Replaces a real session store: `session=alice` is the session of alice. Only alice is a tester.
async fn session(mut request: Request, next: Next) -> Response {
    let cookies = request.headers().get(COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = cookies.split("; ").find_map(|pair| pair.strip_prefix("session=")).map(str::to_owned);
    if let Some(name) = name {
        let is_tester = name == "alice";
        request.extensions_mut().insert(User { name, is_tester });
    }
    next.run(request).await
}

/// Registers two versions of `shop` at 50 % each, with backends that respond with their version.
async fn shop() -> Result<Deployments, BoxError> {
    let deployments = Deployments::in_memory(Draw::Exact);
    let shop = "shop".parse()?;
    for version in ["v1", "v2"] {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?).parse()?;
        let backend = any(move || async move { version }).into_make_service();
        #[expect(clippy::disallowed_methods, reason = "the rule against spawning is for the library")]
        tokio::spawn(async move { axum::serve(listener, backend).await });
        let register = Change::register(version.parse()?, url);
        deployments.apply(&shop, ChangeRequest::new(register, "sessions")).await?;
    }
    let half = Change::set_weight("v2".parse()?, "50".parse()?);
    deployments.apply(&shop, ChangeRequest::new(half, "sessions")).await?;
    Ok(deployments)
}

fn gateway(deployments: &Deployments) -> Result<Router, BoxError> {
    let by_name = Affinity::from_fn(|head| Some(head.extensions.get::<User>()?.name.as_bytes().into()));
    let for_testers = Override::header(VERSION_HEADER, |head| {
        head.extensions.get::<User>().is_some_and(|user| user.is_tester)
    });
    let layer = WeightedVersionLayer::new(deployments.handle(), Target::service("shop".parse()?))
        .with_affinity(by_name)
        .with_pin(PinCookie::new(b"a secret of at least 32 bytes ...")?)
        .with_override(for_testers);
    let client = Client::new(UrlPolicy::new().allow_loopback(), TokioExecutor::new());
    let proxy = Proxy::new(layer.layer(client));
    Ok(Router::new().fallback_service(proxy).layer(from_fn(session)))
}

/// Sends a request. Returns the response body, which is the version, and the cookie that was set.
async fn send(gateway: &Router, cookie: &str, version: &str) -> Result<(String, String), BoxError> {
    let mut request = http::Request::get("/").header(HOST, "shop.example").body(Body::empty())?;
    for (name, value) in [(COOKIE, cookie), (VERSION_HEADER, version)] {
        if !value.is_empty() {
            request.headers_mut().insert(name, value.parse()?);
        }
    }
    let response = gateway.clone().oneshot(request).await?;
    let set_cookie =
        response.headers().get(SET_COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let cookie = set_cookie.split(';').next().unwrap_or_default().to_owned();
    let body = axum::body::to_bytes(response.into_body(), 1024).await?;
    Ok((String::from_utf8_lossy(&body).into_owned(), cookie))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let gateway = gateway(&shop().await?)?;
    for name in ["alice", "bob", "carol", "dave"] {
        let session = format!("session={name}");
        let (first, _) = send(&gateway, &session, "").await?;
        let (second, _) = send(&gateway, &session, "").await?;
        println!("{name} gets {first}, then {second}");
    }
    let (first, pin) = send(&gateway, "", "").await?;
    let (second, _) = send(&gateway, &pin, "").await?;
    println!("a visitor gets {first}, then {second} with the cookie");
    for name in ["alice", "bob"] {
        let session = format!("session={name}");
        let (first, _) = send(&gateway, &session, "v1").await?;
        let (second, _) = send(&gateway, &session, "v2").await?;
        println!("{name} selects v1 and v2, and gets {first} and {second}");
    }
    Ok(())
}

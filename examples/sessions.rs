//! An axum gateway with sessions: who is logged in stays with a version by their name, others by a cookie, and testers
//! ask for one. `cargo run --example sessions`
//!
//! It starts two backends and the gateway, and makes requests as a few users would. The host's own middleware says who
//! somebody is; the layer believes it and nothing that the request says of itself.

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::any;
use axum::{Router, body::Body};
use http::header::{COOKIE, HOST, HeaderName, SET_COOKIE};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt};
use tower_canary::layer::{Affinity, Override, PinCookie};
use tower_canary::proxy::Proxy;
use tower_canary::{Deployments, Draw, Target, WeightedVersionLayer, routing::Change, store::ChangeRequest};

/// Who is logged in, as the host's session says.
#[derive(Clone)]
struct User {
    name: String,
    is_tester: bool,
}

/// Stands for a real session: `session=alice` is alice, and alice is a tester.
async fn session(mut request: Request, next: Next) -> Response {
    let cookie = request.headers().get(COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = cookie.split("; ").find_map(|pair| pair.strip_prefix("session=")).map(str::to_owned);
    if let Some(name) = name {
        let is_tester = name == "alice";
        request.extensions_mut().insert(User { name, is_tester });
    }
    next.run(request).await
}

type BoxError = Box<dyn std::error::Error>;

/// Two versions of a shop, half of the traffic each, and backends that answer with their names.
async fn shop() -> Result<Deployments, BoxError> {
    let (deployments, shop) = (Deployments::in_memory(Draw::Exact), "shop".parse()?);
    for version in ["v1", "v2"] {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?).parse()?;
        let backend = any(move || async move { version }).into_make_service();
        #[expect(clippy::disallowed_methods, reason = "a program, unlike the library, spawns")]
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
    let testers = Override::header(HeaderName::from_static("x-version"), |head| {
        head.extensions.get::<User>().is_some_and(|user| user.is_tester)
    });
    let layer = WeightedVersionLayer::new(deployments.handle(), Target::service("shop".parse()?))
        .with_affinity(by_name)
        .with_pin(PinCookie::new(b"a secret of at least 32 bytes ...")?)
        .with_override(testers);
    let client = Client::builder(TokioExecutor::new()).build_http();
    let proxy = Proxy::new(layer.layer(client));
    Ok(Router::new().fallback_service(proxy).layer(from_fn(session)))
}

/// The version that answers a request with these headers, and the cookie that it sets.
async fn ask(gateway: &Router, cookie: &str, version: &str) -> Result<(String, String), BoxError> {
    let mut request = http::Request::get("/").header(HOST, "shop.example").body(Body::empty())?;
    for (name, value) in [(COOKIE, cookie), (HeaderName::from_static("x-version"), version)] {
        if !value.is_empty() {
            request.headers_mut().insert(name, value.parse()?);
        }
    }
    let answer = gateway.clone().oneshot(request).await?;
    let set = answer.headers().get(SET_COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let cookie = set.split(';').next().unwrap_or_default().to_owned();
    let text = axum::body::to_bytes(answer.into_body(), 1024).await?;
    Ok((String::from_utf8_lossy(&text).into_owned(), cookie))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let gateway = gateway(&shop().await?)?;
    for name in ["alice", "bob", "carol", "dave"] {
        let session = format!("session={name}");
        let (first, again) = (ask(&gateway, &session, "").await?.0, ask(&gateway, &session, "").await?.0);
        println!("{name} gets {first}, and again {again}");
    }
    let (first, pin) = ask(&gateway, "", "").await?;
    println!("a visitor gets {first}, and with the cookie again {}", ask(&gateway, &pin, "").await?.0);
    for name in ["alice", "bob"] {
        let session = format!("session={name}");
        let answers = (ask(&gateway, &session, "v1").await?.0, ask(&gateway, &session, "v2").await?.0);
        println!("{name} asks for v1 and v2, and gets {} and {}", answers.0, answers.1);
    }
    Ok(())
}

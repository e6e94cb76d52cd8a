//! Overrides: testers choose a version by its name.

use http::Request;
use http::header::{COOKIE, HeaderName};
use tower_canary::layer::{Affinity, Override, VersionChoice};
use tower_canary::routing::{Change, Reason, Route};
use tower_canary::{RoutingHandle, WeightedVersionLayer};

use crate::support::*;

const ASK: HeaderName = HeaderName::from_static("x-version");
const REFUSED: &str = "canary-override-refused";

/// The extension that the application's authentication inserts.
#[derive(Clone)]
struct Tester;

/// A handle with v0 at 100, v1 at 0, and v2 inactive.
fn routes() -> RoutingHandle {
    let split =
        split("auth", &[("http://10.0.0.1", 100.0), ("http://10.0.0.2", 0.0), ("http://10.0.0.3", 0.0)]);
    let off = Change::deactivate("v2".parse().unwrap());
    let split = split.apply(&off, std::time::SystemTime::UNIX_EPOCH).unwrap();
    handle(&[split])
}

fn layer(handle: &RoutingHandle) -> WeightedVersionLayer {
    fixed(handle)
        .with_override(Override::header(ASK, |head| head.extensions.get::<Tester>().is_some()))
        .with_choice()
}

fn by_cookie(handle: &RoutingHandle) -> WeightedVersionLayer {
    let testers = Override::cookie("version", |head| head.extensions.get::<Tester>().is_some());
    fixed(handle).with_override(testers).with_choice()
}

fn tester(name: &HeaderName, values: &[&str]) -> Request<()> {
    let mut request = stranger(name, values);
    request.extensions_mut().insert(Tester);
    request
}

fn stranger(name: &HeaderName, values: &[&str]) -> Request<()> {
    let mut request = get("/");
    for value in values {
        request.headers_mut().append(name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    request
}

/// Returns the request that the backend gets, and the reason why the override was refused.
async fn answered(layer: &WeightedVersionLayer, request: Request<()>) -> (Request<()>, Option<String>) {
    use tower::{Layer, ServiceExt};
    let response = layer.layer(Echo).oneshot(request).await.unwrap();
    let refused = response.headers().get(REFUSED).map(|why| why.to_str().unwrap().to_owned());
    (response.into_body().into_inner().unwrap().0, refused)
}

fn choice(sent: &Request<()>) -> (&str, Reason) {
    let choice = sent.extensions().get::<VersionChoice>().unwrap();
    (choice.version.as_str(), choice.reason)
}

// Versions at weight 0 as well. The backend does not see the header.
#[tokio::test]
async fn override_selects_any_active_version() {
    let handle = routes();
    for version in ["v0", "v1"] {
        let (sent, refused) = answered(&layer(&handle), tester(&ASK, &[version])).await;
        assert_eq!((choice(&sent), refused), ((version, Reason::Override), None));
        assert!(!sent.headers().contains_key(ASK));
    }
    assert_eq!(handle.picks("auth", "v1", Reason::Override), Some(1));
}

// The response reports the refusal.
#[tokio::test]
async fn untrusted_override_is_refused() {
    let handle = routes();
    let (sent, refused) = answered(&layer(&handle), stranger(&ASK, &["v1"])).await;
    assert_eq!((choice(&sent), refused.as_deref()), (("v0", Reason::Draw), Some("not-trusted")));
    assert!(!sent.headers().contains_key(ASK), "the backend is not to believe it either");
    assert_eq!(handle.picks("auth", "v1", Reason::Override), Some(0));
}

// The request is routed as without an override.
#[tokio::test]
async fn unusable_override_is_explained() {
    let handle = routes();
    let long = "v".repeat(8_192);
    for (asked, why) in [
        (&["v2"][..], "version-inactive"),
        (&["v9"], "unknown-version"),
        (&[""], "unknown-version"),
        (&["V1"], "unknown-version"),
        (&["v1 "], "unknown-version"),
        (&["v1,v0"], "unknown-version"),
        (&["\u{e9}"], "unknown-version"),
        (&[&*long], "unknown-version"),
        (&["v1", "v1"], "ambiguous"),
    ] {
        let (sent, refused) = answered(&layer(&handle), tester(&ASK, asked)).await;
        assert_eq!((choice(&sent), refused.as_deref()), (("v0", Reason::Draw), Some(why)), "{asked:?}");
        assert!(!sent.headers().contains_key(ASK));
    }
}

#[tokio::test]
async fn no_override_no_refusal_header() {
    let (sent, refused) =
        answered(&layer(&routes()), tester(&HeaderName::from_static("x-other"), &["v1"])).await;
    assert_eq!((choice(&sent), refused), (("v0", Reason::Draw), None));
}

#[tokio::test]
async fn only_override_cookie_is_removed() {
    let handle = routes();
    for (cookies, left) in [
        (&["version=v1"][..], &[][..]),
        (&["a=1; version=v1; b=2"], &["a=1; b=2"]),
        (&["version=v1; a=1"], &["a=1"]),
        (&["a=1;version=v1"], &["a=1"]),
        (&["a=1", "version=v1", "b=2"], &["a=1", "b=2"]),
        (&["myversion=x; version=v1; versions=y"], &["myversion=x; versions=y"]),
        (&["a=1; version =v1;\tb=2"], &["a=1;\tb=2"]),
        (&["a=\u{e9}", "version\t=v1"], &["a=\u{e9}"]),
    ] {
        let (sent, refused) = answered(&by_cookie(&handle), tester(&COOKIE, cookies)).await;
        assert_eq!((choice(&sent), refused), (("v1", Reason::Override), None), "{cookies:?}");
        let kept: Vec<_> = sent.headers().get_all(COOKIE).iter().map(|value| value.as_bytes()).collect();
        let left: Vec<_> = left.iter().map(|text| text.as_bytes()).collect();
        assert_eq!(kept, left, "{cookies:?}");
    }
    let (sent, refused) = answered(&by_cookie(&handle), tester(&COOKIE, &["version=v1; version=v0"])).await;
    assert_eq!((choice(&sent).1, refused.as_deref()), (Reason::Draw, Some("ambiguous")));
    assert!(!sent.headers().contains_key(COOKIE));
    let (sent, refused) = answered(&by_cookie(&handle), tester(&COOKIE, &["a=1; b=2"])).await;
    assert_eq!((sent.headers()[COOKIE].as_bytes(), refused), (&b"a=1; b=2"[..], None));
}

// A refused override leaves the choice to the key.
#[tokio::test]
async fn override_takes_precedence_over_key() {
    let handle = auth(&[("http://10.0.0.1", 50.0), ("http://10.0.0.2", 50.0)]);
    let layer = layer(&handle).with_affinity(Affinity::header(HeaderName::from_static("x-user-id")));
    let route: std::sync::Arc<Route> = handle.route("auth").unwrap();
    for i in 0..20 {
        let user = format!("user-{i}");
        let kept = route.explain(user.as_bytes()).version.unwrap().name.to_string();
        let other = if kept == "v0" { "v1" } else { "v0" };
        let asks = |version: &str| {
            let mut request = tester(&ASK, &[version]);
            request.headers_mut().insert("x-user-id", user.parse().unwrap());
            request
        };
        assert_eq!(choice(&answered(&layer, asks(other)).await.0), (other, Reason::Override));
        assert_eq!(choice(&answered(&layer, asks("v9")).await.0), (&*kept, Reason::Key));
    }
}

#[tokio::test]
async fn rejection_reports_refused_override() {
    let empty = handle(&[tower_canary::routing::Split::new("auth".parse().unwrap(), 7)]);
    let response = sent(&layer(&empty), tester(&ASK, &["v1"])).await.unwrap_err();
    assert_eq!(
        (response.status().as_u16(), response.headers()[REFUSED].as_bytes()),
        (503, &b"unknown-version"[..])
    );
}

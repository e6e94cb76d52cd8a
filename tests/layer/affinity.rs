//! Session affinity by a key.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use http::Request;
use http::header::{COOKIE, HeaderName};
use tower_canary::layer::{Affinity, ClientAddress, VersionChoice};
use tower_canary::routing::{Reason, Route};
use tower_canary::{RoutingHandle, WeightedVersionLayer};

use crate::support::*;

const USER: HeaderName = HeaderName::from_static("x-user-id");
const HALVES: [(&str, f64); 2] = [("http://10.0.0.1", 50.0), ("http://10.0.0.2", 50.0)];

fn by_user(handle: &RoutingHandle) -> WeightedVersionLayer {
    fixed(handle).with_affinity(Affinity::header(USER).or(Affinity::cookie("session"))).with_choice()
}

fn user(name: &str) -> Request<()> {
    Request::get("/").header(USER, name).body(()).unwrap()
}

async fn choice(layer: &WeightedVersionLayer, request: Request<()>) -> VersionChoice {
    sent(layer, request).await.unwrap().extensions().get::<VersionChoice>().unwrap().clone()
}

/// Returns the version of a key, computed without traffic.
fn expected(handle: &RoutingHandle, key: &[u8]) -> String {
    handle.route("auth").unwrap().explain(key).version.unwrap().name.to_string()
}

/// Asserts that `request` gets the version of the key `key`.
async fn assert_kept(
    layer: &WeightedVersionLayer,
    handle: &RoutingHandle,
    request: impl Fn() -> Request<()>,
    key: &[u8],
) {
    for _ in 0..3 {
        let choice = choice(layer, request()).await;
        assert_eq!(
            (choice.reason, choice.version.as_str()),
            (Reason::Key, &*expected(handle, key)),
            "{:?}",
            request()
        );
    }
}

/// Asserts that `request` is drawn: many equal requests reach both versions.
async fn assert_drawn(layer: &WeightedVersionLayer, request: impl Fn() -> Request<()>) {
    let mut met = BTreeMap::new();
    for _ in 0..20 {
        let choice = choice(layer, request()).await;
        assert_eq!(choice.reason, Reason::Draw, "{:?}", request());
        *met.entry(choice.version.to_string()).or_insert(0) += 1;
    }
    assert_eq!(met.len(), 2, "{met:?}");
}

#[tokio::test]
async fn user_stays_with_the_explained_version() {
    let handle = auth(&HALVES);
    let layer = by_user(&handle);
    for i in 0..1_000 {
        let name = format!("user-{i}");
        assert_kept(&layer, &handle, || user(&name), name.as_bytes()).await;
    }
}

#[tokio::test]
async fn gateways_agree_on_every_user() {
    let here = auth(&HALVES);
    let there = RoutingHandle::new();
    assert!(there.publish(Route::compile(split("auth", &HALVES))));
    let one = by_user(&here);
    let other = by_user(&there);
    for i in 0..1_000 {
        let name = format!("user-{i}");
        assert_eq!(choice(&one, user(&name)).await, choice(&other, user(&name)).await);
    }
}

#[tokio::test]
async fn first_source_with_a_key_wins() {
    fn both(user: &str, session: &str) -> Request<()> {
        Request::get("/")
            .header(USER, user)
            .header(COOKIE, format!("a=1; session={session}"))
            .body(())
            .unwrap()
    }

    let handle = auth(&HALVES);
    let layer = by_user(&handle);
    for i in 0..50 {
        let name = format!("u{i}");
        let session = format!("s{i}");
        assert_kept(&layer, &handle, || both(&name, &session), name.as_bytes()).await;
        assert_kept(&layer, &handle, || both("", &session), session.as_bytes()).await;
    }
}

#[tokio::test]
async fn empty_or_repeated_value_is_no_key() {
    let handle = auth(&HALVES);
    let layer = by_user(&handle);
    assert_drawn(&layer, || get("/")).await;
    assert_drawn(&layer, || user("")).await;
    assert_drawn(&layer, || Request::get("/").header(USER, "a").header(USER, "b").body(()).unwrap()).await;
    for cookies in ["session=", "session", "sessions=a", "a=session=b", "Session=a", ";;;", "=", "a b c"] {
        assert_drawn(&layer, || Request::get("/").header(COOKIE, cookies).body(()).unwrap()).await;
    }
}

fn with_cookies(headers: &[&str]) -> Request<()> {
    let mut request = get("/");
    for header in headers {
        request.headers_mut().append(COOKIE, http::HeaderValue::from_bytes(header.as_bytes()).unwrap());
    }
    request
}

#[tokio::test]
async fn cookie_is_found_among_others() {
    let handle = auth(&HALVES);
    let layer = by_user(&handle);
    for (cookies, key) in [
        (&["session=alice"][..], &b"alice"[..]),
        (&["a=b; session=alice; c=d"], b"alice"),
        (&["a=b;session=alice"], b"alice"),
        (&["a=b", "session=alice"], b"alice"),
        (&["session=first; session=second"], b"first"),
        (&["session=a=b"], b"a=b"),
        (&["session=\"quoted\""], b"\"quoted\""),
        (&["a=b ;  session=al\u{e9}ce  ; c"], "al\u{e9}ce".as_bytes()),
    ] {
        assert_kept(&layer, &handle, || with_cookies(cookies), key).await;
    }
}

#[tokio::test]
async fn address_spellings_share_one_key() {
    fn from(address: IpAddr) -> Request<()> {
        let mut request = get("/");
        request.extensions_mut().insert(ClientAddress(address));
        request
    }

    let handle = auth(&HALVES);
    let layer = fixed(&handle).with_affinity(Affinity::client_address()).with_choice();
    let mapped: Ipv6Addr = "::ffff:10.0.0.7".parse().unwrap();
    assert_kept(&layer, &handle, || from(mapped.into()), b"10.0.0.7").await;
    assert_kept(&layer, &handle, || from([10, 0, 0, 7].into()), b"10.0.0.7").await;
    let long: Ipv6Addr = "2001:0DB8:0:0:0:0:0:1".parse().unwrap();
    assert_kept(&layer, &handle, || from(long.into()), b"2001:db8::1").await;
    assert_drawn(&layer, || get("/")).await;
}

#[tokio::test]
async fn custom_function_provides_the_key() {
    let handle = auth(&HALVES);
    let own = Affinity::from_fn(|head| Some(head.uri.query()?.as_bytes().into()));
    let layer = fixed(&handle).with_affinity(own).with_choice();
    assert_kept(&layer, &handle, || get("/?alice"), b"alice").await;
    assert_drawn(&layer, || get("/")).await;
    assert_drawn(&layer, || get("/?")).await;
}

// Other users have a key. Both kinds are counted.
#[tokio::test]
async fn keyless_users_get_the_exact_ratio() {
    let handle = auth(&[("http://10.0.0.1", 90.0), ("http://10.0.0.2", 10.0)]);
    let layer = by_user(&handle);
    let mut kept = 0;
    for i in 0..1_000 {
        choice(&layer, get("/")).await;
        kept += u64::from(choice(&layer, user(&format!("user-{i}"))).await.version.as_str() == "v1");
    }
    assert_eq!(handle.picks("auth", "v1", Reason::Draw), Some(100));
    assert_eq!(handle.picks("auth", "v1", Reason::Key), Some(kept));
    for reason in [Reason::Draw, Reason::Key] {
        let picks = ["v0", "v1"].iter().filter_map(|v| handle.picks("auth", v, reason));
        assert_eq!(picks.sum::<u64>(), 1_000);
    }
    assert_eq!(handle.picks("auth", "v9", Reason::Draw), None);
}

// A service without versions is 503.
#[tokio::test]
async fn zero_weight_version_gets_no_user() {
    let handle = auth(&[("http://10.0.0.1", 100.0), ("http://10.0.0.2", 0.0)]);
    let layer = by_user(&handle);
    for i in 0..1_000 {
        assert_eq!(choice(&layer, user(&format!("user-{i}"))).await.version.as_str(), "v0");
    }
    let empty = crate::support::handle(&[tower_canary::routing::Split::new("auth".parse().unwrap(), 7)]);
    assert_eq!(sent(&by_user(&empty), user("alice")).await.unwrap_err().status(), 503);
}

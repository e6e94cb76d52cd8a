//! What the version gets, over real sockets.

use std::time::Duration;

use http::Method;
use tower_canary::routing::Reason;
use tower_canary::traffic::Outcome;

use crate::mocks::mirror;
use crate::support::*;

#[tokio::test]
async fn copy_is_what_the_version_would_get() {
    let [stable, canary] = [Backend::start(Duration::ZERO).await, Backend::start(Duration::ZERO).await];
    let base = format!("{}/base", canary.url());
    let gateway = Gateway::start([&stable.url(), &base], "100", mirror()).await;
    let request = gateway.client.get(gateway.url("/auth/login%20x?a=%2f&b")).header("x-user", "alice");
    assert_eq!(request.header("cookie", "session=1").send().await.unwrap().status(), 200);
    let original = stable.wait_for(1).await.remove(0);
    let copy = canary.wait_for(1).await.remove(0);
    assert_eq!((&copy.method, &*copy.target), (&Method::GET, "/base/login%20x?a=%2f&b"));
    assert_eq!(
        (original.header("x-canary-mirror"), copy.headers.get_all("x-canary-mirror").iter().count()),
        (None, 1)
    );
    assert_eq!(copy.header("x-canary-mirror"), Some("1"));
    assert_eq!(copy.header("host"), Some(&*canary.address.to_string()));
    let same =
        ["x-user", "cookie", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-prefix", "via", "accept"];
    for name in same {
        assert_eq!(copy.header(name), original.header(name), "{name}");
    }
    assert_eq!(copy.header("x-forwarded-prefix"), Some("/auth"));
    wait_until(|| gateway.copies().outcome(Outcome::Success) == 1).await;
    assert_eq!(gateway.handle.picks("auth", "v1", Reason::Mirror), Some(1));
}

// Two gateways, each with a mirror of everything. The copy of the first is no original for the second.
#[tokio::test]
async fn copies_are_not_copied_behind() {
    let backends = [Backend::start(Duration::ZERO).await, Backend::start(Duration::ZERO).await];
    let [stable, canary] = &backends;
    let behind = Gateway::start([&stable.url(), &canary.url()], "100", mirror()).await;
    let url = behind.url("/auth");
    let before = Gateway::start([&url, &url], "100", mirror()).await;
    for _ in 0..10 {
        before.get("/auth/x").await;
    }
    // Each request arrives twice at the gateway behind, which copies one of both.
    stable.wait_for(20).await;
    canary.wait_for(10).await;
    wait_until(|| before.copies().outcome(Outcome::Success) == 10).await;
    assert_eq!((stable.got().len(), canary.got().len(), behind.copies().sent()), (20, 10, 10));
    let marked = stable.got().iter().filter(|got| got.header("x-canary-mirror").is_some()).count();
    assert_eq!(marked, 10, "the backend can tell the copies");
}

#[tokio::test]
async fn unreachable_version_fails_no_request() {
    let stable = Backend::start(Duration::ZERO).await;
    let gateway = Gateway::start([&stable.url(), "http://127.0.0.1:1"], "100", mirror()).await;
    for _ in 0..20 {
        gateway.get("/auth/x").await;
    }
    wait_until(|| gateway.copies().outcome(Outcome::Error) == 20).await;
}

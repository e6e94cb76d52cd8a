//! Session affinity through the gateway.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{Method, Request};
use serde_json::Value;

use crate::backends::{Backend, named_backend};
use crate::harness::{Gateway, empty};

const USERS: usize = 1_000;

async fn two_versions() -> (Gateway, Vec<Backend>) {
    let keys = ["--affinity-header", "x-user-id", "--affinity-cookie", "session"];
    // The slots of the users repeat.
    let gateway = Gateway::start(&[&["--no-demo", "--seed", "7"][..], &keys].concat());
    let mut backends = Vec::new();
    for name in ["v1", "v2"] {
        let backend = named_backend(name, Duration::ZERO).await;
        gateway.register("auth", name, &backend.url).await;
        backends.push(backend);
    }
    (gateway, backends)
}

/// Returns the version that serves a request with this header.
async fn version(gateway: &Gateway, name: &str, value: &str) -> String {
    let request = Request::get(gateway.url("/auth/")).header(name, value).body(empty()).unwrap();
    gateway.send(request).await.text.split_whitespace().nth(1).unwrap().to_owned()
}

async fn versions(gateway: &Gateway) -> BTreeMap<usize, String> {
    let mut all = BTreeMap::new();
    for i in 0..USERS {
        all.insert(i, version(gateway, "x-user-id", &format!("user-{i}")).await);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn growing_version_moves_the_fewest_users() {
    let (gateway, _backends) = two_versions().await;
    gateway.set_weight("auth", "v2", 10.0).await;
    let tenth = versions(&gateway).await;
    assert_eq!(versions(&gateway).await, tenth, "every user stays");
    let canary = tenth.values().filter(|version| *version == "v2").count();
    assert!(canary.abs_diff(100) <= 30, "{canary} of {USERS}");

    gateway.set_weight("auth", "v2", 30.0).await;
    let third = versions(&gateway).await;
    let mut moved = 0;
    let mut needless = 0;
    for (before, after) in tenth.values().zip(third.values()) {
        moved += usize::from(before != after);
        needless += usize::from(before == "v2" && after == "v1");
    }
    assert_eq!(needless, 0, "no user leaves the version that grows");
    assert!(moved.abs_diff(200) <= 40, "{moved} of {USERS}");
    for (i, version) in third.iter().take(50) {
        let path = format!("/deployment/services/auth/explain?key=user-{i}");
        let explained = gateway.admin(Method::GET, &path, Value::Null).await;
        assert_eq!(explained["version"], version.as_str());
    }
}

#[tokio::test]
async fn affinity_cookie_matches_the_header() {
    let (gateway, _backends) = two_versions().await;
    gateway.set_weight("auth", "v2", 50.0).await;
    for i in 0..20 {
        let by_header = version(&gateway, "x-user-id", &format!("user-{i}")).await;
        assert_eq!(version(&gateway, "cookie", &format!("a=b; session=user-{i}")).await, by_header);
    }
}

#[tokio::test]
async fn rollback_moves_every_user_back() {
    let (gateway, _backends) = two_versions().await;
    gateway.switch("auth", "v2").await;
    assert_eq!(version(&gateway, "x-user-id", "alice").await, "v2");
    gateway.switch("auth", "v1").await;
    for i in 0..100 {
        assert_eq!(version(&gateway, "x-user-id", &format!("user-{i}")).await, "v1");
    }
}

#[tokio::test]
async fn pin_cookie_lasts_until_a_redraw() {
    let gateway = Gateway::start(&["--no-demo", "--pin-cookie", "pin"]);
    let mut backends = Vec::new();
    for name in ["v1", "v2"] {
        let backend = named_backend(name, Duration::ZERO).await;
        gateway.register("auth", name, &backend.url).await;
        backends.push(backend);
    }
    gateway.set_weight("auth", "v2", 50.0).await;
    for _ in 0..10 {
        let first = gateway.get("/auth/").await;
        let set = first.headers["set-cookie"].to_str().unwrap();
        assert!(set.starts_with("pin_auth="), "{set}");
        let cookie = set.split(';').next().unwrap();
        for _ in 0..5 {
            let request = Request::get(gateway.url("/auth/")).header("cookie", cookie).body(empty()).unwrap();
            let again = gateway.send(request).await;
            assert_eq!(again.text, first.text);
            assert!(!again.headers.contains_key("set-cookie"));
        }
    }
    let cookie = gateway.get("/auth/").await.headers["set-cookie"].to_str().unwrap().to_owned();
    gateway.admin(Method::POST, "/deployment/services/auth/redraw", Value::Null).await;
    let request = Request::get(gateway.url("/auth/")).header("cookie", cookie.split(';').next().unwrap());
    assert!(gateway.send(request.body(empty()).unwrap()).await.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn override_requires_trust() {
    for (trusted, version, refused) in [(true, "v2", None), (false, "v1", Some("not-trusted"))] {
        let mut options = vec!["--no-demo", "--override-header", "x-version"];
        options.extend(trusted.then_some("--trust-override"));
        let gateway = Gateway::start(&options);
        let one = named_backend("v1", Duration::ZERO).await;
        let two = named_backend("v2", Duration::ZERO).await;
        gateway.register("auth", "v1", &one.url).await;
        gateway.register("auth", "v2", &two.url).await;
        let request = Request::get(gateway.url("/auth/")).header("x-version", "v2").body(empty()).unwrap();
        let response = gateway.send(request).await;
        assert_eq!(response.text, format!("auth {version} /\n"));
        let why = response.headers.get("canary-override-refused").map(|why| why.to_str().unwrap());
        assert_eq!(why, refused);
    }
}

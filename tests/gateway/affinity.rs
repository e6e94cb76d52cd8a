//! Users who are kept with one version, through the gateway.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{Method, Request};
use serde_json::Value;

use crate::backends::{Backend, named};
use crate::harness::{Gateway, empty};

const USERS: usize = 1_000;

async fn two_versions() -> (Gateway, Vec<Backend>) {
    let gateway =
        Gateway::start(&["--no-demo", "--affinity-header", "x-user-id", "--affinity-cookie", "session"]);
    let mut backends = Vec::new();
    for name in ["v1", "v2"] {
        let backend = named(name, Duration::ZERO).await;
        gateway.register("auth", name, &backend.url).await;
        backends.push(backend);
    }
    (gateway, backends)
}

/// Which version answers a request with that header.
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
async fn users_stay_and_when_a_version_grows_only_those_move_who_must() {
    let (gateway, _backends) = two_versions().await;
    gateway.set_weight("auth", "v2", 10.0).await;
    let tenth = versions(&gateway).await;
    assert_eq!(versions(&gateway).await, tenth, "everybody stays");
    let canary = tenth.values().filter(|version| *version == "v2").count();
    assert!(canary.abs_diff(100) <= 30, "{canary} of {USERS}");

    gateway.set_weight("auth", "v2", 30.0).await;
    let third = versions(&gateway).await;
    let (mut moved, mut thrown) = (0, 0);
    for (before, after) in tenth.values().zip(third.values()) {
        moved += usize::from(before != after);
        thrown += usize::from(before == "v2" && after == "v1");
    }
    assert_eq!(thrown, 0, "nobody leaves the version that grows");
    assert!(moved.abs_diff(200) <= 40, "{moved} of {USERS}");
    for (i, version) in third.iter().take(50) {
        let path = format!("/deployment/services/auth/explain?key=user-{i}");
        let explained = gateway.admin(Method::GET, &path, Value::Null).await;
        assert_eq!(explained["version"], version.as_str());
    }
}

#[tokio::test]
async fn the_cookie_keeps_those_without_the_header_and_agrees_with_it() {
    let (gateway, _backends) = two_versions().await;
    gateway.set_weight("auth", "v2", 50.0).await;
    for i in 0..20 {
        let by_header = version(&gateway, "x-user-id", &format!("user-{i}")).await;
        assert_eq!(version(&gateway, "cookie", &format!("a=b; session=user-{i}")).await, by_header);
    }
}

#[tokio::test]
async fn a_rollback_takes_every_user_along() {
    let (gateway, _backends) = two_versions().await;
    gateway.switch("auth", "v2").await;
    assert_eq!(version(&gateway, "x-user-id", "alice").await, "v2");
    gateway.switch("auth", "v1").await;
    for i in 0..100 {
        assert_eq!(version(&gateway, "x-user-id", &format!("user-{i}")).await, "v1");
    }
}

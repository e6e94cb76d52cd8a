//! Users without a key, who keep their version by a pin cookie.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use serde_json::Value;

use crate::backends::{Backend, named_backend};
use crate::harness::{Gateway, HttpClient, empty, read};
use crate::setting;
use crate::support::concurrently;

const VISITS: usize = 50;

/// The cookies of some users, and the version that served each one last.
struct Users {
    pins: Arc<[Option<String>]>,
    versions: Vec<String>,
    /// Number of responses of the last visits that set a cookie.
    set: usize,
}

impl Users {
    fn new(count: usize) -> Self {
        Self { pins: vec![None; count].into(), versions: Vec::new(), set: 0 }
    }

    /// Sends `times` requests of each user. No user may change version meanwhile.
    async fn visit(&mut self, gateway: &Gateway, times: usize) {
        let url: Arc<str> = gateway.url("/auth/").into();
        let pins = Arc::clone(&self.pins);
        let visited = concurrently(self.pins.len(), move |client, user: usize| {
            visits(client, Arc::clone(&url), pins[user].clone(), times)
        })
        .await;
        self.set = visited.iter().map(|(.., set)| set).sum();
        let (versions, pins): (_, Vec<_>) =
            visited.into_iter().map(|(version, pin, _)| (version, pin)).unzip();
        self.versions = versions;
        self.pins = pins.into();
    }

    fn on(&self, version: &str) -> usize {
        self.versions.iter().filter(|name| *name == version).count()
    }

    /// Asserts that `percent` of the users are on v2, within one point.
    fn assert_share(&self, percent: usize, what: &str) {
        let canary = self.on("v2");
        let users = self.versions.len();
        println!("{what}: {canary} of {users} users on the canary, {percent} % expected");
        assert!((100 * canary).abs_diff(percent * users) <= users, "{canary} of {users}");
    }
}

/// Returns the version that served all visits, the last pin, and the number of responses that set a cookie.
async fn visits(
    client: HttpClient,
    url: Arc<str>,
    mut pin: Option<String>,
    times: usize,
) -> (String, Option<String>, usize) {
    let mut version = None;
    let mut set = 0;
    for _ in 0..times {
        let mut request = Request::get(&*url);
        if let Some(pin) = &pin {
            request = request.header("cookie", pin);
        }
        let response = read(client.request(request.body(empty()).unwrap()).await.unwrap()).await;
        assert_eq!(response.status, StatusCode::OK, "{}", response.text);
        if let Some(cookie) = response.headers.get("set-cookie") {
            pin = cookie.to_str().unwrap().split(';').next().map(str::to_owned);
            set += 1;
        }
        let name = response.text.split_whitespace().nth(1).unwrap();
        assert_eq!(version.get_or_insert_with(|| name.to_owned()), name, "within {times} visits");
    }
    (version.unwrap(), pin, set)
}

async fn two_versions() -> (Gateway, [Backend; 2]) {
    let gateway = Gateway::start(&["--no-demo", "--pin-cookie", "pin"]);
    let backends = [named_backend("v1", Duration::ZERO).await, named_backend("v2", Duration::ZERO).await];
    for (name, backend) in ["v1", "v2"].into_iter().zip(&backends) {
        gateway.register("auth", name, &backend.url).await;
    }
    (gateway, backends)
}

/// Asserts that a weight change moves none of `users`, with a tenth on the canary, and applies to new
/// users.
async fn re_weight(gateway: &Gateway, users: &mut Users, percent: u8) {
    let before = users.versions.clone();
    gateway.set_weight("auth", "v2", percent.into()).await;
    users.visit(gateway, 2).await;
    users.assert_share(10, &format!("canary set to {percent} %, those pinned before"));
    assert!(users.versions == before && users.set == 0, "no user moves");
    let mut new = Users::new(before.len());
    new.visit(gateway, 2).await;
    new.assert_share(percent.into(), &format!("canary set to {percent} %, new ones"));
}

/// Asserts that a redraw draws each of `users` once, and that they stay afterwards.
async fn redraw(gateway: &Gateway, users: &mut Users) {
    gateway.admin(Method::POST, "/deployment/services/auth/redraw", Value::Null).await;
    users.visit(gateway, 2).await;
    users.assert_share(50, "after a redraw at 50/50");
    assert_eq!(users.set, users.versions.len(), "each is drawn once");
    let redrawn = users.versions.clone();
    users.visit(gateway, 2).await;
    assert!(users.versions == redrawn && users.set == 0, "and stays");
}

/// Users who keep their cookies stay with their version at any weight, until a redraw.
async fn campaign(count: usize, times: usize) {
    let (gateway, _backends) = two_versions().await;
    gateway.set_weight("auth", "v2", 10.0).await;
    let mut users = Users::new(count);
    users.visit(&gateway, times).await;
    users.assert_share(10, &format!("{times} requests each at 90/10"));
    assert_eq!(users.set, count, "one cookie each");
    for percent in [0, 50] {
        re_weight(&gateway, &mut users, percent).await;
    }
    redraw(&gateway, &mut users).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pinned_share_stays_at_a_tenth() {
    campaign(200, 5).await;
}

// A tenth on the canary, 50 requests each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn pinned_share_stays_for_10_000_visitors() {
    campaign(usize::try_from(setting("CANARY_CAMPAIGN_VISITORS", 10_000)).unwrap(), VISITS).await;
}

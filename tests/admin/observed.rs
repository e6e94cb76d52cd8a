//! A gateway that observes the instances of a version, under paused time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::time::sleep;
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::deployments::{Healthy, Unhealthy};
use tower_canary::health::Health;
use tower_canary::store::MemoryStore;
use tower_canary::{Deployments, Target, WeightedVersionLayer};

use crate::scripted_check::ScriptedCheck;
use crate::support::{Answer, Api};

pub(crate) const A: &str = "http://10.0.0.1:8080";
pub(crate) const B: &str = "http://10.0.0.2:8080";
pub(crate) const AUTH: &str = "/deployment/services/auth/versions";
pub(crate) const CHECK: &str = "/deployment/services/auth/versions/v1.0/check";
pub(crate) const V1: &str = "/routing/services/auth/versions/v1.0";
pub(crate) const VERSIONS: &str = "/routing/services/auth/versions";

pub(crate) struct Observed {
    pub(crate) api: Api,
    pub(crate) deployments: Deployments,
    check: ScriptedCheck,
}

impl Observed {
    /// `auth` with v1.0 at A and B, with checks.
    pub(crate) async fn new(settings: Health) -> Self {
        let observed = Self::without_versions(settings).await;
        let body = json!({"version": "v1.0", "urls": [A, B], "healthPath": "/up"});
        observed.api.post(VERSIONS, body).await.is_ok();
        sleep(Duration::from_secs(1)).await;
        observed
    }

    pub(crate) async fn without_versions(settings: Health) -> Self {
        let healthy = Healthy { status: 200, took: Duration::from_millis(3) };
        let check = ScriptedCheck::default().with_healthy(healthy);
        let builder = Deployments::builder(MemoryStore::new(), check.clone()).with_health(settings);
        let deployments = builder.start().await.unwrap();
        tokio::spawn(deployments.clone().run(std::future::pending()));
        Self { api: Api::over(deployments.clone()), deployments, check }
    }

    /// Sets whether the probes and checks of `url` fail, and waits until the checks have noticed. An idle service is checked
    /// once a minute.
    pub(crate) async fn set_sick(&self, url: &str, is_sick: bool) {
        self.sicken(url, is_sick);
        sleep(Duration::from_secs(90)).await;
    }

    /// Sets whether the probes and checks of `url` fail from now on.
    pub(crate) fn sicken(&self, url: &str, is_sick: bool) {
        self.check.set(url, is_sick.then_some(Unhealthy::Status(503)));
    }

    /// Sends requests one after the other. The instances with one of these URLs respond 503.
    pub(crate) async fn send(&self, count: usize, failing: &[&str]) {
        for _ in 0..count {
            send(&self.deployments, failing, Duration::ZERO).await;
        }
    }

    /// Ejects B by failed requests. After the first one B is preferred in one of eight choices only.
    pub(crate) async fn eject_b(&self) {
        self.send(500, &[B]).await;
        sleep(Duration::from_millis(100)).await;
        assert_eq!(self.instance(1).await["state"], json!("ejected"));
    }

    /// The first version as `GET …/versions` shows it.
    pub(crate) async fn version(&self) -> Value {
        self.read().await.json["versions"][0].take()
    }

    pub(crate) async fn instance(&self, i: usize) -> Value {
        self.version().await["instances"][i].take()
    }

    pub(crate) async fn read(&self) -> Answer {
        let answer = self.api.get(AUTH).await;
        answer.is_ok();
        answer
    }
}

/// Sends one request, whose response arrives after `time`, and is 503 from an instance with one of these URLs.
pub(crate) async fn send(deployments: &Deployments, failing: &[&str], time: Duration) {
    let failing: Arc<[String]> =
        failing.iter().map(|url| url.trim_start_matches("http://").to_owned()).collect();
    let client = service_fn(move |request: Request<()>| {
        let authority = request.uri().authority().unwrap().as_str();
        let status = if failing.iter().any(|failing| failing == authority) { 503 } else { 200 };
        async move {
            sleep(time).await;
            let body = Full::<Bytes>::from("hello");
            Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap())
        }
    });
    let layer = WeightedVersionLayer::new(deployments.handle(), Target::service("auth".parse().unwrap()));
    let response = layer.layer(client).oneshot(Request::new(())).await.unwrap();
    response.into_body().collect().await.unwrap();
}

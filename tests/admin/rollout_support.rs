//! An API with rollouts that are driven, and requests that are only reported.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use serde_json::{Value, json};
use tokio::time::sleep;
use tower_canary::Deployments;
use tower_canary::admin::{AdminAuth, JwtAuth, router_with_rollouts};
use tower_canary::rollout::Rollouts;
use tower_canary::store::{ReplicaRegistry, Report};
use tower_canary::traffic::Figures;

use crate::support::{AUDIENCE, Answer, Api, ISSUER, MOUNT, SECRET, claims, token};

pub(crate) const ROLLOUTS: &str = "/deployment/services/auth/rollouts";
pub(crate) const CURRENT: &str = "/deployment/services/auth/rollouts/current";

/// A plan of two steps and a bake.
pub(crate) fn plan() -> Value {
    json!({"version": "v1.1", "steps": [10, 50], "hold": "1m", "bake": {"hold": "1m"}, "reason": "release 1.1"})
}

pub(crate) fn jwt() -> AdminAuth {
    AdminAuth::jwt(JwtAuth::hs256(SECRET, ISSUER, AUDIENCE).unwrap())
}

/// An API with v1.0 at 100 and v1.1 at 0, whose rollouts are driven.
pub(crate) async fn driven() -> Api {
    driven_with(|rollouts| rollouts).await
}

pub(crate) async fn driven_with(prepare: impl FnOnce(Rollouts) -> Rollouts) -> Api {
    let mut api = Api::with_two_versions().await;
    let rollouts = prepare(Rollouts::new(api.deployments.clone()));
    api.app = Router::new().nest(MOUNT, router_with_rollouts(rollouts.clone(), jwt()));
    tokio::spawn(api.deployments.clone().run(std::future::pending()));
    tokio::spawn(rollouts.run(std::future::pending()));
    sleep(Duration::from_secs(2)).await;
    api
}

impl Api {
    /// Starts a rollout by `body`, and returns its id.
    pub(crate) async fn roll_out(&self, body: Value) -> String {
        let started = self.post(ROLLOUTS, body).await;
        assert_eq!(started.status, 201, "{}", started.text);
        started.json["id"].as_str().unwrap().to_owned()
    }

    /// Sends an order about the rollout that is under way.
    pub(crate) async fn order(&self, verb: &str, body: Value) -> Answer {
        self.post(&format!("{CURRENT}/{verb}"), body).await
    }

    /// Sends a request with the scopes `scope`.
    pub(crate) async fn post_as(&self, scope: &str, path: &str, body: &Value) -> Answer {
        let mut claims = claims();
        claims["scope"] = json!(scope);
        let request = Request::post(format!("{MOUNT}{path}"))
            .header("authorization", format!("Bearer {}", token(&claims)))
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        self.send(request).await
    }

    /// Waits until the rollout that is under way has the phase and the step, at most for five minutes.
    pub(crate) async fn wait_for(&self, phase: &str, step: u64) -> Value {
        for _ in 0..300 {
            let seen = self.get(CURRENT).await;
            if seen.json["phase"] == phase && seen.json["step"] == step {
                return seen.json;
            }
            sleep(Duration::from_secs(1)).await;
        }
        panic!("{}", self.get(CURRENT).await.text);
    }

    /// Reports 1,000 requests every five seconds by the present weights, as a gateway called `users`. All requests to v1.1
    /// fail if `fails`.
    pub(crate) fn send_users(&self, fails: bool) {
        let memory = std::sync::Arc::clone(&self.store.memory);
        let deployments = self.deployments.clone();
        tokio::spawn(async move {
            let mut counted: BTreeMap<String, Figures> = BTreeMap::new();
            loop {
                count(&deployments, &mut counted, fails);
                let figures = json!({"auth": counted}).to_string();
                let revision = deployments.freshness().revision;
                let report = Report::new("users", "users", revision).with_figures(Some(figures));
                memory.report(&report).await.unwrap();
                sleep(Duration::from_secs(5)).await;
            }
        });
    }
}

fn count(deployments: &Deployments, counted: &mut BTreeMap<String, Figures>, fails: bool) {
    let route = deployments.handle().route("auth").unwrap();
    for version in route.split().versions() {
        let requests = version.weight.percent() as u64 * 10;
        let bad = if fails && version.name.as_str() == "v1.1" { requests } else { 0 };
        let latencies = [(Duration::from_millis(5), requests)].into_iter().collect();
        let figures = Figures::new(requests, bad).with_latencies(latencies);
        counted.entry(version.id.to_string()).or_default().add(&figures);
    }
}

/// The kinds of the events of a rollout, in their order.
pub(crate) fn kinds(details: &Value) -> Vec<&str> {
    details["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect()
}

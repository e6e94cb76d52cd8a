//! Each order about a rollout that is under way: its request and its responses are those of the OpenAPI document, from the
//! success to each problem.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use axum::body::Body;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};
use tower_canary::admin;
use tower_canary::store::{RolloutColumns, RolloutStore, RolloutWrite};

use crate::declared::{assert_body, declared_statuses};
use crate::rollout_support::{CURRENT, ROLLOUTS, driven, plan};
use crate::support::{Answer, Api};

/// Each order with a body that it takes while the rollout waits for its approval.
fn orders() -> [(&'static str, Value); 6] {
    [
        ("approve", json!({"step": 0, "reason": "looks good"})),
        ("advance", json!({"step": 0})),
        ("pause", json!({"reason": "lunch"})),
        ("resume", json!({})),
        ("promote", json!({})),
        ("abort", json!({"reason": "no"})),
    ]
}

/// An order at a gateway whose rollout waits for its approval.
struct Ordered {
    api: Api,
    verb: &'static str,
    body: Value,
    id: String,
    statuses: BTreeSet<u16>,
}

impl Ordered {
    async fn start(verb: &'static str, body: Value) -> Self {
        let api = driven().await;
        let id = api.roll_out(waiting()).await;
        api.wait_for("waiting", 0).await;
        Self { api, verb, body, id, statuses: BTreeSet::new() }
    }

    fn path(&self) -> String {
        format!("{CURRENT}/{}", self.verb)
    }

    fn request(&self, path: &str, body: &str) -> Request<Body> {
        self.api.request("POST", path, Body::from(body.to_owned()))
    }

    fn note(&mut self, answer: &Answer) {
        self.statuses.insert(answer.status.as_u16());
    }

    /// Sends the order to `path`. Returns the response, which the document declares.
    async fn order_at(&mut self, path: &str) -> Answer {
        let answer = self.api.post(path, self.body.clone()).await;
        self.note(&answer);
        answer
    }

    /// Refuses the order for what the request says.
    async fn refuse_requests(&mut self) {
        let (path, body) = (self.path(), self.body.to_string());
        let malformed = self.order_at(&format!("{path}?nonsense=1")).await;
        malformed.is_problem(400, "malformed-query");
        let broken = self.api.send(self.request(&path, "{")).await;
        broken.is_problem(400, "malformed-body");
        let mut nobody = self.request(&path, &body);
        nobody.headers_mut().remove(AUTHORIZATION);
        let mut other = self.request(&path, &body);
        other.headers_mut().insert(CONTENT_TYPE, "text/plain".parse().unwrap());
        let large = format!("{{\"reason\": \"{}\"}}", "x".repeat(2 << 20));
        for (request, status, kind) in [
            (nobody, 401, "unauthorized"),
            (self.request(&path, &large), 413, "payload-too-large"),
            (other, 415, "unsupported-media-type"),
        ] {
            let answer = self.api.send(request).await;
            answer.is_problem(status, kind);
            self.note(&answer);
        }
        let reader = self.api.post_as("canary:read", &path, &self.body).await;
        reader.is_problem(403, "insufficient-scope");
        self.note(&reader);
        self.order_at(&format!("{ROLLOUTS}/7f3a/{}", self.verb)).await.is_problem(404, "unknown-rollout");
        let elsewhere = path.replace("/auth/", "/A/");
        self.order_at(&elsewhere).await.is_problem(422, "invalid-name");
    }

    /// Refuses the order since the store is down, and since the stored rollout cannot be read.
    async fn refuse_for_the_store(&mut self) {
        let path = self.path();
        self.api.store.down.store(true, Ordering::SeqCst);
        self.order_at(&path).await.is_problem(503, "store-unavailable");
        self.api.store.down.store(false, Ordering::SeqCst);
    }

    async fn succeed(&mut self) {
        if self.verb == "resume" {
            self.api.order("pause", json!({})).await.is_ok();
        }
        let path = self.path();
        let after = self.order_at(&path).await;
        assert_eq!(after.is_ok()["id"], json!(self.id));
    }

    /// Refuses the order since it means another step, or a rollout that is over.
    async fn refuse_for_the_state(&mut self) {
        if let Some(step) = self.body.get_mut("step") {
            *step = json!(7);
            let path = self.path();
            self.order_at(&path).await.is_problem(409, "stale-step");
        }
        if self.verb != "abort" {
            self.api.order("abort", json!({})).await.is_ok();
        }
        self.order_at(&format!("{ROLLOUTS}/{}/{}", self.id, self.verb)).await.is_problem(409, "rollout-over");
    }

    /// Refuses the order about a rollout that this release cannot read.
    async fn refuse_the_unreadable(&mut self) {
        let id = self.api.roll_out(waiting()).await;
        let turn = self.api.store.memory.rollout(&id).await.unwrap().unwrap().turn;
        let broken = RolloutColumns::new("{\"format\": 99}", "waiting");
        let write = RolloutWrite::new(&id, "auth".parse().unwrap(), turn, broken);
        self.api.store.memory.write_rollout(&write).await.unwrap();
        let path = self.path();
        self.order_at(&path).await.is_problem(500, "broken-rollout");
    }
}

/// A plan whose first step waits for an approval.
fn waiting() -> Value {
    let mut waiting = plan();
    waiting["startGates"] = json!(["approval"]);
    waiting
}

// 412 is declared for each operation that changes something, and an order has no condition.
#[tokio::test(start_paused = true)]
async fn each_order_keeps_to_the_document() {
    for (verb, body) in orders() {
        assert_body("POST", &format!("{CURRENT}/{verb}"), &body);
        let mut ordered = Ordered::start(verb, body).await;
        ordered.refuse_requests().await;
        ordered.refuse_for_the_store().await;
        ordered.succeed().await;
        ordered.refuse_for_the_state().await;
        ordered.refuse_the_unreadable().await;
        let mut declared = declared_statuses("POST", &format!("{CURRENT}/{verb}"));
        assert!(declared.remove(&412), "{verb}");
        assert_eq!(ordered.statuses, declared, "{verb}");
    }
    let document = admin::openapi_json();
    let paths = document["paths"].as_object().unwrap().keys();
    let declared = paths.filter_map(|path| path.split_once("/rollouts/{rollout}/")).map(|(_, verb)| verb);
    assert_eq!(declared.collect::<BTreeSet<_>>(), orders().iter().map(|(verb, _)| *verb).collect());
}

//! Stand-ins for what the library does not have yet.
#![allow(dead_code, reason = "stand-ins")]

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tower_canary::routing::{Change, Registration};
use tower_canary::store::{ChangeRequest, MemoryStore};
use tower_canary::{Deployments, NoPreflight};

pub(crate) type Connector = HttpConnector;

pub(crate) struct SqlStore;

impl SqlStore {
    pub(crate) async fn connect(url: &str) -> Result<MemoryStore, io::Error> {
        let ok = !url.contains("missing");
        if ok { Ok(MemoryStore::new()) } else { Err(io::Error::other("unable to open database file")) }
    }
}

#[derive(Clone)]
pub(crate) struct UrlPolicy;

impl UrlPolicy {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) fn allow_loopback(self) -> Self {
        self
    }

    pub(crate) fn connector(&self) -> Connector {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(3)));
        connector
    }
}

pub(crate) struct HttpProbe;

impl HttpProbe {
    #[allow(clippy::new_ret_no_self, clippy::needless_pass_by_value, reason = "stand-in")]
    pub(crate) fn new(_: UrlPolicy) -> NoPreflight {
        NoPreflight
    }
}

pub(crate) struct JwtAuth;

impl JwtAuth {
    pub(crate) fn hs256(secret: &[u8], _: &str, _: &str) -> Result<Self, io::Error> {
        if secret.len() < 32 { Err(io::Error::other("the secret is under 32 bytes")) } else { Ok(Self) }
    }
}

pub(crate) struct AdminAuth;

impl AdminAuth {
    pub(crate) fn jwt(_: JwtAuth) -> Self {
        Self
    }
}

type Answer = Result<Json<Value>, (StatusCode, String)>;
type Named = Path<(String, String)>;

pub(crate) fn router(deployments: Deployments, _: AdminAuth) -> Router {
    Router::new()
        .route("/deployment/services/{service}/versions", get(list))
        .route("/deployment/services/{service}/versions/{version}/weight", put(weight))
        .route("/deployment/services/{service}/versions/{version}/switch", post(switch))
        .route("/deployment/services/{service}/weights", put(weights))
        .route("/deployment/services/{service}/history", get(history))
        .route("/routing/services/{service}/versions", post(register))
        .route("/routing/services/{service}/versions/{version}", put(activate))
        .with_state(deployments)
}

async fn apply(d: &Deployments, service: &str, change: Change) -> Answer {
    let refused = |e: String| (StatusCode::CONFLICT, e);
    let service = service.parse().map_err(|_| refused("name".into()))?;
    let applied = d.apply(&service, ChangeRequest::new(change, "demo")).await;
    let applied = applied.map_err(|e| refused(e.to_string()))?;
    Ok(Json(json!({"success": true, "generation": applied.after.generation()})))
}

fn bad<E: std::fmt::Display>(e: E) -> (StatusCode, String) {
    (StatusCode::UNPROCESSABLE_ENTITY, e.to_string())
}

async fn list(State(d): State<Deployments>, Path(service): Path<String>) -> Answer {
    let route = d.handle().route(&service).ok_or((StatusCode::NOT_FOUND, String::new()))?;
    let version = |v: &tower_canary::routing::Version| json!({"version": v.name.as_str(), "url": v.backend.as_str(), "weight": v.weight.percent(), "isActive": v.active});
    let versions: Vec<_> = route.split().versions().iter().map(version).collect();
    Ok(Json(json!({"service": service, "generation": route.split().generation(), "versions": versions})))
}

async fn weight(State(d): State<Deployments>, Path((s, v)): Named, Json(body): Json<Value>) -> Answer {
    let weight = body["weight"].as_f64().unwrap_or(-1.0).try_into().map_err(bad)?;
    apply(&d, &s, Change::SetWeight { version: v.parse().map_err(bad)?, weight }).await
}

async fn switch(State(d): State<Deployments>, Path((s, v)): Named) -> Answer {
    apply(&d, &s, Change::Switch { version: v.parse().map_err(bad)? }).await
}

async fn weights(State(d): State<Deployments>, Path(s): Path<String>, Json(body): Json<Value>) -> Answer {
    let mut map = BTreeMap::new();
    for (name, weight) in body["weights"].as_object().into_iter().flatten() {
        map.insert(name.parse().map_err(bad)?, weight.as_f64().unwrap_or(-1.0).try_into().map_err(bad)?);
    }
    apply(&d, &s, Change::SetWeights(map)).await
}

async fn register(
    State(d): State<Deployments>,
    Path(s): Path<String>,
    Json(body): Json<Value>,
) -> Result<(StatusCode, Json<Value>), (StatusCode, String)> {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let mut r = Registration::new(text("version").parse().map_err(bad)?, text("url").parse().map_err(bad)?);
    r.weight = body["weight"].as_f64().and_then(|w| w.try_into().ok());
    apply(&d, &s, Change::Register(r)).await.map(|answer| (StatusCode::CREATED, answer))
}

async fn activate(State(d): State<Deployments>, Path((s, v)): Named, Json(body): Json<Value>) -> Answer {
    let active = body["active"].as_bool().unwrap_or(true);
    apply(&d, &s, Change::SetActive { version: v.parse().map_err(bad)?, active, force: false }).await
}

async fn history(State(d): State<Deployments>, Path(s): Path<String>) -> Answer {
    let found = d.history(&s.parse().map_err(bad)?, None, 100).await.map_err(bad)?;
    let entries: Vec<_> = found.iter().map(|e| json!({"generation": e.generation, "kind": e.kind})).collect();
    Ok(Json(json!({"changes": entries})))
}

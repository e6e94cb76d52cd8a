//! The routes of rollouts: without rollouts, in the document, and the requests of a client.

use axum::Router;
use axum::body::Body;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tower_canary::admin;
use tower_canary::api::{AbortParams, StartParams, StartRollout, StepOrder};

use crate::rollout_support::{jwt, plan};
use crate::support::{Api, MOUNT};

/// All operations on rollouts, from the document.
fn operations() -> Vec<(String, String)> {
    let document = admin::openapi_json();
    let paths = document["paths"].as_object().unwrap().clone();
    let rollouts = paths.into_iter().filter(|(path, _)| path.contains("/rollouts"));
    let each = rollouts.flat_map(|(path, methods)| {
        let path = path.replace("{service}", "auth").replace("{rollout}", "current");
        let methods: Vec<String> = methods.as_object().unwrap().keys().cloned().collect();
        methods.into_iter().map(move |method| (method.to_uppercase(), path.clone()))
    });
    each.collect()
}

#[tokio::test]
async fn router_without_rollouts_responds_404() {
    let with = Api::with_two_versions().await;
    assert_eq!(with.get("/deployment/status").await.json["features"]["rollouts"], json!(true));
    let mut api = Api::with_two_versions().await;
    api.app = Router::new().nest(MOUNT, admin::router(api.deployments.clone(), jwt()));
    assert_eq!(api.get("/deployment/status").await.json["features"]["rollouts"], json!(false));
    assert_eq!(operations().len(), 10);
    for (method, path) in operations() {
        for body in ["", "{}", "{", &plan().to_string()] {
            let answer = api.send(api.request(&method, &path, Body::from(body.to_owned()))).await;
            answer.is_problem(404, "not-found");
            assert!(answer.json["detail"].as_str().unwrap().starts_with("this gateway has no rollouts: "));
        }
    }
    let weight = "/deployment/services/auth/versions/v1.1/weight";
    assert_eq!(api.put(weight, json!({"weight": 1})).await.is_ok().get("rollout"), None);
}

// Each problem of a rollout is declared where it may occur.
#[test]
fn operations_declare_their_problems() {
    let document = admin::openapi_json();
    let start = &document["paths"]["/deployment/services/{service}/rollouts"]["post"]["responses"];
    for (status, kinds) in [
        ("404", ["unknown-service", "unknown-version", "not-found"].as_slice()),
        ("409", &["rollout-active", "no-stable", "canary-ahead", "not-a-replica"]),
        ("422", &["invalid-plan", "unknown-gate"]),
    ] {
        let description = start[status]["description"].as_str().unwrap();
        assert!(kinds.iter().all(|kind| description.contains(kind)), "{status}: {description}");
    }
    assert!(start["201"]["headers"]["Location"].is_object());
    let one = "/deployment/services/{service}/rollouts/{rollout}";
    let read = &document["paths"][one]["get"]["responses"];
    assert!(read["200"]["content"]["text/event-stream"].is_object());
    assert!(read["404"]["description"].as_str().unwrap().contains("unknown-rollout"));
    let schema = &document["components"]["schemas"]["Problem"]["properties"];
    assert!(["pointer", "rollout", "step"].iter().all(|member| schema[member].is_object()));
    let plan: &Value = &document["components"]["schemas"]["StartRollout"];
    assert_eq!((&plan["required"], &plan["additionalProperties"]), (&json!(["version"]), &json!(false)));
}

/// The form in which a client sends a request, read as the server reads it.
#[track_caller]
fn arrives<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(request: &T) {
    let json = serde_json::to_string(request).unwrap();
    assert_eq!(serde_json::from_str::<T>(&json).unwrap(), *request, "{json}");
}

#[test]
fn requests_of_a_client_arrive_as_they_were_built() {
    let plan = r#"{"version": "v1.1", "steps": [5, {"weight": 25, "hold": "2m", "gates": ["approval"]}]}"#;
    arrives(&StartRollout::new(plan.parse().unwrap()).with_reason("why".parse().unwrap()));
    arrives(&StepOrder::new(2).with_reason("why".parse().unwrap()));
    arrives(&StartParams::default());
    arrives(&AbortParams::default());
    assert!(serde_json::from_str::<StepOrder>(r#"{"step": 1, "stage": 1}"#).is_err());
    assert!(serde_json::from_str::<StartRollout>(r#"{"version": "v1.1", "nonsense": 1}"#).is_err());
}

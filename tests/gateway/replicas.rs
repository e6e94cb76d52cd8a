//! Several gateways on one database, and a gateway without its database.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::backends::named_backend;
use crate::harness::{Gateway, read_url};
use crate::wait::wait_until;

const WEIGHT: &str = "/deployment/services/auth/versions/v2/weight";

async fn readiness(gateway: &Gateway) -> String {
    read_url(&gateway.admin.replace("/api/v1/admin", "/readyz")).await.text
}

#[tokio::test]
async fn awaited_change_is_served_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let one = named_backend("v1", Duration::ZERO).await;
    let two = named_backend("v2", Duration::ZERO).await;
    let here = Gateway::start_in(dir.path(), &["--no-demo", "--name", "here"]);
    let url = "http://10.0.0.5:8081/api/v1/admin";
    let there = Gateway::start_in(dir.path(), &["--no-demo", "--name", "there", "--admin-url", url]);
    here.register("auth", "v1", &one.url).await;
    here.register("auth", "v2", &two.url).await;
    here.wait_converged(&there).await;

    let path = "/deployment/services/auth/versions/v2/switch?wait=converged&timeout=10s";
    let (status, response) = here.try_admin(Method::POST, path, &Value::Null).await.unwrap();
    assert_eq!(
        (status, &response["convergence"]["serving"]),
        (StatusCode::OK, &json!(["here", "there"])),
        "{response}"
    );
    assert_eq!(there.get("/auth/").await.text, "auth v2 /\n");

    let listed = here.admin(Method::GET, "/deployment/replicas", Value::Null).await;
    let names: Vec<_> = listed["replicas"].as_array().unwrap().iter().map(|r| r["name"].clone()).collect();
    assert_eq!((names, &listed["converged"]), (vec![json!("here"), json!("there")], &json!(true)));
    let urls = [&listed["replicas"][0]["adminUrl"], &listed["replicas"][1]["adminUrl"]];
    assert_eq!(urls, [&Value::Null, &json!(url)]);
    there.terminate();
    wait_until(Duration::from_secs(10), "a gateway that stops removes its entry", async || {
        let listed = here.admin(Method::GET, "/deployment/replicas", Value::Null).await;
        listed["replicas"].as_array().unwrap().len() == 1
    })
    .await;
}

#[tokio::test]
async fn killed_replica_is_listed_as_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let backend = named_backend("v1", Duration::ZERO).await;
    let here = Gateway::start_in(dir.path(), &["--no-demo", "--name", "here"]);
    let mut there = Gateway::start_in(dir.path(), &["--no-demo", "--name", "there"]);
    here.register("auth", "v1", &backend.url).await;
    here.register("auth", "v2", &backend.url).await;
    here.wait_converged(&there).await;
    there.kill();
    let path = format!("{WEIGHT}?wait=converged&timeout=300ms");
    let (status, response) = here.try_admin(Method::PUT, &path, &json!({ "weight": 10 })).await.unwrap();
    assert_eq!(
        (status, &response["convergence"]["waiting"]),
        (StatusCode::ACCEPTED, &json!(["there"])),
        "{response}"
    );
}

// The database is down at the start. The gateway follows it once it is back.
#[tokio::test]
async fn gateway_starts_from_its_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let away = dir.path().join("away");
    std::fs::create_dir(&data).unwrap();
    let snapshot = dir.path().join("routes.json");
    let database = format!("sqlite://{}/canary.db?mode=rwc", data.display());
    let options = ["--no-demo", "--database", &database, "--snapshot", snapshot.to_str().unwrap()];
    let one = named_backend("v1", Duration::ZERO).await;
    let two = named_backend("v2", Duration::ZERO).await;
    let mut gateway = Gateway::start_in(dir.path(), &options);
    gateway.register("auth", "v1", &one.url).await;
    gateway.register("auth", "v2", &two.url).await;
    gateway.switch("auth", "v2").await;
    assert_eq!(readiness(&gateway).await, "ok\n");
    gateway.terminate();
    assert!(gateway.exit(Duration::from_secs(15)).await.unwrap().success());

    std::fs::rename(&data, &away).unwrap();
    let gateway = Gateway::start_in(dir.path(), &options);
    assert_eq!(gateway.get("/auth/").await.text, "auth v2 /\n");
    let message = readiness(&gateway).await;
    assert!(message.starts_with("degraded: the database cannot be reached"), "{message}");
    let status = gateway.admin(Method::GET, "/deployment/status", Value::Null).await;
    assert_eq!(status["fromCache"], json!(true));
    let (status, response) = gateway.try_admin(Method::PUT, WEIGHT, &json!({ "weight": 10 })).await.unwrap();
    assert_eq!((status.as_u16(), &response["type"]), (503, &json!("store-unavailable")));

    std::fs::rename(&away, &data).unwrap();
    wait_until(Duration::from_secs(15), "fresh after the return of the database", async || {
        readiness(&gateway).await == "ok\n"
    })
    .await;
    gateway.switch("auth", "v1").await;
    assert_eq!(gateway.get("/auth/").await.text, "auth v1 /\n");
}

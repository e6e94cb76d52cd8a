//! `kill -9` of the gateway while weights change.

use std::path::Path;
use std::time::{Duration, Instant};

use http::Method;
use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::backends::named;
use crate::figure;
use crate::harness::Gateway;

/// Sets weights one after the other until the gateway is gone; the last generation that was answered.
async fn change_until_killed(gateway: &Gateway) -> u64 {
    let mut answered = 0;
    for step in 0_u64.. {
        let weight = json!({ "weight": rand::random_range(1..100), "reason": format!("step {step}") });
        let path = format!("/deployment/services/auth/versions/v{}/weight", 1 + step % 3);
        match gateway.try_admin(Method::PUT, &path, &weight).await {
            Some((status, answer)) => {
                assert!(status.is_success(), "{answer}");
                answered = answer["generation"].as_u64().unwrap();
            }
            None => break,
        }
    }
    answered
}

/// Whether what the gateway found is one whole split: the one that its history says was left.
async fn assert_whole(gateway: &Gateway, answered: u64) -> u64 {
    let listed = gateway.admin(Method::GET, "/deployment/services/auth/versions", Value::Null).await;
    let history = gateway.admin(Method::GET, "/deployment/services/auth/history", Value::Null).await;
    let latest = &history["history"][0];
    let total: f64 =
        listed["versions"].as_array().unwrap().iter().map(|v| v["weight"].as_f64().unwrap()).sum();
    assert!((total - 100.0).abs() < 1e-9, "{listed}");
    for version in listed["versions"].as_array().unwrap() {
        let after = &latest["after"][version["version"].as_str().unwrap()];
        assert_eq!(
            (&after["weight"], &after["isActive"]),
            (&version["weight"], &version["isActive"]),
            "{listed}"
        );
    }
    assert_eq!(latest["generation"], listed["generation"]);
    let generation = listed["generation"].as_u64().unwrap();
    // What was answered is kept, and at most one change more was on its way.
    assert!(
        (answered..=answered + 1).contains(&generation),
        "{answered} was answered, {generation} was found"
    );
    generation
}

async fn assert_integrity(dir: &Path) {
    let db = Database::connect(format!("sqlite://{}/canary.db", dir.display())).await.unwrap();
    let row = db
        .query_one_raw(sea_orm::Statement::from_string(db.get_database_backend(), "PRAGMA integrity_check"));
    let verdict: String = row.await.unwrap().unwrap().try_get_by_index(0).unwrap();
    assert_eq!(verdict, "ok");
    db.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn a_gateway_killed_during_weight_changes_is_left_with_a_whole_split_each_time() {
    let kills = figure("CANARY_CAMPAIGN_KILLS", 100);
    let dir = tempfile::tempdir().unwrap();
    let backend = named("v", Duration::ZERO).await;
    let mut gateway = Gateway::start_in(dir.path(), &["--no-demo"]);
    for version in ["v1", "v2", "v3"] {
        gateway.register("auth", version, &backend.url).await;
    }
    let weights = json!({ "weights": { "v1": 50, "v2": 30, "v3": 20 } });
    gateway.admin(Method::PUT, "/deployment/services/auth/weights", weights).await;
    let (mut starts, mut generation) = (Vec::new(), 4);
    for _ in 0..kills {
        let pid = gateway.pid().to_string();
        let killing = tokio::spawn(async move {
            sleep(Duration::from_micros(rand::random_range(5_000..60_000))).await;
            std::process::Command::new("kill").args(["-KILL", &pid]).status().unwrap();
        });
        let answered = change_until_killed(&gateway).await.max(generation);
        killing.await.unwrap();
        drop(gateway);
        assert_integrity(dir.path()).await;
        let start = Instant::now();
        gateway = Gateway::start_in(dir.path(), &["--no-demo"]);
        starts.push(start.elapsed());
        generation = assert_whole(&gateway, answered).await;
    }
    starts.sort();
    println!(
        "{kills} kills, {generation} changes kept; restart median {:?}, slowest {:?}",
        starts[starts.len() / 2],
        starts.last()
    );
}

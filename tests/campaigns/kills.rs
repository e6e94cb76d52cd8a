//! `kill -9` of the gateway while weights change.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::backends::named_backend;
use crate::books;
use crate::databases::{Kind, TestDatabase};
use crate::harness::Gateway;
use crate::setting;
use crate::support::{gateway_on, on_every_database, percentiles, read_split};

/// Sets weights until the gateway is gone. Returns the generation of the last confirmed change.
async fn change_until_killed(gateway: &Gateway) -> u64 {
    let mut confirmed = 0;
    for step in 0_u64.. {
        let weight = json!({ "weight": rand::random_range(1..100), "reason": format!("step {step}") });
        let path = format!("/deployment/services/auth/versions/v{}/weight", 1 + step % 3);
        match gateway.try_admin(Method::PUT, &path, &weight).await {
            Some((status, response)) => {
                assert!(status.is_success(), "{response}");
                confirmed = response["generation"].as_u64().unwrap();
            }
            None => break,
        }
    }
    confirmed
}

/// Asserts that the restarted gateway serves one whole split, equal to the latest history entry. Returns its
/// generation.
async fn assert_split_whole(gateway: &Gateway, confirmed: u64) -> u64 {
    let (listed, latest) = consistent_state(gateway).await;
    for version in listed["versions"].as_array().unwrap() {
        let after = &latest["after"][version["version"].as_str().unwrap()];
        assert_eq!(
            (&after["weight"], &after["isActive"]),
            (&version["weight"], &version["isActive"]),
            "{listed}"
        );
    }
    let generation = listed["generation"].as_u64().unwrap();
    // Confirmed changes are stored, and at most one more change was in flight.
    assert!(
        (confirmed..=confirmed + 1).contains(&generation),
        "{confirmed} was confirmed, {generation} was found"
    );
    generation
}

/// Returns the served split and the latest history entry once they have the same generation. The server may
/// still commit the last change of the killed gateway while the next one starts.
async fn consistent_state(gateway: &Gateway) -> (Value, Value) {
    let start = Instant::now();
    loop {
        let listed = read_split(gateway, "auth").await;
        let mut history =
            gateway.admin(Method::GET, "/deployment/services/auth/history?limit=1", Value::Null).await;
        let latest = history["history"][0].take();
        if latest["generation"] == listed["generation"] {
            return (listed, latest);
        }
        assert!(start.elapsed() < Duration::from_secs(15), "{listed} is served, {latest} is stored");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Kills the gateway at a random moment of its changes. Returns the generation of the last confirmed change.
async fn kill_while_it_changes(gateway: &Gateway) -> u64 {
    let pid = gateway.pid().to_string();
    let killing = tokio::spawn(async move {
        sleep(Duration::from_micros(rand::random_range(5_000..60_000))).await;
        std::process::Command::new("kill").args(["-KILL", &pid]).status().unwrap();
    });
    let confirmed = change_until_killed(gateway).await;
    killing.await.unwrap();
    confirmed
}

async fn campaign(kind: Kind, kills: u64) {
    let database = TestDatabase::new(kind).await;
    let backend = named_backend("v", Duration::ZERO).await;
    let mut gateway = gateway_on(&database.url);
    for version in ["v1", "v2", "v3"] {
        gateway.register("auth", version, &backend.url).await;
    }
    let weights = json!({ "weights": { "v1": 50, "v2": 30, "v3": 20 } });
    gateway.admin(Method::PUT, "/deployment/services/auth/weights", weights).await;
    let mut starts = Vec::new();
    let mut generation = 4;
    for _ in 0..kills {
        let confirmed = kill_while_it_changes(&gateway).await.max(generation);
        drop(gateway);
        let start = Instant::now();
        gateway = gateway_on(&database.url);
        starts.push(start.elapsed());
        generation = assert_split_whole(&gateway, confirmed).await;
        books::assert_balanced(&database).await;
    }
    let (median, _, slowest) = percentiles(starts);
    println!(
        "{kind:?}: {kills} kills, {generation} changes stored; restart median {median:.1?}, slowest {slowest:.1?}"
    );
}

fn kills() -> u64 {
    setting("CANARY_CAMPAIGN_KILLS", 100)
}

on_every_database! {
    // Three times on each database.
    async fn killed_gateway_keeps_split_whole(kind: Kind) {
        campaign(kind, 3).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn killed_gateway_keeps_split_whole_on_sqlite() {
    campaign(Kind::Sqlite, kills()).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign; needs CANARY_TEST_POSTGRES_URL"]
async fn killed_gateway_keeps_split_whole_on_postgres() {
    campaign(Kind::Postgres, kills()).await;
}

#[cfg(feature = "mysql")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign; needs CANARY_TEST_MYSQL_URL"]
async fn killed_gateway_keeps_split_whole_on_mysql() {
    campaign(Kind::MySql, kills()).await;
}

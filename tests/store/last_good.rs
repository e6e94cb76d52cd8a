//! The text form of the last routes, for a cache.

use std::time::{Duration, UNIX_EPOCH};

use tower_canary::routing::{Change, Registration, Split};
use tower_canary::store::{LastGood, LastGoodError, MemoryStore, RouteStore, Snapshot};

use crate::support::{apply, assert_totals, by_alice, register, set_weight, two_versions, version};

async fn last_good() -> LastGood {
    let store = MemoryStore::new();
    two_versions(&store).await;
    apply(&store, set_weight("v1.1", "12.34")).await;
    apply(&store, register("v1.2")).await;
    apply(&store, Change::Redraw).await;
    apply(&store, Change::deactivate(version("v1.2"))).await;
    let probed = Registration::new(version("a"), "https://[::1]:8443/base".parse().unwrap());
    let probed = Change::Register(probed.with_health_path("/up".parse().unwrap()));
    store.commit(&"orders".parse().unwrap(), &by_alice(probed)).await.unwrap();
    let mut snapshot = store.load(0).await.unwrap();
    snapshot.splits.push(Split::new("empty".parse().unwrap(), u64::MAX));
    LastGood::new(snapshot, UNIX_EPOCH + Duration::from_millis(1_234_567))
}

#[tokio::test]
async fn last_good_round_trips() {
    let kept = last_good().await;
    assert_eq!(LastGood::from_json(&kept.to_json()).unwrap(), kept);
    let empty = LastGood::new(Snapshot::default(), UNIX_EPOCH);
    assert_eq!(LastGood::from_json(&empty.to_json()).unwrap(), empty);
}

#[tokio::test]
async fn truncated_text_is_refused() {
    let json = last_good().await.to_json();
    for end in 0..json.len() {
        assert!(LastGood::from_json(&json[..end]).is_err(), "{}", &json[..end]);
    }
}

#[tokio::test]
async fn damaged_text_yields_no_bad_split() {
    let json = last_good().await.to_json();
    for i in 0..json.len() {
        for sign in ["9", "\"", "-", "x", ""] {
            let damaged = format!("{}{sign}{}", &json[..i], &json[i + 1..]);
            if let Ok(read) = LastGood::from_json(&damaged) {
                let active = |split: &&Split| split.versions().iter().any(|version| version.active);
                read.snapshot.splits.iter().filter(active).for_each(assert_totals);
            }
        }
    }
}

#[tokio::test]
async fn other_format_is_refused() {
    let json = last_good().await.to_json().replacen("\"format\":1", "\"format\":2", 1);
    let refused = LastGood::from_json(&json).unwrap_err();
    assert!(matches!(refused, LastGoodError::OtherFormat { found: 2 }));
    assert_eq!(refused.to_string(), "it is of format 2, not 1");
}

#[tokio::test]
async fn invalid_value_names_its_service() {
    let json = last_good().await.to_json();
    for (good, bad) in [("https://[::1]:8443/base", "javascript:"), ("\"name\":\"a\"", "\"name\":\"A B\"")] {
        let refused = LastGood::from_json(&json.replacen(good, bad, 1)).unwrap_err();
        assert!(refused.to_string().starts_with("service orders: "), "{refused}");
    }
}

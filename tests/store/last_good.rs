//! The text form of the last routes, for a cache.

use std::time::{Duration, UNIX_EPOCH};

use tower_canary::routing::{Change, ChangeError, Instances, MirrorShare, Registration, Split, SplitParts};
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
    let removed = kept.snapshot.splits[0].apply(&Change::force_remove_service(), UNIX_EPOCH).unwrap();
    let removed = LastGood::new(Snapshot::new(9, vec![removed]), UNIX_EPOCH);
    assert_eq!(LastGood::from_json(&removed.to_json()).unwrap(), removed);
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
                let splits = read.snapshot.splits.iter();
                splits.filter(|split| split.versions().iter().any(|v| v.active)).for_each(assert_totals);
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

#[test]
fn other_format_may_have_other_fields() {
    let refused = LastGood::from_json(r#"{"format": 2, "splits": {}}"#).unwrap_err();
    assert!(matches!(refused, LastGoodError::OtherFormat { found: 2 }), "{refused:?}");
}

#[tokio::test]
async fn invalid_value_names_its_service() {
    let json = last_good().await.to_json();
    for (good, bad) in [("https://[::1]:8443/base", "javascript:"), ("\"name\":\"a\"", "\"name\":\"A B\"")] {
        let refused = LastGood::from_json(&json.replacen(good, bad, 1)).unwrap_err();
        assert!(refused.to_string().starts_with("service orders: "), "{refused}");
    }
}

/// The saved routes, with `auth` changed.
async fn last_good_with(change: impl FnOnce(&mut SplitParts)) -> LastGood {
    let mut kept = last_good().await;
    let mut parts = kept.snapshot.splits[0].clone().into_parts();
    change(&mut parts);
    kept.snapshot.splits[0] = Split::from_parts(parts).0;
    kept
}

// A release that knows one URL of a version reads the first.
#[tokio::test]
async fn all_instances_are_saved() {
    let urls = ["http://10.0.0.1", "http://10.0.0.2", "http://10.0.0.3"].map(|url| url.parse().unwrap());
    let kept =
        last_good_with(|auth| auth.versions[0].instances = Instances::new(urls.to_vec()).unwrap()).await;
    let json = kept.to_json();
    assert_eq!(LastGood::from_json(&json).unwrap(), kept);
    assert!(json.contains(r#""url":"http://10.0.0.1""#), "{json}");
    for (good, bad) in [("http://10.0.0.3", "http://10.0.0.2"), ("http://10.0.0.3", "javascript:")] {
        let refused = LastGood::from_json(&json.replacen(good, bad, 1)).unwrap_err();
        assert!(refused.to_string().starts_with("service auth: "), "{refused}");
    }
}

// Routes of a forged file are served, and their counters are not incremented.
#[tokio::test]
async fn largest_counters_do_not_overflow() {
    let kept = last_good_with(|auth| (auth.generation, auth.pin_epoch) = (u64::MAX, u64::MAX)).await;
    let read = LastGood::from_json(&kept.to_json()).unwrap().snapshot.splits.remove(0);
    assert_eq!((read.generation(), read.pin_epoch()), (u64::MAX, u64::MAX));
    for change in [Change::Redraw, set_weight("v1.1", "50"), register("v9")] {
        assert_eq!(read.apply(&change, UNIX_EPOCH), Err(ChangeError::TooManyChanges), "{change}");
    }
}

#[tokio::test]
async fn mirror_is_saved() {
    let kept = last_good_with(|auth| {
        let version = auth.versions.iter().find(|version| version.active).unwrap();
        auth.mirror = Some(MirrorShare::new(version.name.clone(), "12.34".parse().unwrap()));
    });
    let kept = kept.await;
    assert!(kept.to_json().contains(r#""mirror":{"version":""#), "{}", kept.to_json());
    assert_eq!(LastGood::from_json(&kept.to_json()).unwrap(), kept);
    let too_much = kept.to_json().replacen(r#""share":1234"#, r#""share":10001"#, 1);
    assert!(LastGood::from_json(&too_much).is_err());
}

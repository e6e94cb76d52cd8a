//! The JSON of the values that a store reads and writes.

use std::fmt::Debug;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{from_value, json, to_value};
use tower_canary::routing::Change;
use tower_canary::store::{
    BrokenSplit, Draining, HistoryEntry, LastGood, MemoryStore, Refusal, Replica, Report, RouteStore,
    Snapshot, now,
};

use crate::support::{auth, by_alice, set_weight, two_versions, version};

fn assert_round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let json = serde_json::to_string(value).unwrap();
    assert_eq!(serde_json::from_str::<T>(&json).unwrap(), *value, "{json}");
}

#[tokio::test]
async fn stored_values_round_trip() {
    let store = MemoryStore::new();
    let split = two_versions(&store).await;
    let request = by_alice(set_weight("v1.1", "12.34")).with_reason("\u{1f426} \"now\"");
    store.commit(&auth(), &request).await.unwrap();
    assert_round_trip(&store.history(&auth(), None, 1).await.unwrap()[0]);
    assert_round_trip(&Refusal::new(&auth(), &request, Some(&split), &"no"));
    assert_round_trip(&Refusal::new(&auth(), &by_alice(Change::Redraw), None, &""));
    let mut snapshot = store.load(0).await.unwrap();
    snapshot.broken.push(BrokenSplit::new("orders", "row 7"));
    assert_round_trip(&snapshot);
    assert_round_trip(&LastGood::new(snapshot, now()));
    let draining = Draining::new(auth(), version("v1.0"));
    let instance = draining.clone().with_url("http://10.0.0.1/b/".parse().unwrap());
    let report = Report::new("1", "a", 7).with_draining(vec![draining, instance]);
    assert_round_trip(&report);
    assert_round_trip(&Replica::new(report, Duration::from_millis(1_234)));
}

#[test]
fn fields_are_in_camel_case_and_times_in_milliseconds() {
    let at = UNIX_EPOCH + Duration::from_millis(1_234);
    let entry = HistoryEntry::from_stored(42, "alice", "switch", at).with_version(Some(version("v1.0")));
    let expected = json!({
        "generation": 42, "actor": "alice", "reason": null, "kind": "switch", "version": "v1.0",
        "before": [], "after": [], "at": 1_234
    });
    assert_eq!(to_value(entry).unwrap(), expected);
    let replica = Replica::new(Report::new("1", "a", 7), Duration::from_millis(1_234));
    let expected = json!({
        "id": "1", "name": "a", "adminUrl": null, "revision": 7, "seenMillis": 1_234, "draining": [],
        "reportsUrls": true
    });
    assert_eq!(to_value(replica).unwrap(), expected);
}

#[test]
fn later_fields_are_ignored_and_missing_lists_are_empty() {
    let report: Report = from_value(json!({ "id": "1", "name": "a", "revision": 7, "later": true })).unwrap();
    assert_eq!(report, Report::new("1", "a", 7));
    let snapshot: Snapshot = from_value(json!({ "revision": 7, "splits": [] })).unwrap();
    assert_eq!(snapshot, Snapshot::new(7, Vec::new()));
}

#[test]
fn replica_of_an_earlier_release_reports_no_urls() {
    let draining = json!([{"service": "auth", "version": "v1.0"}]);
    let form = json!({"id": "1", "name": "a", "revision": 7, "seenMillis": 0, "draining": draining});
    let replica: Replica = from_value(form).unwrap();
    assert_eq!((replica.reports_urls, &replica.draining[0].url), (false, &None));
    assert_eq!(to_value(&replica.draining).unwrap(), draining);
}

#[test]
fn negative_times_are_refused() {
    let entry = json!({
        "generation": 1, "actor": "a", "kind": "switch", "before": [], "after": [], "at": -1
    });
    let error = from_value::<HistoryEntry>(entry).unwrap_err();
    assert!(error.to_string().contains("milliseconds since the Unix epoch"), "{error}");
}

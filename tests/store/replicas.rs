//! The gateways that share a database.

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::deployments::DrainBlocker;
use tower_canary::routing::Change;
use tower_canary::store::sql::SqlStore;
use tower_canary::store::{ChangeRequest, ReplicaRegistry, Report};
use tower_canary::{Deployments, NoVersionCheck, Target, WeightedVersionLayer};

use crate::databases::Kind;
use crate::sql::{open, open_with_two_versions};
use crate::support::{auth, version};

crate::on_every_database! {
    report_age_uses_the_database_clock
    silent_replica_is_omitted_and_deleted
    concurrent_reports_are_all_stored
    older_gateway_reports_without_draining
    other_gateway_holds_until_drained
    report_of_the_future_expires
    predecessor_expires_soon
}

async fn older_gateway_reports_without_draining(kind: Kind) {
    let store = open(kind).await;
    store.report(&Report::new("1", "a", 1)).await.unwrap();
    let earlier = "INSERT INTO gateway_replica (id, name, revision, seen_at)
        SELECT '2', 'b', 1, seen_at FROM gateway_replica";
    store.database.by_hand(earlier).await;
    let replicas = store.replicas().await.unwrap();
    assert_eq!(
        replicas.iter().map(|replica| (&*replica.id, replica.draining.len())).collect::<Vec<_>>(),
        [("1", 0), ("2", 0)]
    );
}

async fn gateway(store: SqlStore, name: &str) -> Deployments {
    Deployments::builder(store, NoVersionCheck).with_replica_name(name).start().await.unwrap()
}

/// Returns the other gateway that blocks `v1.0`, and the reason.
async fn held_by_another(here: &Deployments) -> Option<(String, DrainBlocker)> {
    let elsewhere = here.other_replicas(&auth()).await.unwrap();
    elsewhere.blockers(&version("v1.0")).map(|(replica, why)| (replica.name.clone(), why)).next()
}

async fn until_held(here: &Deployments, expected: Option<DrainBlocker>) {
    let seen = async {
        while held_by_another(here).await.map(|(_, why)| why) != expected {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), seen).await.unwrap();
}

async fn other_gateway_holds_until_drained(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let (here, there) =
        (gateway(store.another().await, "a").await, gateway(store.another().await, "b").await);
    let client = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(String::new())));
    let layer = WeightedVersionLayer::new(there.handle(), Target::service(auth()));
    let story = async {
        let held = layer.layer(client).oneshot(Request::new(())).await.unwrap();
        let switch = Change::switch(version("v1.1"));
        here.apply(&auth(), ChangeRequest::new(switch, "alice")).await.unwrap();
        assert!(held_by_another(&here).await.is_some());
        until_held(&here, Some(DrainBlocker::Draining)).await;
        assert_eq!(held_by_another(&here).await, Some(("b".to_owned(), DrainBlocker::Draining)));
        drop(held);
        until_held(&here, None).await;
    };
    tokio::select! {
        () = here.clone().run(std::future::pending()) => {}
        () = there.clone().run(std::future::pending()) => {}
        () = story => {}
    }
}

async fn report_age_uses_the_database_clock(kind: Kind) {
    let store = open(kind).await;
    store.report(&Report::new("1", "a", 1)).await.unwrap();
    let first = seen(&store).await;
    store.database.by_hand("UPDATE gateway_replica SET seen_at = seen_at - 10000").await;
    let aged = seen(&store).await;
    // Longer than the 50 ms asserted below: the age is in whole milliseconds.
    tokio::time::sleep(Duration::from_millis(60)).await;
    let later = seen(&store).await;
    store.report(&Report::new("1", "a", 2)).await.unwrap();
    let again = seen(&store).await;
    let in_range = [first < 3.0, (10.0..14.0).contains(&aged), later >= aged + 0.05, again < 3.0];
    assert_eq!(in_range, [true; 4], "{first} {aged} {later} {again}");
}

/// Returns the seconds since the report of the only replica.
async fn seen(store: &SqlStore) -> f64 {
    store.replicas().await.unwrap()[0].seen.as_secs_f64()
}

// The next report of another replica deletes it.
async fn silent_replica_is_omitted_and_deleted(kind: Kind) {
    let store = open(kind).await;
    for id in ["1", "2"] {
        store.report(&Report::new(id, "a", 1)).await.unwrap();
    }
    store.database.by_hand("UPDATE gateway_replica SET seen_at = seen_at - 15001 WHERE id = '1'").await;
    let replicas = store.replicas().await.unwrap();
    assert_eq!(replicas.iter().map(|replica| &*replica.id).collect::<Vec<_>>(), ["2"]);
    assert_eq!(store.database.count("gateway_replica").await, 2);
    store.report(&Report::new("2", "a", 1)).await.unwrap();
    assert_eq!(store.database.count("gateway_replica").await, 1);
}

async fn concurrent_reports_are_all_stored(kind: Kind) {
    let store = open(kind).await;
    let stores = [store.another().await, store.another().await, store.another().await];
    for revision in 1..=5 {
        // All reports try to delete this expired replica, so they collide.
        store.report(&Report::new("silent", "z", 1)).await.unwrap();
        store
            .database
            .by_hand("UPDATE gateway_replica SET seen_at = seen_at - 15001 WHERE id = 'silent'")
            .await;
        let reports = (0..20).map(|number| {
            let store = stores.get(number % 4).unwrap_or(&store);
            async move { store.report(&Report::new(number.to_string(), "a", revision)).await.unwrap() }
        });
        futures_util::future::join_all(reports).await;
        let replicas = store.replicas().await.unwrap();
        assert_eq!(replicas.len(), 20);
        assert!(replicas.iter().all(|replica| replica.revision == revision), "{replicas:?}");
    }
}

/// Sets back the clock of the database, as it seems to the reports.
async fn set_back(store: &crate::sql::Opened, millis: i64) {
    store.database.by_hand(&format!("UPDATE gateway_replica SET seen_at = seen_at + {millis}")).await;
}

async fn listed(store: &SqlStore) -> Vec<String> {
    store.replicas().await.unwrap().into_iter().map(|replica| replica.id).collect()
}

// It is dated now by a report of another replica, or, without one, when it is listed.
async fn report_of_the_future_expires(kind: Kind) {
    let store = open(kind).await;
    for another_reports in [false, true] {
        report_of_the_future(&store).await;
        if another_reports {
            store.report(&Report::new("alive", "b", 1)).await.unwrap();
        } else {
            assert_eq!(listed(&store).await, ["dead"]);
        }
        assert_gone_after_expiry(&store).await;
    }
}

async fn report_of_the_future(store: &crate::sql::Opened) {
    store.withdraw("alive").await.unwrap();
    store.report(&Report::new("dead", "a", 1)).await.unwrap();
    set_back(store, 3_600_000).await;
}

async fn assert_gone_after_expiry(store: &crate::sql::Opened) {
    set_back(store, -15_001).await;
    store.report(&Report::new("alive", "b", 1)).await.unwrap();
    assert_eq!(listed(store).await, ["alive"]);
    assert_eq!(store.database.count("gateway_replica").await, 1);
}

// One that lives reports again before.
async fn predecessor_expires_soon(kind: Kind) {
    let store = open(kind).await;
    for (id, name) in [("killed", "a"), ("lives", "a"), ("other", "b")] {
        store.report(&Report::new(id, name, 1)).await.unwrap();
    }
    store.report(&Report::new("restarted", "a", 0).with_start(true)).await.unwrap();
    assert_eq!(listed(&store).await.len(), 4);
    store.report(&Report::new("lives", "a", 1)).await.unwrap();
    set_back(&store, -6_001).await;
    assert_eq!(listed(&store).await, ["lives", "restarted", "other"]);
}

//! The gateways that share a database.

use std::time::Duration;

use tower_canary::store::RouteStore;
use tower_canary::store::sql::SqlStore;

use crate::databases::Kind;
use crate::sql::open;

crate::on_every_database! {
    the_time_since_a_report_is_by_the_clock_of_the_database
    a_replica_that_is_silent_is_left_out_and_forgotten_by_the_next_report
    reports_at_the_same_time_are_all_kept
}

async fn the_time_since_a_report_is_by_the_clock_of_the_database(kind: Kind) {
    let store = open(kind).await;
    store.report("1", "a", 1).await.unwrap();
    let first = seen(&store).await;
    store.database.by_hand("UPDATE gateway_replica SET seen_at = seen_at - 10000").await;
    let aged = seen(&store).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let later = seen(&store).await;
    store.report("1", "a", 2).await.unwrap();
    let again = seen(&store).await;
    let as_said = [first < 3.0, (10.0..14.0).contains(&aged), later >= aged + 0.05, again < 3.0];
    assert_eq!(as_said, [true; 4], "{first} {aged} {later} {again}");
}

/// How many seconds ago the only replica reported.
async fn seen(store: &SqlStore) -> f64 {
    store.replicas().await.unwrap()[0].seen.as_secs_f64()
}

async fn a_replica_that_is_silent_is_left_out_and_forgotten_by_the_next_report(kind: Kind) {
    let store = open(kind).await;
    for id in ["1", "2"] {
        store.report(id, "a", 1).await.unwrap();
    }
    store.database.by_hand("UPDATE gateway_replica SET seen_at = seen_at - 15001 WHERE id = '1'").await;
    let replicas = store.replicas().await.unwrap();
    assert_eq!(replicas.iter().map(|replica| &*replica.id).collect::<Vec<_>>(), ["2"]);
    assert_eq!(store.database.count("gateway_replica").await, 2);
    store.report("2", "a", 1).await.unwrap();
    assert_eq!(store.database.count("gateway_replica").await, 1);
}

async fn reports_at_the_same_time_are_all_kept(kind: Kind) {
    let store = open(kind).await;
    let stores = [store.another().await, store.another().await, store.another().await];
    for revision in 1..=5 {
        // One that is to be forgotten makes them meet.
        store.report("silent", "z", 1).await.unwrap();
        store
            .database
            .by_hand("UPDATE gateway_replica SET seen_at = seen_at - 15001 WHERE id = 'silent'")
            .await;
        let reports = (0..20).map(|number| {
            let store = stores.get(number % 4).unwrap_or(&store);
            async move { store.report(&number.to_string(), "a", revision).await.unwrap() }
        });
        futures_util::future::join_all(reports).await;
        let replicas = store.replicas().await.unwrap();
        assert_eq!(replicas.len(), 20);
        assert!(replicas.iter().all(|replica| replica.revision == revision), "{replicas:?}");
    }
}

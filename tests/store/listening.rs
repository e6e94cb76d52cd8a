//! Notifications of changes.

use std::time::Duration;

use tower_canary::store::sql::SqlStore;
use tower_canary::store::{RouteStore, Signal};

use crate::databases::Kind;
use crate::sql::open_with_two_versions;
use crate::support::{apply, set_weight};

crate::on_postgres! {
    change_by_other_store_is_signalled
    many_changes_signal_once
    lost_connection_is_reestablished
    cancelled_wait_misses_no_signal
}

crate::on_sqlite! { database_without_signals_is_polled }
crate::on_mysql! { database_without_signals_is_polled }

/// Returns the next signal, or `None` if it does not come within `wait`.
async fn next_signal(store: &SqlStore, wait: Duration) -> Option<Signal> {
    tokio::time::timeout(wait, store.changed()).await.ok()
}

/// The time in which a signal would come that must not come.
const SOON: Duration = Duration::from_millis(100);

/// The time in which a signal comes that must come, on a slow machine too.
const LATE: Duration = Duration::from_secs(15);

/// Waits until the store listens. Its first signal covers the changes made before.
async fn listening(store: &SqlStore) {
    assert_eq!(next_signal(store, LATE).await, Some(Signal::Changed));
    assert_eq!(next_signal(store, SOON).await, None);
}

async fn change_by_other_store_is_signalled(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let other = store.another().await;
    listening(&store).await;
    for percent in 1..=20 {
        let change = apply(&other, set_weight("v1.1", &percent.to_string()));
        let (signal, _) = futures_util::join!(next_signal(&store, LATE), change);
        assert_eq!(signal, Some(Signal::Changed));
        assert_eq!(store.load(0).await.unwrap().revision, 2 + percent);
    }
}

async fn many_changes_signal_once(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let other = store.another().await;
    listening(&store).await;
    for percent in 1..=50 {
        apply(&other, set_weight("v1.1", &percent.to_string())).await;
    }
    // The last notification may still be on its way.
    tokio::time::sleep(10 * SOON).await;
    assert_eq!(next_signal(&store, LATE).await, Some(Signal::Changed));
    assert_eq!(next_signal(&store, SOON).await, None);
}

// The loss is signalled, since changes may have been missed.
async fn lost_connection_is_reestablished(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let other = store.another().await;
    listening(&store).await;
    let killer = store.database.connect().await;
    let mut signals = Vec::new();
    for percent in 1..=3 {
        store.database.kill_connections(&killer).await;
        signals.extend([next_signal(&store, LATE).await, next_signal(&store, SOON).await]);
        apply(&other, set_weight("v1.1", &percent.to_string())).await;
        signals.push(next_signal(&store, LATE).await);
    }
    assert_eq!(signals, [Some(Signal::Lost), None, Some(Signal::Changed)].repeat(3));
}

async fn cancelled_wait_misses_no_signal(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let other = store.another().await;
    listening(&store).await;
    for percent in 1..=50 {
        let briefly = Duration::from_micros(rand::random_range(0..2_000));
        let (early, _) = futures_util::join!(
            next_signal(&store, briefly),
            apply(&other, set_weight("v1.1", &percent.to_string()))
        );
        if early.is_none() {
            assert_eq!(next_signal(&store, LATE).await, Some(Signal::Changed));
        }
    }
}

async fn database_without_signals_is_polled(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let other = store.another().await;
    let change = apply(&other, set_weight("v1.1", "10"));
    let (signal, _) = futures_util::join!(next_signal(&store, 5 * SOON), change);
    assert_eq!(signal, None);
}

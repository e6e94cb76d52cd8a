//! Calls that are cancelled at any moment.

use std::task::Poll;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, TransactionTrait};
use tower_canary::routing::Change;
use tower_canary::store::sql::{Migrations, SqlStore};
use tower_canary::store::{Refusal, RefusalLog, ReplicaRegistry, Report, RouteStore};

use crate::databases::{Kind, TestDatabase, text};
use crate::failing::lock_auth;
use crate::sql::open_with_two_versions;
use crate::support::{apply, assert_totals, auth, by_alice, set_weight, two_versions, version};

crate::on_every_database! {
    cancelled_change_leaves_no_transaction;
    servers:
    change_is_cancel_safe_at_each_await
    cancelled_changes_are_atomic
    cancelled_reads_keep_connections_usable
    cancelled_change_is_not_made_later
    connection_settings_are_restored
}

async fn cancelled_change_leaves_no_transaction(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let service = auth();
    let request = by_alice(set_weight("v1.1", "10"));
    for micros in (0..3_000).step_by(50) {
        let change = store.commit(&service, &request);
        let _ = tokio::time::timeout(Duration::from_micros(micros), change).await;
        apply(&*store, Change::switch(version("v1.0"))).await;
    }
    let last = store.load(0).await.unwrap();
    assert_eq!(last.revision, last.splits[0].generation());
    assert_eq!(store.history(&service, None, 1_000).await.unwrap().len() as u64, last.revision);
}

/// A store on a pool of the application, which has a table of its own.
struct Lent {
    database: TestDatabase,
    pool: DatabaseConnection,
    store: SqlStore,
}

/// The number of connections of the pool.
const CONNECTIONS: u32 = 4;

impl Lent {
    async fn new(kind: Kind) -> Self {
        let database = TestDatabase::new(kind).await;
        database.by_hand("CREATE TABLE host (x INTEGER)").await;
        let pool = database.connect_many(CONNECTIONS).await;
        let store = SqlStore::with_connection(pool.clone(), Migrations::Auto).await.unwrap();
        two_versions(&store).await;
        Self { database, pool, store }
    }

    /// Asserts that no transaction is left open, that the pool hands out all its connections, and that the application's
    /// writes are committed, while the store is followed as by a running gateway.
    async fn assert_whole(&self) {
        let followed = async {
            loop {
                self.store.changed().await;
            }
        };
        tokio::select! {
            () = followed => {}
            () = self.assert_whole_while_followed() => {}
        }
    }

    async fn assert_whole_while_followed(&self) {
        let settled = async {
            while self.database.open_transactions().await > 0 {
                // InnoDB returns a cached result to a second query within a tenth of a second.
                tokio::time::sleep(Duration::from_millis(rand::random_range(150..600))).await;
            }
        };
        // Shorter than the database's own limit, and long enough for a busy disk.
        tokio::time::timeout(Duration::from_secs(4), settled).await.unwrap();
        let taken = futures_util::future::join_all((0..CONNECTIONS).map(|_| self.pool.begin()));
        for transaction in tokio::time::timeout(Duration::from_secs(3), taken).await.unwrap() {
            transaction.unwrap().rollback().await.unwrap();
        }
        let before = self.database.count("host").await;
        let insert = (0..20).map(|_| self.pool.execute_unprepared("INSERT INTO host VALUES (1)"));
        for inserted in futures_util::future::join_all(insert).await {
            inserted.unwrap();
        }
        assert_eq!(self.database.count("host").await, before + 20);
    }
}

// 2,000 changes. Connections stay usable.
async fn cancelled_changes_are_atomic(kind: Kind) {
    let lent = Lent::new(kind).await;
    let store = &lent.store;
    for round in 0..20 {
        let give_up = (0..4).map(|writer| give_up_changes(store, round * 4 + writer));
        futures_util::future::join_all(give_up).await;
        lent.assert_whole().await;
    }
    let last = store.load(0).await.unwrap();
    let history = store.history(&auth(), None, 10_000).await.unwrap();
    assert_eq!((last.revision, history.len() as u64), (last.splits[0].generation(), last.revision));
    assert_totals(&last.splits[0]);
    assert_eq!(apply(store, set_weight("v1.1", "10")).await.revision, last.revision + 1);
}

async fn change_is_cancel_safe_at_each_await(kind: Kind) {
    let lent = Lent::new(kind).await;
    let service = auth();
    let mut given_up = 0;
    // A commit waits about ten times, or fewer if a response arrives early, so each await is tried often.
    for attempt in 0..60 {
        let waits = attempt % 12 + 1;
        let backend = format!("http://10.0.0.1/{attempt}").parse().unwrap();
        let request = by_alice(Change::set_url(version("v1.0"), backend));
        let done = until_it_waited(waits, lent.store.commit(&service, &request)).await;
        given_up += u32::from(!done);
        lent.assert_whole().await;
    }
    assert!(given_up > 0);
}

/// Cancels `work` at its `waits`-th await. Returns whether it was done before.
async fn until_it_waited(waits: u32, work: impl Future) -> bool {
    let mut work = std::pin::pin!(work);
    let mut waited = 0;
    std::future::poll_fn(|context| {
        let polled = work.as_mut().poll(context);
        waited += 1;
        if polled.is_pending() && waited < waits { Poll::Pending } else { Poll::Ready(polled.is_ready()) }
    })
    .await
}

/// Makes 25 different changes and cancels each at a random moment.
async fn give_up_changes(store: &SqlStore, writer: u32) {
    for step in 0..25 {
        let backend = format!("http://10.0.0.1/{writer}/{step}").parse().unwrap();
        let request = by_alice(Change::set_url(version("v1.0"), backend));
        let moment = Duration::from_micros(rand::random_range(0..3_000));
        let _ = tokio::time::timeout(moment, store.commit(&auth(), &request)).await;
    }
}

// Cancelled reports do as well.
async fn cancelled_reads_keep_connections_usable(kind: Kind) {
    let lent = Lent::new(kind).await;
    for _ in 0..20 {
        let give_up = (0..4).map(|_| give_up_reads(&lent.store));
        futures_util::future::join_all(give_up).await;
        lent.assert_whole().await;
    }
    assert_eq!(lent.store.load(0).await.unwrap().revision, 2);
}

async fn give_up_reads(store: &SqlStore) {
    let refusal = Refusal::new(&auth(), &by_alice(set_weight("v1.1", "10")), None, &"refused");
    for _ in 0..25 {
        let read = async {
            store.load(0).await.unwrap();
            store.history(&auth(), None, 9).await.unwrap();
            store.record_refusal(&refusal).await.unwrap();
            store.refusals(&auth(), None, 9).await.unwrap();
            store.report(&Report::new("a", "a", 1)).await.unwrap();
            store.replicas().await.unwrap();
            store.withdraw("a").await.unwrap();
        };
        let moment = Duration::from_micros(rand::random_range(0..1_500));
        let _ = tokio::time::timeout(moment, read).await;
    }
}

async fn cancelled_change_is_not_made_later(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let other = lock_auth(&store).await;
    let service = auth();
    let request = by_alice(set_weight("v1.1", "10"));
    for _ in 0..3 {
        let change = store.commit(&service, &request);
        assert!(tokio::time::timeout(Duration::from_millis(200), change).await.is_err());
    }
    other.rollback().await.unwrap();
    let next = apply(&*store, set_weight("v1.1", "20")).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!((next.after.generation(), store.load(0).await.unwrap().revision), (3, 3));
}

// This is about the connections of the application.
async fn connection_settings_are_restored(kind: Kind) {
    let lent = Lent::new(kind).await;
    let show = match kind {
        Kind::Postgres => {
            "SELECT concat(current_setting('statement_timeout'), ' ', current_setting('idle_in_transaction_session_timeout'))"
        }
        _ => "SELECT concat(@@innodb_lock_wait_timeout, '')",
    };
    let expected = lent.database.text(show).await;
    let refused = by_alice(set_weight("v9", "10"));
    for percent in 1..=5 {
        apply(&lent.store, set_weight("v1.1", &percent.to_string())).await;
        lent.store.commit(&auth(), &refused).await.unwrap_err();
        let shown = (0..CONNECTIONS).map(|_| text(&lent.pool, show));
        for found in futures_util::future::join_all(shown).await {
            assert_eq!(found, expected);
        }
    }
}

// The refresher keeps such a wait while it loads. The database in memory has one connection, which the change holds.
#[cfg(feature = "sqlite")]
#[tokio::test]
async fn call_drives_orphans_beside_a_resting_wait_for_signals() {
    let store = SqlStore::connect("sqlite::memory:").await.unwrap();
    two_versions(&store).await;
    let mut signal = std::pin::pin!(store.changed());
    for waits in 1..12 {
        assert!(!until_it_waited(1, signal.as_mut()).await);
        let backend = format!("http://10.0.0.1/{waits}").parse().unwrap();
        let request = by_alice(Change::set_url(version("v1.0"), backend));
        let service = auth();
        until_it_waited(waits, store.commit(&service, &request)).await;
        // A load that is not let in fails after 2.75 s.
        let load = tokio::time::timeout(Duration::from_secs(10), store.load(0)).await;
        assert!(load.is_ok_and(|loaded| loaded.is_ok()), "after {waits} waits");
    }
}

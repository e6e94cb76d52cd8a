//! Locks of other sessions, broken connections and deadlocks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseTransaction, TransactionTrait};
use tokio::time::timeout;
use tower_canary::routing::Change;
use tower_canary::store::sql::{Migrations, SqlStore};
use tower_canary::store::{ChangeRequest, RouteStore, StoreError};

use crate::databases::Kind;
use crate::sql::{Opened, open_with_two_versions};
use crate::support::{apply, auth, by_alice, everything, register, set_weight, version};

crate::on_every_server! {
    locked_service_is_unavailable
    reads_work_while_writers_wait
    application_pool_reads_while_writers_wait
    ended_idle_connections_are_replaced
    ended_connections_lose_no_change
    deadlock_is_retried
    version_deleted_during_a_change_is_retried
}

/// Less than the 2.75 s that a call waits for a lock.
const UNBLOCKED: Duration = Duration::from_millis(2_500);

/// A session that keeps the row of `auth` locked.
pub(crate) async fn lock_auth(store: &Opened) -> DatabaseTransaction {
    let other = store.database.connect().await.begin().await.unwrap();
    let lock = "SELECT id FROM gateway_service_config WHERE service_name = 'auth' FOR UPDATE";
    other.execute_unprepared(lock).await.unwrap();
    other
}

async fn unavailable_in_time(store: &SqlStore) {
    let (service, request) = (auth(), by_alice(set_weight("v1.1", "10")));
    // Where the machine stands still, the time of the call passes with this one, and the call is looked at first.
    let refused = timeout(Duration::from_secs(3), store.commit(&service, &request)).await.unwrap();
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
}

// Changes of other services continue.
async fn locked_service_is_unavailable(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let other = lock_auth(&store).await;
    let waited = AtomicBool::new(false);
    let orders = "orders".parse().unwrap();
    let others_changes = async {
        let mut changes = 0_u64;
        while !waited.load(Ordering::Relaxed) {
            let register = by_alice(register(&format!("v{changes}")));
            timeout(UNBLOCKED, store.commit(&orders, &register)).await.unwrap().unwrap();
            changes += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        changes
    };
    let blocked = async {
        unavailable_in_time(&store).await;
        unavailable_in_time(&store).await;
        waited.store(true, Ordering::Relaxed);
    };
    let (changes, ()) = futures_util::join!(others_changes, blocked);
    assert!(changes > 1, "{changes}");
    other.rollback().await.unwrap();
    assert_eq!(apply(&*store, set_weight("v1.1", "10")).await.after.generation(), 3);
}

async fn reads_work_while_writers_wait(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    while_many_wait_splits_are_read(&store, &store).await;
}

async fn application_pool_reads_while_writers_wait(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let pool = store.database.connect_many(4).await;
    let lent = SqlStore::with_connection(pool, Migrations::Auto).await.unwrap();
    while_many_wait_splits_are_read(&store, &lent).await;
}

async fn while_many_wait_splits_are_read(opened: &Opened, store: &SqlStore) {
    let other = lock_auth(opened).await;
    let waited = AtomicBool::new(false);
    let reads = async {
        while !waited.load(Ordering::Relaxed) {
            assert_eq!(timeout(UNBLOCKED, store.load(0)).await.unwrap().unwrap().revision, 2);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let blocked = async {
        for _ in 0..3 {
            futures_util::future::join_all((0..8).map(|_| unavailable_in_time(store))).await;
        }
        waited.store(true, Ordering::Relaxed);
    };
    futures_util::join!(reads, blocked);
    let orders = async {
        while store.commit(&"orders".parse().unwrap(), &by_alice(register("v1.0"))).await.is_err() {}
    };
    timeout(Duration::from_secs(15), orders).await.unwrap();
    other.rollback().await.unwrap();
    assert_eq!(apply(store, set_weight("v1.1", "10")).await.after.generation(), 3);
}

async fn ended_idle_connections_are_replaced(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let killer = store.database.connect().await;
    for generation in 3..=22 {
        let fill_the_pool = (0..8).map(|_| store.load(0));
        futures_util::future::join_all(fill_the_pool).await;
        store.database.kill_connections(&killer).await;
        let changed = apply(&*store, set_weight("v1.1", &generation.to_string())).await;
        assert_eq!(changed.after.generation(), generation);
        store.database.kill_connections(&killer).await;
        assert_eq!(store.load(0).await.unwrap().revision, generation);
    }
}

/// Kills all connections again and again, each time after two more changes have succeeded: a slow machine makes few of them
/// in a given time.
async fn kill_connections(store: &Opened, succeeded: &AtomicU64, done: &AtomicBool) {
    let killer = store.database.connect().await;
    for kills in 1.. {
        while succeeded.load(Ordering::Relaxed) < 2 * kills {
            if done.load(Ordering::Relaxed) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        store.database.kill_connections(&killer).await;
        tokio::time::sleep(Duration::from_millis(rand::random_range(20..120))).await;
    }
}

// Reads do not fail either.
async fn ended_connections_lose_no_change(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let done = AtomicBool::new(false);
    let succeeded = AtomicU64::new(0);
    let read = async {
        while !done.load(Ordering::Relaxed) {
            everything(&*store).await;
        }
    };
    let change = async {
        let mut answered = 0_u64;
        let mut unavailable = 0_u64;
        for step in 0..200 {
            match store.commit(&auth(), &to_another_url(step)).await {
                Ok(_) => {
                    answered += 1;
                    succeeded.store(answered, Ordering::Relaxed);
                }
                Err(StoreError::Unavailable(_)) => unavailable += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
        done.store(true, Ordering::Relaxed);
        (answered, unavailable)
    };
    let kill = kill_connections(&store, &succeeded, &done);
    let ((), (), (answered, unavailable)) = futures_util::join!(kill, read, change);
    let last = store.load(0).await.unwrap();
    let made = last.splits[0].generation() - 2;
    // A change whose connection broke during the commit may have been made.
    assert!((answered..=answered + unavailable).contains(&made), "{made}, {answered}, {unavailable}");
    assert!(answered > unavailable, "{answered}, {unavailable}");
    assert_eq!(last.revision, made + 2);
    assert_eq!(store.history(&auth(), None, 1_000).await.unwrap().len() as u64, made + 2);
}

fn to_another_url(step: u32) -> ChangeRequest {
    let backend = format!("http://10.0.0.1/{step}").parse().unwrap();
    by_alice(Change::set_url(version("v1.0"), backend))
}

async fn deadlock_is_retried(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    store.database.by_hand("CREATE TABLE host (x INTEGER)").await;
    let other = store.database.connect().await.begin().await.unwrap();
    // MySQL rolls back the transaction that has written less.
    let much = format!("INSERT INTO host VALUES {}", ["(1)"; 500].join(","));
    for statement in [&*much, "UPDATE gateway_revision SET revision = revision"] {
        other.execute_unprepared(statement).await.unwrap();
    }
    let both_wait = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        other.execute_unprepared("SELECT id FROM gateway_service_config FOR UPDATE").await.unwrap();
        other.commit().await.unwrap();
    };
    let (changed, ()) = futures_util::join!(apply(&*store, set_weight("v1.1", "10")), both_wait);
    assert_eq!(changed.after.generation(), 3);
    assert_eq!(store.database.count("host").await, 500);
}

// By hand, after the change has read it. Nobody locks the service for it.
async fn version_deleted_during_a_change_is_retried(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    apply(&*store, set_weight("v1.1", "10")).await;
    let other = store.database.connect().await.begin().await.unwrap();
    other.execute_unprepared("DELETE FROM gateway_service_version WHERE version = 'v1.1'").await.unwrap();
    let service = auth();
    let request = by_alice(Change::switch(version("v1.0")));
    let delete = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        other.commit().await.unwrap();
    };
    let (changed, ()) = tokio::join!(store.commit(&service, &request), delete);
    let after = changed.unwrap().after;
    assert_eq!((after.versions().len(), after.versions()[0].weight), (1, tower_canary::Weight::FULL));
}

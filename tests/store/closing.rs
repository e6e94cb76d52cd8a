//! The end of a store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tower_canary::routing::Change;
use tower_canary::store::sql::{ConnectError, SqlStore};
use tower_canary::store::{RouteStore, StoreError};

use crate::databases::Kind;
use crate::sql::{open, open_with_two_versions};
use crate::support::{apply, auth, by_alice, set_weight, two_versions, version};

crate::on_sqlite! { closed_store_refuses_calls lent_pool_stays_open close_ends_a_wait }
crate::on_mysql! { closed_store_refuses_calls lent_pool_stays_open close_ends_a_wait }
crate::on_postgres! {
    closed_store_refuses_calls
    lent_pool_stays_open
    close_ends_a_wait
    no_connection_is_left
}

/// The longest time of what must not hang.
const LIMIT: Duration = Duration::from_secs(15);

async fn closed_store_refuses_calls(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let clone = store.clone();
    store.close().await;
    let again = async {
        clone.close().await;
        RouteStore::close(&clone).await;
    };
    tokio::time::timeout(LIMIT, again).await.unwrap();
    assert!(matches!(clone.load(0).await, Err(StoreError::Unavailable(_))));
    assert!(apply_fails(&store).await);
    assert_eq!(store.another().await.load(0).await.unwrap().revision, 2);
}

async fn lent_pool_stays_open(kind: Kind) {
    let opened = open_with_two_versions(kind).await;
    let pool = opened.database.connect().await;
    let lent =
        SqlStore::with_connection(pool.clone(), tower_canary::store::sql::Migrations::Auto).await.unwrap();
    lent.close().await;
    assert!(lent.load(0).await.is_err());
    pool.ping().await.unwrap();
}

// A host may close the store while `run` still waits for signals.
async fn close_ends_a_wait(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let waiting = tokio::spawn({
        let clone = store.clone();
        async move {
            loop {
                clone.changed().await;
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    tokio::time::timeout(LIMIT, store.close()).await.unwrap();
    waiting.abort();
}

// The listeners of clones are closed as well.
async fn no_connection_is_left(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let clone = store.clone();
    for listening in [&*store, &clone] {
        tokio::time::timeout(LIMIT, listening.changed()).await.unwrap();
    }
    store.close().await;
    let others = "pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let ended = async {
        while store.database.count(others).await > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, ended).await.unwrap();
}

/// The files beside a database, by the end of their names.
fn beside(file: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(file.parent().unwrap()).unwrap();
    all.map(|entry| entry.unwrap().path()).filter(|path| path != file).collect()
}

fn url(file: &Path) -> String {
    format!("sqlite://{}?mode=rwc", file.display())
}

/// Changes `auth` until the store is closed. Returns the last revision that was confirmed.
async fn change_until_closed(store: SqlStore, writer: u32) -> u64 {
    let mut confirmed = 0;
    for step in 0_u32.. {
        let backend = format!("http://10.0.0.1/{writer}/{step}").parse().unwrap();
        match store.commit(&auth(), &by_alice(Change::set_url(version("v1.0"), backend))).await {
            Ok(applied) => confirmed = applied.revision,
            Err(StoreError::Unavailable(_)) => break,
            Err(error) => panic!("{error:?}"),
        }
    }
    confirmed
}

// Some of the calls are given up, so the store still has their work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_under_load_leaves_one_whole_file() {
    for round in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("canary.db");
        let store = SqlStore::connect(&url(&file)).await.unwrap();
        two_versions(&store).await;
        let writers: Vec<_> =
            (0..3).map(|writer| tokio::spawn(change_until_closed(store.clone(), writer))).collect();
        tokio::time::sleep(Duration::from_millis(20 + round)).await;
        let given_up = by_alice(set_weight("v1.1", "50"));
        let _ = tokio::time::timeout(Duration::from_micros(300), store.commit(&auth(), &given_up)).await;
        store.close().await;
        assert_eq!(beside(&file), [""; 0].map(PathBuf::from));
        let copy = directory.path().join("copy.db");
        std::fs::copy(&file, &copy).unwrap();
        let found = SqlStore::connect(&url(&copy)).await.unwrap().load(0).await.unwrap();
        assert_eq!(found.revision, found.splits[0].generation());
        for writer in writers {
            let confirmed = writer.await.unwrap();
            assert!(confirmed <= found.revision, "{confirmed} is not in {}", found.revision);
        }
    }
}

#[tokio::test]
async fn failed_start_leaves_nothing_open() {
    let store = open(Kind::Sqlite).await;
    store.database.by_hand("DROP TABLE gateway_migrations; CREATE TABLE gateway_migrations (x TEXT)").await;
    store.close().await;
    let file =
        PathBuf::from(store.database.url.trim_start_matches("sqlite://").trim_end_matches("?mode=rwc"));
    let error = SqlStore::connect(&store.database.url).await.unwrap_err();
    assert!(matches!(error, ConnectError::TableExists { .. }), "{error:?}");
    assert_eq!(beside(&file), [""; 0].map(PathBuf::from));
}

#[tokio::test]
async fn store_that_never_connected_is_closed() {
    let store = SqlStore::connect_lazy("postgres://127.0.0.1:1/db")
        .or_else(|_| SqlStore::connect_lazy("sqlite::memory:"));
    let store = store.unwrap();
    store.close().await;
    assert!(apply_fails(&store).await);
}

#[tokio::test]
async fn closed_store_does_not_connect() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("canary.db");
    let store = SqlStore::connect_lazy(&url(&file)).unwrap();
    store.close().await;
    let refused = store.load(0).await.unwrap_err();
    let cause = std::error::Error::source(&refused).unwrap().to_string();
    assert_eq!((cause.as_str(), file.exists()), ("the store is closed", false));
}

// `close` finds no pool then, so the call that connects closes the one that it made.
#[tokio::test]
async fn store_closed_while_connecting_leaves_nothing_open() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("canary.db");
    let store = SqlStore::connect_lazy(&url(&file)).unwrap();
    let loading = tokio::spawn({
        let store = store.clone();
        async move { store.load(0).await }
    });
    // The file is the first thing that a new connection makes. The tables follow.
    while !file.exists() {
        tokio::task::yield_now().await;
    }
    store.close().await;
    let refused = tokio::time::timeout(LIMIT, loading).await.unwrap().unwrap().unwrap_err();
    let cause = std::error::Error::source(&refused).unwrap().to_string();
    assert_eq!((cause.as_str(), beside(&file)), ("the store is closed", vec![]));
}

async fn apply_fails(store: &SqlStore) -> bool {
    store.commit(&auth(), &by_alice(set_weight("v1.1", "10"))).await.is_err()
}

// While another process holds the write lock, changes fail. They leave nothing that delays those after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_change_after_a_lock_succeeds() {
    use sea_orm::ConnectionTrait;
    use tower_canary::{Deployments, NoVersionCheck};

    let store = open_with_two_versions(Kind::Sqlite).await;
    let gateway = |name: &str, store: SqlStore| {
        Deployments::builder(store, NoVersionCheck).with_replica_name(name).start()
    };
    let gateways =
        [gateway("a", store.clone()).await.unwrap(), gateway("b", store.another().await).await.unwrap()];
    let runs: Vec<_> =
        gateways.iter().map(|one| tokio::spawn(one.clone().run(std::future::pending()))).collect();
    let other = store.database.connect().await;
    other.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
    let tries = (0..6).map(|number| {
        let gateway = gateways[number % 2].clone();
        async move {
            let late = tokio::time::sleep(Duration::from_millis(300 * number as u64));
            late.await;
            gateway.apply(&auth(), by_alice(set_weight("v1.1", "10"))).await.is_err()
        }
    });
    assert!(futures_util::future::join_all(tries).await.contains(&true));
    other.execute_unprepared("ROLLBACK").await.unwrap();
    for (gateway, percent) in gateways.iter().zip(["20", "30"]) {
        // A change that is delayed for longer than 2.75 s fails.
        gateway.apply(&auth(), by_alice(set_weight("v1.1", percent))).await.unwrap();
    }
    runs.into_iter().for_each(|run| run.abort());
    assert!(apply(&*store, set_weight("v1.1", "40")).await.after.generation() >= 5);
}

//! Servers that are not the primary any more.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseConnection, TransactionTrait};
use tokio::sync::Notify;
use tower_canary::routing::{Change, Split};
use tower_canary::store::sql::{ConnectError, Migrations, SqlStore};
use tower_canary::store::{
    Applied, ChangeRequest, HistoryEntry, MemoryStore, ReplicaRegistry, Report, RouteStore, Signal, Snapshot,
    StoreError,
};
use tower_canary::{Deployments, NoVersionCheck, ServiceName};

use crate::databases::{Kind, TestDatabase};
use crate::sql::{Opened, open, open_with_two_versions};
use crate::support::{apply, auth, by_alice, register, set_weight, two_versions, version};

crate::on_postgres! {
    old_sessions_are_not_used_for_changes
    old_sessions_are_not_used_for_loads
    failed_report_signals_the_loss
    lent_sessions_are_replaced
    another_server_begins_a_term
    read_only_database_is_refused
    database_in_latin_1_is_refused
}

const SOON: Duration = Duration::from_secs(10);

async fn alter(database: &TestDatabase, setting: &str) {
    let writable = "SET default_transaction_read_only = off";
    database.by_hand(&format!("{writable}; ALTER DATABASE {} {setting}", database.name)).await;
}

/// Replaces the sessions of `store` by ones that are read-only for as long as they last, as those to an old primary.
async fn with_old_sessions(store: &Opened) {
    let killer = store.database.connect().await;
    alter(&store.database, "SET default_transaction_read_only = on").await;
    store.database.kill_connections(&killer).await;
    let service = auth();
    futures_util::future::join_all((0..8).map(|_| store.history(&service, None, 1))).await;
    alter(&store.database, "RESET default_transaction_read_only").await;
}

async fn old_sessions_are_not_used_for_changes(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    with_old_sessions(&store).await;
    assert_eq!(apply(&*store, set_weight("v1.1", "10")).await.after.generation(), 3);
}

async fn old_sessions_are_not_used_for_loads(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    with_old_sessions(&store).await;
    // Found by the load alone.
    assert_eq!(store.load(2).await.unwrap().revision, 2);
    let reads = (0..8).map(|_| store.load(0));
    assert!(futures_util::future::join_all(reads).await.iter().all(Result::is_ok));
}

// The listener is quiet, and no change is made.
async fn failed_report_signals_the_loss(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let clone = store.clone();
    with_old_sessions(&store).await;
    for listening in [&*store, &clone] {
        while tokio::time::timeout(SOON / 10, listening.changed()).await.is_ok() {}
    }
    store.report(&Report::new("1", "a", 2)).await.unwrap();
    for listening in [&*store, &clone] {
        assert_eq!(tokio::time::timeout(SOON, listening.changed()).await.ok(), Some(Signal::Lost));
    }
}

async fn lent_sessions_are_replaced(kind: Kind) {
    let database = TestDatabase::new(kind).await;
    let pool = database.connect_many(3).await;
    let store = SqlStore::with_connection(pool.clone(), Migrations::Auto).await.unwrap();
    two_versions(&store).await;
    for generation in 3..6 {
        make_sessions_old(&pool).await;
        let changed = apply(&store, set_weight("v1.1", &generation.to_string())).await;
        assert_eq!(changed.after.generation(), generation);
        assert_eq!(store.load(0).await.unwrap().revision, generation);
    }
}

/// Makes the three sessions of `pool` read-only for as long as they last.
async fn make_sessions_old(pool: &DatabaseConnection) {
    let taken = futures_util::future::join_all((0..3).map(|_| pool.begin())).await;
    for session in taken {
        let session = session.unwrap();
        session.execute_unprepared("SET default_transaction_read_only = on").await.unwrap();
        session.commit().await.unwrap();
    }
}

// Of a server, only the time of its start is known, so it is changed by hand.
async fn another_server_begins_a_term(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    assert_eq!(store.load(0).await.unwrap().term, 0);
    store
        .database
        .by_hand("CREATE FUNCTION public.pg_postmaster_start_time() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'")
        .await;
    alter(&store.database, "SET search_path = public, pg_catalog").await;
    let killer = store.database.connect().await;
    store.database.kill_connections(&killer).await;
    assert_eq!(apply(&*store, set_weight("v1.1", "10")).await.term, 1);
}

async fn read_only_database_is_refused(kind: Kind) {
    let store = open(kind).await;
    alter(&store.database, "SET default_transaction_read_only = on").await;
    let error = SqlStore::connect(&store.database.url).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unusable { .. }), "{error:?}");
    assert!(error.to_string().contains("read-only: name the primary server"), "{error}");
}

async fn database_in_latin_1_is_refused(kind: Kind) {
    let database = TestDatabase::in_latin_1(kind).await;
    let error = SqlStore::connect(&database.url).await.unwrap_err();
    assert!(error.to_string().contains("create it with the encoding UTF-8"), "{error}");
}

/// A store that moves from one server to another. Each load reads when it begins, and returns when it is let.
struct Moving {
    servers: [MemoryStore; 2],
    term: Mutex<usize>,
    slow: Mutex<bool>,
    reads: Notify,
    let_go: Notify,
}

impl fmt::Debug for Moving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Moving")
    }
}

impl Moving {
    /// Returns a store on the first server.
    fn between(servers: [MemoryStore; 2]) -> Arc<Self> {
        Arc::new(Self {
            servers,
            term: Mutex::new(0),
            slow: Mutex::new(false),
            reads: Notify::new(),
            let_go: Notify::new(),
        })
    }

    fn term(&self) -> usize {
        *self.term.lock().unwrap()
    }
}

#[async_trait]
impl RouteStore for Moving {
    async fn load(&self, after: u64) -> Result<Snapshot, StoreError> {
        let term = self.term();
        let loaded = self.servers[term].load(after).await?.with_term(term as u64);
        let slow = *self.slow.lock().unwrap();
        if slow {
            self.reads.notify_one();
            self.let_go.notified().await;
        }
        Ok(loaded)
    }

    async fn commit(&self, service: &ServiceName, request: &ChangeRequest) -> Result<Applied, StoreError> {
        let term = self.term();
        Ok(self.servers[term].commit(service, request).await?.with_term(term as u64))
    }

    async fn history(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        self.servers[self.term()].history(service, before, limit).await
    }
}

fn served(deployments: &Deployments) -> Split {
    deployments.handle().route("auth").unwrap().split().clone()
}

// The old server has a change that the new one lost, so its generation is the higher one.
#[tokio::test]
async fn late_load_of_old_server_is_not_published() {
    let servers = [MemoryStore::new(), MemoryStore::new()];
    for server in &servers {
        two_versions(server).await;
    }
    let store = Moving::between(servers);
    let deployments = Deployments::builder(Arc::clone(&store), NoVersionCheck).start().await.unwrap();
    for percent in ["10", "20", "30"] {
        apply(&store.servers[0], set_weight("v1.1", percent)).await;
    }
    *store.slow.lock().unwrap() = true;
    let load = deployments.refresh();
    let move_on = async {
        store.reads.notified().await;
        *store.term.lock().unwrap() = 1;
        let switch = by_alice(Change::switch(version("v1.1")));
        deployments.apply(&auth(), switch).await.unwrap();
        *store.slow.lock().unwrap() = false;
        store.let_go.notify_one();
    };
    let (loaded, ()) = tokio::join!(load, move_on);
    loaded.unwrap();
    let new = store.servers[1].load(0).await.unwrap().splits.remove(0);
    assert_eq!((served(&deployments).generation(), served(&deployments)), (3, new));
}

// Its revision is lower, or it would not be noticed.
#[tokio::test]
async fn new_server_is_loaded_whole() {
    let servers = [MemoryStore::new(), MemoryStore::new()];
    two_versions(&servers[0]).await;
    for _ in 0..3 {
        two_versions_of_another_service(&servers[1]).await;
    }
    let store = Moving::between(servers);
    let deployments = Deployments::builder(Arc::clone(&store), NoVersionCheck).start().await.unwrap();
    *store.term.lock().unwrap() = 1;
    deployments.refresh().await.unwrap();
    assert!(deployments.handle().route("auth").is_none());
    assert!(deployments.handle().route("orders").is_some());
}

async fn two_versions_of_another_service(store: &MemoryStore) {
    let orders: ServiceName = "orders".parse().unwrap();
    let name = format!("v{}", store.load(0).await.unwrap().revision);
    store.commit(&orders, &by_alice(register(&name))).await.unwrap();
}

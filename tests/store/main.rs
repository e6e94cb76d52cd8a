//! Stores: the shared contract, and the tests of the SQL store.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test panics when it fails, and is a host"
)]

#[cfg(feature = "_sql")]
#[path = "../shared/addresses.rs"]
mod addresses;
#[cfg(feature = "_sql")]
mod cancelling;
#[cfg(feature = "sqlite")]
mod closing;
#[cfg(feature = "_sql")]
mod connecting;
mod contract;
#[cfg(feature = "serde")]
mod custom_store;
#[cfg(feature = "_sql")]
mod databases;
#[cfg(feature = "_sql")]
mod earlier;
#[cfg(feature = "_sql")]
mod earlier_release;
#[cfg(feature = "_sql")]
mod edits;
#[cfg(feature = "_sql")]
mod failing;
#[cfg(feature = "_sql")]
mod failover;
#[cfg(feature = "serde")]
#[path = "../../examples/custom_store/json_file_store.rs"]
mod json_file_store;
#[cfg(feature = "_sql")]
mod last_good;
#[cfg(feature = "_sql")]
mod listening;
#[cfg(feature = "_sql")]
mod migrating;
#[cfg(feature = "_sql")]
mod replicas;
#[cfg(feature = "_sql")]
mod rollouts;
#[cfg(feature = "serde")]
mod serde;
#[cfg(feature = "_sql")]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
mod support;
#[cfg(feature = "_sql")]
mod unusable;
#[cfg(feature = "_sql")]
mod urls;

contract!(memory, async || Box::new(tower_canary::store::MemoryStore::new()));
#[cfg(feature = "sqlite")]
contract!(sqlite_in_memory, async || Box::new(crate::sqlite::in_memory().await));
#[cfg(feature = "sqlite")]
contract!(sqlite_file, async || crate::sql::open(crate::databases::Kind::Sqlite).await);
#[cfg(feature = "_sql")]
contract!(on_postgres needs "needs the feature postgres and CANARY_TEST_POSTGRES_URL", async || {
    crate::sql::open(crate::databases::Kind::Postgres).await
});
#[cfg(feature = "_sql")]
contract!(on_mysql needs "needs the feature mysql and CANARY_TEST_MYSQL_URL", async || {
    crate::sql::open(crate::databases::Kind::MySql).await
});

#[tokio::test]
async fn memory_history_limit_is_applied() {
    let store = tower_canary::store::MemoryStore::new().with_history_limit(3);
    support::only_the_newest_changes_are_kept(&store).await;
}

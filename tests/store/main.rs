//! Stores: what they share, and what is particular to SQL.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test panics when it fails, and is a host"
)]

#[cfg(feature = "_sql")]
mod cancelling;
#[cfg(feature = "_sql")]
mod connecting;
mod contract;
#[cfg(feature = "_sql")]
mod databases;
#[cfg(feature = "_sql")]
mod edits;
#[cfg(feature = "_sql")]
mod failing;
#[cfg(feature = "_sql")]
mod last_good;
#[cfg(feature = "_sql")]
mod listening;
#[cfg(feature = "_sql")]
mod migrating;
#[cfg(feature = "_sql")]
mod replicas;
#[cfg(feature = "_sql")]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;

contract!(memory, true, async || Box::new(tower_canary::store::MemoryStore::new()));
#[cfg(feature = "sqlite")]
contract!(sqlite_in_memory, true, async || Box::new(crate::sqlite::in_memory().await));
#[cfg(feature = "sqlite")]
contract!(sqlite_file, true, async || crate::sql::open(crate::databases::Kind::Sqlite).await);
#[cfg(feature = "postgres")]
contract!(on_postgres, crate::databases::Kind::Postgres.is_available(), async || {
    crate::sql::open(crate::databases::Kind::Postgres).await
});
#[cfg(feature = "mysql")]
contract!(on_mysql, crate::databases::Kind::MySql.is_available(), async || {
    crate::sql::open(crate::databases::Kind::MySql).await
});

#[tokio::test]
async fn the_store_in_memory_keeps_as_much_of_the_history_as_it_is_told_to() {
    let store = tower_canary::store::MemoryStore::new().with_history_limit(3);
    contract::only_the_newest_changes_are_kept(&store).await;
}

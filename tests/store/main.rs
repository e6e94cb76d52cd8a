//! Stores: what they share, and what is particular to SQL.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test panics when it fails, and is a host"
)]

mod contract;
#[cfg(feature = "sqlite")]
mod sqlite;

contract!(memory, async || tower_canary::store::MemoryStore::new());
#[cfg(feature = "sqlite")]
contract!(sqlite_in_memory, async || crate::sqlite::in_memory().await);
#[cfg(feature = "sqlite")]
contract!(sqlite_file, async || crate::sqlite::in_a_file().await);

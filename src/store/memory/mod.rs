//! A store in memory.

mod clock;
mod memory_store;
mod rollout_store;
mod rollout_table;

pub use self::memory_store::MemoryStore;

//! One value per shard, so that threads do not write the same cache line.

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

/// The most shards. More cost memory and gain nothing that was measured.
const MAX_SHARDS: usize = 16;

/// The number of shards: a power of two. It is read once, because the system call takes longer than to publish a route.
static COUNT: LazyLock<usize> =
    LazyLock::new(|| available_parallelism().map_or(1, |n| n.get().next_power_of_two().min(MAX_SHARDS)));

/// One value per shard. A thread always uses the same one. The number of values is a power of two, at most 16.
#[derive(Debug)]
pub(crate) struct Sharded<T>(Box<[Padded<T>]>);

// Two cache lines of 64 bytes, because processors fetch lines in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Padded<T>(T);

/// The shard of a thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shard(usize);

impl Shard {
    /// Returns the shard of the running thread.
    ///
    /// Threads get shards in turn, so as many threads as there are processors share none.
    #[inline]
    pub(crate) fn current() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local!(static MINE: Cell<usize> = const { Cell::new(usize::MAX) });
        let mine = MINE.get();
        if mine != usize::MAX {
            return Self(mine);
        }
        // Relaxed: only the number counts, and each thread gets another one by the atomicity of the addition.
        let mine = NEXT.fetch_add(1, Ordering::Relaxed) % MAX_SHARDS;
        MINE.set(mine);
        Self(mine)
    }

    /// Returns the value of this shard among those that [`per_shard`] created.
    #[inline]
    pub(crate) fn of<T>(self, values: &[T]) -> &T {
        // A mask instead of a remainder: the number of values is a power of two.
        &values[self.0 & (values.len() - 1)]
    }
}

/// Creates one value per shard without padding, for values that are only read or that keep apart by themselves.
///
/// `make` gets the number of a shard and the number of shards.
pub(crate) fn per_shard<T>(make: impl Fn(usize, usize) -> T) -> Box<[T]> {
    (0..*COUNT).map(|i| make(i, *COUNT)).collect()
}

impl<T> Sharded<T> {
    /// Creates one value per shard. `make` gets the number of a shard and the number of shards.
    pub(crate) fn new(make: impl Fn(usize, usize) -> T) -> Self {
        Self(per_shard(|i, count| Padded(make(i, count))))
    }

    /// Returns the value of `shard`.
    #[inline]
    pub(crate) fn at(&self, shard: Shard) -> &T {
        &shard.of(&self.0).0
    }
}

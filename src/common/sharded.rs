//! A value per shard, so that threads at work at once write no cache line in common.

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

/// More shards than this buy nothing but memory.
const MAX_SHARDS: usize = 16;

/// How many shards there are: a power of two. Asking the system takes longer than publishing a route.
static COUNT: LazyLock<usize> =
    LazyLock::new(|| available_parallelism().map_or(1, |n| n.get().next_power_of_two().min(MAX_SHARDS)));

/// One value per shard; a thread always finds the same one.
#[derive(Debug)]
pub(crate) struct Sharded<T>(Box<[Padded<T>]>);

// Two lines of 64 bytes: processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Padded<T>(T);

/// The shard of the running thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shard(usize);

impl Shard {
    /// Threads get shards in turn, so as many threads as there are processors share none.
    #[inline]
    pub(crate) fn current() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local!(static MINE: Cell<usize> = const { Cell::new(usize::MAX) });
        let mine = MINE.get();
        if mine != usize::MAX {
            return Self(mine);
        }
        let mine = NEXT.fetch_add(1, Ordering::Relaxed) % MAX_SHARDS;
        MINE.set(mine);
        Self(mine)
    }

    /// Its own of the values that [`per_shard`] made.
    #[inline]
    pub(crate) fn of<T>(self, values: &[T]) -> &T {
        // The count is a power of two.
        &values[self.0 & (values.len() - 1)]
    }
}

/// What is only read, or keeps lines apart by itself: `make` is given the number of a shard and how many there are.
pub(crate) fn per_shard<T>(make: impl Fn(usize, usize) -> T) -> Box<[T]> {
    (0..*COUNT).map(|i| make(i, *COUNT)).collect()
}

impl<T> Sharded<T> {
    /// `make` is given the number of a shard and how many there are.
    pub(crate) fn new(make: impl Fn(usize, usize) -> T) -> Self {
        Self(per_shard(|i, count| Padded(make(i, count))))
    }

    #[inline]
    pub(crate) fn at(&self, shard: Shard) -> &T {
        &shard.of(&self.0).0
    }
}

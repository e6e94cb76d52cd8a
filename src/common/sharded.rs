//! One value per shard, so that threads do not write the same cache line.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

/// The most shards that threads own. More cost memory and gain nothing that was measured.
const MAX_OWNED: u8 = 16;

/// The shards that threads own: one per processor. It is read once, because the system call takes longer than to publish a
/// route.
static OWNED: LazyLock<u8> = LazyLock::new(|| {
    let processors = available_parallelism().map_or(1, std::num::NonZero::get);
    u8::try_from(processors).unwrap_or(MAX_OWNED).min(MAX_OWNED)
});

/// The shards that running threads own.
static REGISTRY: Registry = Registry::new();

/// The number of a thread that owns no shard: it counts on the last one.
const SHARED: u8 = u8::MAX;

/// The number of a thread that has not asked for a shard.
const UNASKED: u8 = u8::MAX - 1;

/// One value per shard: one for each shard that a thread owns, and a last one that all other threads share.
///
/// A clone shares the values.
#[derive(Debug)]
pub(crate) struct Sharded<T>(Arc<[Padded<T>]>);

// Two cache lines of 64 bytes, because processors fetch lines in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Padded<T>(T);

/// The shard of the running thread.
///
/// Threads own shards: no two running threads have the same one, so the owner adds to a count by a load and a store, which
/// cost a fifth of a locked instruction. It gives the shard back when it ends. As many threads as there are processors own
/// one. All others share the last shard, and add to its counts by locked instructions.
///
/// It does not leave its thread: it is not `Send`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shard {
    number: u8,
    of_thread: PhantomData<*const ()>,
}

/// The number of a shard. Unlike a [`Shard`], it may be sent to another thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShardId(u8);

impl Shard {
    /// Returns the shard of the running thread.
    #[inline]
    pub(crate) fn current() -> Self {
        let number = NUMBER.get();
        Self::new(if number == UNASKED { claim() } else { number })
    }

    /// Returns the shard of threads that own none, for counts that have no owner.
    pub(crate) const fn shared() -> Self {
        Self::new(SHARED)
    }

    const fn new(number: u8) -> Self {
        Self { number, of_thread: PhantomData }
    }

    /// Returns the number of the shard.
    pub(crate) const fn id(self) -> ShardId {
        ShardId(self.number)
    }

    /// Returns whether the running thread owns the shard `id`.
    #[inline]
    pub(crate) const fn owns(self, id: ShardId) -> bool {
        self.number == id.0 && self.is_owned()
    }

    /// Returns whether this thread alone writes the shard.
    const fn is_owned(self) -> bool {
        self.number != SHARED
    }

    /// Adds `n` to a count of this shard, wrapping around, and returns the count before. `order` is an ordering of
    /// stores.
    #[inline]
    pub(crate) fn add(self, count: &AtomicU64, n: u64, order: Ordering) -> u64 {
        if !self.is_owned() {
            return count.fetch_add(n, order);
        }
        // Relaxed: nobody else writes it. What an earlier owner wrote is visible by the registry.
        let before = count.load(Ordering::Relaxed);
        count.store(before.wrapping_add(n), order);
        before
    }

    /// Returns the value of this shard among those that [`per_shard`] created.
    #[inline]
    pub(crate) fn of<T>(self, values: &[T]) -> &T {
        // The number of a thread that owns none is beyond the last.
        &values[usize::from(self.number).min(values.len() - 1)]
    }
}

/// Creates one value per shard without padding, for values that are only read or that keep apart by themselves.
///
/// `make` gets the number of a shard and the number of shards.
pub(crate) fn per_shard<T>(make: impl Fn(usize, usize) -> T) -> Arc<[T]> {
    let count = usize::from(*OWNED) + 1;
    (0..count).map(|i| make(i, count)).collect()
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

impl<T> Clone for Sharded<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

// === Ownership ===

/// Which shards are owned, as bits.
#[derive(Debug)]
struct Registry(AtomicU32);

/// The shard that a thread owns, if it owns one. It gives the shard back when the thread ends.
struct Claim(Cell<Option<u8>>);

thread_local! {
    /// The shard of the thread. It has no destructor, so that reads of it need no check.
    static NUMBER: Cell<u8> = const { Cell::new(UNASKED) };
    static CLAIM: Claim = const { Claim(Cell::new(None)) };
}

impl Registry {
    const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Takes the lowest free shard below `count`. `None`: all are owned.
    fn take(&self, count: u8) -> Option<u8> {
        let lowest_free = |taken: u32| (!taken).trailing_zeros();
        // Acquire: pairs with the Release in `give_back`, so that this thread continues the counts of the owner before.
        let taken = self.0.fetch_update(Ordering::Acquire, Ordering::Relaxed, |taken| {
            let free = lowest_free(taken);
            (free < u32::from(count)).then_some(taken | 1 << free)
        });
        u8::try_from(lowest_free(taken.ok()?)).ok()
    }

    /// Gives a shard back for the next thread.
    fn give_back(&self, shard: u8) {
        // Release: pairs with the Acquire in `take`.
        self.0.fetch_and(!(1 << shard), Ordering::Release);
    }
}

/// Takes a shard for the running thread, and returns its number: the number of the shared shard if none is free or the
/// thread is about to end. To be called once per thread.
#[cold]
fn claim() -> u8 {
    let Some(shard) = REGISTRY.take(*OWNED) else {
        NUMBER.set(SHARED);
        return SHARED;
    };
    // An error means that the thread ends and its destructors have run.
    let is_kept = CLAIM.try_with(|claim| claim.0.set(Some(shard))).is_ok();
    if !is_kept {
        REGISTRY.give_back(shard);
    }
    let number = if is_kept { shard } else { SHARED };
    NUMBER.set(number);
    number
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Other destructors of the thread may still count, and the shard may have another owner by then.
        NUMBER.set(SHARED);
        if let Some(shard) = self.0.take() {
            REGISTRY.give_back(shard);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn a_shard_has_one_owner() {
        let registry = Registry::new();
        assert_eq!([3, 3, 3, 3].map(|count| registry.take(count)), [Some(0), Some(1), Some(2), None]);
        registry.give_back(1);
        assert_eq!([3, 3].map(|count| registry.take(count)), [Some(1), None]);
        let threads = if cfg!(miri) { 4 } else { 40 };
        let running = Barrier::new(threads);
        let mut owned: Vec<u8> = thread::scope(|scope| {
            let start = |_| {
                scope.spawn(|| {
                    let shard = Shard::current();
                    running.wait();
                    shard.is_owned().then_some(shard.number)
                })
            };
            let started: Vec<_> = (0..threads).map(start).collect();
            started.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        owned.sort_unstable();
        assert!(owned.iter().all(|number| *number < *OWNED));
        assert!(owned.is_sorted_by(|a, b| a < b), "{owned:?}");
    }

    // More threads than shards, which end and pass their shards on.
    #[test]
    fn no_count_is_lost_between_owners() {
        let (generations, threads, turns) = if cfg!(miri) { (2, 4, 10) } else { (100, 8, 1_000) };
        let counts = Sharded::new(|_, _| AtomicU64::new(0));
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for _ in 0..generations {
                        let counting = || {
                            let shard = Shard::current();
                            (0..turns).for_each(|_| _ = shard.add(counts.at(shard), 1, Ordering::Relaxed));
                        };
                        thread::scope(|scope| _ = scope.spawn(counting));
                    }
                });
            }
        });
        let sum: u64 = counts.0.iter().map(|count| count.0.load(Ordering::Relaxed)).sum();
        assert_eq!(sum, generations * threads * turns);
    }

    // A request that is dropped by a destructor of a thread ends after the thread has given its shard back, or before.
    #[test]
    fn ending_threads_count() {
        struct AtExit(Arc<AtomicU64>);
        impl Drop for AtExit {
            fn drop(&mut self) {
                Shard::current();
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        thread_local! {
            static FIRST: Cell<Option<AtExit>> = const { Cell::new(None) };
            static LAST: Cell<Option<AtExit>> = const { Cell::new(None) };
        }
        let count = Arc::new(AtomicU64::new(0));
        let [first, last] = [(); 2].map(|()| AtExit(Arc::clone(&count)));
        let thread = thread::spawn(move || {
            FIRST.set(Some(first));
            Shard::current();
            LAST.set(Some(last));
        });
        thread.join().unwrap();
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }
}

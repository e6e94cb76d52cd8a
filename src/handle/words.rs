//! What requests read of the health of a fleet.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Instant;

use crate::balance::{Members, Turn};
use crate::health::{Health, Record, usable, warm_share, warming};

/// The health of a fleet as requests read it, without a lock. It is written under the lock of the fleet's records.
///
/// All loads and stores are Relaxed: each value is whole, and nothing else is read through it. A request that reads a value
/// a moment too late is sent as one that was sent a moment before.
#[derive(Debug)]
pub(super) struct Words {
    /// The instances that may be chosen, as bits. Zero: none, and the settings say what happens then.
    usable: AtomicU64,
    /// The instances that start slowly, as bits.
    warming: AtomicU64,
    /// Of each instance, the greatest byte of a turn with which it keeps the request while it starts slowly: 255 keeps
    /// all.
    shares: Box<[AtomicU8]>,
}

impl Words {
    /// Creates the words of a fleet whose instances all may be chosen.
    pub(super) fn new(members: Members, count: usize) -> Self {
        Self {
            usable: AtomicU64::new(members.bits()),
            warming: AtomicU64::new(0),
            shares: (0..count).map(|_| AtomicU8::new(u8::MAX)).collect(),
        }
    }

    /// Writes the instances that `records` make usable and warming at the time `now`.
    pub(super) fn write(&self, settings: &Health, records: &[Record], now: Instant) {
        for (share, record) in self.shares.iter().zip(records) {
            share.store(warm_share(settings, record, now), Ordering::Relaxed);
        }
        self.warming.store(warming(settings, records, now), Ordering::Relaxed);
        self.usable.store(usable(settings, records), Ordering::Relaxed);
    }

    /// Returns the instances that may be chosen, as bits.
    #[inline]
    pub(super) fn usable(&self) -> u64 {
        self.usable.load(Ordering::Relaxed)
    }

    /// Returns whether the instance `i` starts slowly and passes the request of `turn` to another one.
    #[inline]
    pub(super) fn passes_on(&self, i: usize, turn: Turn) -> bool {
        (self.warming.load(Ordering::Relaxed) >> i) & 1 == 1
            && self.shares.get(i).is_some_and(|share| !turn.keeps(share.load(Ordering::Relaxed)))
    }
}

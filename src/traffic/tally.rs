//! How many requests a version was given, and how many of them are in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::routing::Reason;
use crate::sharded::{Shard, per_shard};

/// The requests of one version: in flight from the choice until the response's body has ended.
#[derive(Debug)]
pub(crate) struct Tally {
    shards: Box<[Arc<Token>]>,
}

/// One request in flight, until it is dropped.
#[derive(Clone, Debug)]
pub(crate) struct InFlightGuard {
    _token: Arc<Token>,
}

// The count of references *is* the count of requests: what keeps the counter alive for a request that outlives its
// version counts it as well. It stands next to the picks, which are counted at the same moment, and so far from those of
// another shard that no cache line has both, nor two that are fetched as a pair.
#[derive(Debug, Default)]
struct Token {
    picks: [AtomicU64; Reason::ALL.len()],
    _apart: [u64; 12],
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self { shards: per_shard(|_, _| Arc::default()) }
    }

    #[inline]
    pub(crate) fn enter(&self, shard: Shard, reason: Reason) -> InFlightGuard {
        let token = shard.of(&self.shards);
        token.picks[reason as usize].fetch_add(1, Ordering::Relaxed);
        InFlightGuard { _token: Arc::clone(token) }
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.shards.iter().map(|token| Arc::strong_count(token) - 1).sum()
    }

    pub(crate) fn picks(&self, reason: Reason) -> u64 {
        self.shards.iter().map(|token| token.picks[reason as usize].load(Ordering::Relaxed)).sum()
    }
}

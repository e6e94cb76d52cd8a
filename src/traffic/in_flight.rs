//! How many requests a version has in flight.

use std::sync::Arc;

use crate::sharded::{Shard, per_shard};

/// The requests in flight of one version: from the choice until the response's body has ended.
#[derive(Debug)]
pub(crate) struct InFlight {
    shards: Box<[Arc<Token>]>,
}

/// One request in flight, until it is dropped.
#[derive(Clone, Debug)]
pub(crate) struct InFlightGuard {
    _token: Arc<Token>,
}

// The count of references *is* the count of requests: what keeps the counter alive for a request that outlives its
// version counts it as well. Aligned, so that two shards' counts are not on one cache line.
#[derive(Debug)]
#[repr(align(128))]
struct Token;

impl InFlight {
    pub(crate) fn new() -> Self {
        Self { shards: per_shard(|_, _| Arc::new(Token)) }
    }

    #[inline]
    pub(crate) fn enter(&self, shard: Shard) -> InFlightGuard {
        InFlightGuard { _token: Arc::clone(shard.of(&self.shards)) }
    }

    pub(crate) fn count(&self) -> usize {
        self.shards.iter().map(|token| Arc::strong_count(token) - 1).sum()
    }
}

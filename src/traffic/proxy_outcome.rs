//! The part of a request's outcome that only the proxy around the layer knows.

use std::sync::{Arc, Mutex, OnceLock};

use super::outcome::Outcome;
use super::shard_counters::ShardCounters;
use crate::common::lock::lock;

/// The outcome of a request as the proxy around the layer sees it.
///
/// The proxy puts a clone into the request's extensions and keeps one until the request body was sent. Until then the
/// request is in flight, even if its response has ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProxyOutcome(Arc<Shared>);

/// What the proxy and the layer share about one request.
#[derive(Debug, Default)]
struct Shared {
    outcome: OnceLock<Outcome>,
    /// The counters of the attempt whose response ended while the body was still being sent.
    sending: Mutex<Option<Arc<ShardCounters>>>,
}

impl ProxyOutcome {
    /// Sets the outcome, unless it is set already.
    #[cfg(feature = "proxy")]
    pub(crate) fn set(&self, outcome: Outcome) {
        // An error means that it is set already.
        let _ = self.0.outcome.set(outcome);
    }

    /// Returns the outcome, if the proxy has set one.
    pub(super) fn get(&self) -> Option<Outcome> {
        self.0.outcome.get().copied()
    }

    /// Keeps the request in flight at `counters` until the last clone of this value is dropped. A later attempt replaces an
    /// earlier one, whose body is no longer sent.
    pub(super) fn keep_in_flight(&self, counters: &Arc<ShardCounters>) {
        *lock(&self.0.sending) = Some(Arc::clone(counters));
    }
}

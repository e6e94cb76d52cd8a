//! What one version did, counted where it happens.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::activity::Activity;
use super::history::History;
use super::latencies::Histogram;
use super::outcome::Outcome;
use super::verdict::Verdict;
use crate::common::lock::lock;
use crate::common::sharded::{Shard, per_shard};
use crate::routing::Reason;

/// The requests of one version: in flight from the choice until the response's body has ended.
#[derive(Debug)]
pub(crate) struct Tally {
    shards: Box<[Arc<Token>]>,
    history: Mutex<History>,
}

/// One request from the choice of its version to its end, which is when it is dropped.
#[derive(Debug)]
pub(crate) struct Flight {
    token: Arc<Token>,
    /// When it began, where that is asked for.
    began: Option<Instant>,
    /// How it ends if its answer ends well.
    answer: Outcome,
    /// How it ends if nothing more comes.
    outcome: Outcome,
    /// What whoever proxies it knows better.
    verdict: Option<Verdict>,
}

// The count of references *is* the count of requests in flight: what keeps the counter alive for a request that outlives
// its version counts it as well. It stands next to the picks, which are counted at the same moment, and so far from those
// of another shard that no cache line has both, nor two that are fetched as a pair. Hence the order of the fields.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Token {
    picks: [AtomicU64; Reason::ALL.len()],
    outcomes: [AtomicU64; Outcome::ALL.len()],
    /// Made for the first answer: of many versions, most are idle.
    latencies: OnceLock<Histogram>,
    _apart: [u64; 14],
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self { shards: per_shard(|_, _| Arc::default()), history: Mutex::new(History::new()) }
    }

    #[inline]
    pub(crate) fn enter(&self, shard: Shard, reason: Reason) -> Flight {
        let token = shard.of(&self.shards);
        token.picks[reason as usize].fetch_add(1, Ordering::Relaxed);
        let (answer, outcome) = (Outcome::Error, Outcome::Cancelled);
        Flight { token: Arc::clone(token), began: None, answer, outcome, verdict: None }
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.shards.iter().map(|token| Arc::strong_count(token) - 1).sum()
    }

    pub(crate) fn picks(&self, reason: Reason) -> u64 {
        self.shards.iter().map(|token| token.picks[reason as usize].load(Ordering::Relaxed)).sum()
    }

    /// All that it did so far. Of a request that ends meanwhile, the end may be in it before the latency.
    pub(crate) fn total(&self) -> Activity {
        let mut total = self.counts();
        for histogram in self.shards.iter().filter_map(|token| token.latencies.get()) {
            histogram.add_to(&mut total.latencies);
        }
        total
    }

    /// The same without latencies.
    fn counts(&self) -> Activity {
        let mut counts = Activity::default();
        self.shards.iter().for_each(|token| token.count(&mut counts));
        counts
    }

    fn history(&self) -> MutexGuard<'_, History> {
        lock(&self.history)
    }

    /// Keeps what was done since the last sample.
    pub(crate) fn sample(&self, now: Instant) {
        let (in_flight, counts) = (self.in_flight(), self.counts());
        let mut history = self.history();
        // Of many versions most are idle, and need no look at their latencies.
        if in_flight > 0 || history.lacks(&counts) {
            history.sample(now, self.total(), in_flight);
        } else {
            history.forget(now);
        }
    }
}

/// What is counted of one version at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    /// `None` before its first request.
    tally: Option<Arc<Tally>>,
    in_flight: usize,
}

impl Counted {
    /// As many more requests as `uncounted` may have the version.
    pub(crate) fn new(tally: Option<Arc<Tally>>, uncounted: usize) -> Self {
        let in_flight = uncounted + tally.as_ref().map_or(0, |tally| tally.in_flight());
        Self { tally, in_flight }
    }

    pub(crate) const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The same at this moment, but for requests that may have the version.
    #[cfg(feature = "metrics")]
    pub(crate) fn now(&self) -> Self {
        Self::new(self.tally.clone(), 0)
    }

    /// All that it did so far.
    pub(crate) fn total(&self) -> Activity {
        self.tally.as_ref().map_or_else(Activity::default, |tally| tally.total())
    }

    /// How long it has had no request; `None` while it has, and before its first. `total` is all that it did.
    pub(super) fn idle_for(&self, now: Instant, total: &Activity) -> Option<Duration> {
        let tally = self.tally.as_ref()?;
        tally.history().idle_for(now, total, tally.in_flight())
    }

    /// What it did since `start`, the time of a sample.
    pub(super) fn since(&self, start: Instant, total: &Activity) -> Activity {
        let since = |tally: &Arc<Tally>| tally.history().since(start, total);
        self.tally.as_ref().map_or_else(Activity::default, since)
    }
}

impl Token {
    fn count(&self, counts: &mut Activity) {
        let read = |sum: &mut u64, count: &AtomicU64| *sum += count.load(Ordering::Acquire);
        // In this order, so that no more requests end than there were.
        counts.outcomes.iter_mut().zip(&self.outcomes).for_each(|(sum, count)| read(sum, count));
        counts.picks.iter_mut().zip(&self.picks).for_each(|(sum, count)| read(sum, count));
    }
}

impl Flight {
    /// Takes the time from now on.
    #[inline]
    pub(crate) fn time(&mut self) {
        self.began = Some(Instant::now());
    }

    /// The head of the answer came.
    #[inline]
    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.answer = Outcome::from_status(status);
        if let Some(began) = self.began {
            self.token.latencies.get_or_init(Histogram::new).record(began.elapsed());
        }
    }

    /// The answer is one of gRPC: unless its headers or its trailers say how it went, that is `UNKNOWN`.
    pub(crate) fn answered_by_grpc(&mut self, headers: &HeaderMap) {
        self.answer = Outcome::of_grpc(headers).unwrap_or(Outcome::ServerError);
    }

    /// The last headers came: of a gRPC call they say how it went.
    pub(crate) fn trailers(&mut self, trailers: &HeaderMap) {
        self.answer = Outcome::of_grpc(trailers).unwrap_or(self.answer);
    }

    /// The answer has ended, though it may still be held.
    #[inline]
    pub(crate) const fn completed(&mut self) {
        self.outcome = self.answer;
    }

    /// It cannot be sent, which is the fault of who asked.
    pub(crate) const fn refused(&mut self) {
        self.outcome = Outcome::ClientError;
    }

    /// Whoever proxies it may know better how it ends.
    pub(crate) fn judged_by(&mut self, verdict: Verdict) {
        self.verdict = Some(verdict);
    }

    /// There is no answer, or only a part of it.
    pub(crate) const fn failed(&mut self) {
        self.outcome = Outcome::Error;
    }
}

impl Drop for Flight {
    #[inline]
    fn drop(&mut self) {
        let known = self.verdict.as_ref().and_then(|verdict| {
            // What failed is not being sent any more: the next attempt may be, to another version.
            if self.outcome != Outcome::Error {
                verdict.hold(&self.token);
            }
            verdict.outcome()
        });
        // After the pick, for whoever reads this and then that.
        self.token.outcomes[known.unwrap_or(self.outcome) as usize].fetch_add(1, Ordering::Release);
    }
}

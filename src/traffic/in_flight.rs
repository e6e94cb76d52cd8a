//! One request from the choice of its version to its end.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::outcome::Outcome;
use super::proxy_outcome::ProxyOutcome;
use super::shard_counters::ShardCounters;

/// One request in flight. Dropping it ends the request and counts its outcome.
#[derive(Debug)]
pub(crate) struct InFlight {
    counters: Arc<ShardCounters>,
    /// When the request was sent, if its latency is measured.
    began: Option<Instant>,
    /// The outcome once the response is complete.
    response: Outcome,
    /// The outcome if the request is dropped now.
    current: Outcome,
    /// The outcome that a proxy around the layer knows better.
    proxy: Option<ProxyOutcome>,
}

impl InFlight {
    #[inline]
    pub(super) const fn new(counters: Arc<ShardCounters>) -> Self {
        Self { counters, began: None, response: Outcome::Error, current: Outcome::Abandoned, proxy: None }
    }

    /// Measures the latency from now on.
    #[inline]
    pub(crate) fn start_timer(&mut self) {
        self.began = Some(Instant::now());
    }

    /// Records that the response head arrived with `status`.
    #[inline]
    pub(crate) fn record_head(&mut self, status: StatusCode) {
        self.response = Outcome::from_status(status);
        self.current = Outcome::Cancelled;
        self.record_latency();
    }

    /// Records the latency until now, if it is measured. To be called once.
    #[inline]
    pub(crate) fn record_latency(&self) {
        if let Some(began) = self.began {
            self.counters.record_latency(began.elapsed());
        }
    }

    /// Records that the response is one of gRPC. Unless its headers or its trailers have a status, that is `UNKNOWN`.
    pub(crate) fn record_grpc_head(&mut self, headers: &HeaderMap) {
        self.response = Outcome::from_grpc_status(headers).unwrap_or(Outcome::ServerError);
    }

    /// Records the last headers of the response, which hold the status of a gRPC call.
    pub(crate) fn record_trailers(&mut self, trailers: &HeaderMap) {
        self.response = Outcome::from_grpc_status(trailers).unwrap_or(self.response);
    }

    /// Records that the response has ended, though the caller may keep it.
    #[inline]
    pub(crate) const fn complete(&mut self) {
        self.current = self.response;
    }

    /// Records that the request cannot be sent, which is the client's fault.
    pub(crate) const fn refuse(&mut self) {
        self.current = Outcome::ClientError;
    }

    /// Records that there is no response, or only a part of it.
    pub(crate) const fn fail(&mut self) {
        self.current = Outcome::Error;
    }

    /// Records how the request ends.
    pub(crate) const fn set_outcome(&mut self, outcome: Outcome) {
        self.current = outcome;
    }

    /// Lets the proxy around the layer decide the outcome.
    pub(crate) fn set_proxy_outcome(&mut self, outcome: ProxyOutcome) {
        self.proxy = Some(outcome);
    }
}

impl Drop for InFlight {
    #[inline]
    fn drop(&mut self) {
        let mut outcome = self.current;
        if let Some(proxy) = &self.proxy {
            // After an error the body is not sent any more, and another attempt may be at another version.
            if outcome != Outcome::Error {
                proxy.keep_in_flight(&self.counters);
            }
            outcome = proxy.get().unwrap_or(outcome);
        }
        self.counters.count_outcome(outcome);
        // The field `counters` is dropped after this: a request is counted as ended before it leaves the requests in flight.
    }
}

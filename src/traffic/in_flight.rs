//! One request from the choice of its version to its end.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::apart_counters::ApartRecord;
use super::failure_row::FailureRow;
use super::outcome::{Outcome, is_grpc_unavailable};
use super::proxy_outcome::ProxyOutcome;
use super::shard_counters::ShardCounters;
use crate::common::sharded::ShardId;

/// One request in flight. Dropping it ends the request and counts its outcome.
#[derive(Debug)]
pub(crate) struct InFlight {
    counters: Arc<ShardCounters>,
    /// The shard of the counters.
    shard: ShardId,
    /// When the request was sent, if its latency is measured.
    began: Option<Instant>,
    /// The outcome once the response is complete.
    response: Outcome,
    /// The outcome if the request is dropped now.
    current: Outcome,
    /// The status of the response head, if it has arrived. A status of gRPC is here as the status of HTTP that it means for
    /// an instance: 503 for `UNAVAILABLE`.
    status: Option<StatusCode>,
    /// The outcome that a proxy around the layer knows better.
    proxy: Option<ProxyOutcome>,
    /// The record by which the request is counted apart, if it is. Few are: the others pay for one pointer.
    apart: Option<Arc<ApartRecord>>,
}

impl InFlight {
    /// Creates the guard of a request that was counted as picked. Dropped before anything else happens, it
    /// counts as abandoned.
    #[inline]
    pub(super) const fn new(counters: Arc<ShardCounters>, shard: ShardId) -> Self {
        Self {
            counters,
            shard,
            began: None,
            response: Outcome::Error,
            current: Outcome::Abandoned,
            status: None,
            proxy: None,
            apart: None,
        }
    }

    /// Counts the request apart by `record`, which replaces an earlier one.
    #[inline]
    pub(crate) fn set_apart_record(&mut self, record: Arc<ApartRecord>) {
        self.apart = Some(record);
    }

    /// Records that this copy is sent. Only then does its end count. Does nothing for a request that is no copy.
    #[cfg(feature = "mirror")]
    pub(crate) fn record_copy_sent(&self) {
        if let Some(apart) = &self.apart {
            apart.record_copy_sent();
        }
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
        self.status = Some(status);
        self.record_latency();
    }

    /// Records the latency until now, if it is measured. To be called once.
    #[inline]
    pub(crate) fn record_latency(&self) {
        if let Some(began) = self.began {
            let latency = began.elapsed();
            match &self.apart {
                None => self.counters.record_latency(self.shard, latency),
                Some(apart) => apart.record_latency(&self.counters, self.shard, latency),
            }
        }
    }

    /// Records that the response is one of gRPC. Unless its headers or its trailers have a status, that is `UNKNOWN`.
    pub(crate) fn record_grpc_head(&mut self, headers: &HeaderMap) {
        self.response = Outcome::ServerError;
        self.record_trailers(headers);
    }

    /// Records the last headers of the response, which hold the status of a gRPC call. Without one in them nothing
    /// changes.
    pub(crate) fn record_trailers(&mut self, trailers: &HeaderMap) {
        let Some(outcome) = Outcome::from_grpc_status(trailers) else { return };
        self.response = outcome;
        if is_grpc_unavailable(trailers) {
            self.status = Some(StatusCode::SERVICE_UNAVAILABLE);
        }
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

    /// Records how the request ends. Without a status, a 5xx does not say whether the instance or its version failed.
    pub(crate) fn set_outcome(&mut self, outcome: Outcome) {
        self.current = outcome;
        let instance_responded = !matches!(
            outcome,
            Outcome::ServerError | Outcome::Error | Outcome::Abandoned | Outcome::Cancelled
        );
        if instance_responded && self.status.is_none() {
            self.status = Some(StatusCode::OK);
        }
    }

    /// Records how the request ends, by the status of its response.
    pub(crate) fn set_status(&mut self, status: StatusCode) {
        self.current = status.into();
        self.status = Some(status);
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
        let counts_at_instance = match &self.apart {
            None => {
                self.counters.count_outcome(self.shard, outcome);
                true
            }
            Some(apart) => apart.count_outcome(&self.counters, self.shard, outcome),
        };
        if counts_at_instance && let Some(row) = self.counters.row() {
            record_end(row, outcome, self.status);
        }
        // The field `counters` is dropped after this: a request is counted as ended before it leaves the requests in flight.
    }
}

/// Records what the end of a request says about its instance.
///
/// An instance fails if it gives no response, or one that says it cannot serve. A 500 is a fault of the version: its other
/// instances have it as well. A request that its client gave up says what its status says, or nothing without one.
#[inline]
fn record_end(row: &FailureRow, outcome: Outcome, status: Option<StatusCode>) {
    if outcome == Outcome::Error {
        return row.fail(status.filter(|status| is_unavailable(*status)));
    }
    match status {
        Some(status) if is_unavailable(status) => row.fail(Some(status)),
        Some(_) => row.succeed(),
        None => {}
    }
}

/// Returns whether a response with `status` says that the instance cannot serve: 502, 503 or 504.
#[inline]
fn is_unavailable(status: StatusCode) -> bool {
    (502..=504).contains(&status.as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::sharded::Shard;
    use crate::routing::Reason;
    use crate::traffic::counters::Counters;

    /// Returns the failures in a row after a request that `run` ends, where there was one failure before.
    fn row_after(run: impl FnOnce(&mut InFlight)) -> u32 {
        let row = Arc::new(FailureRow::unlimited());
        let instance = Counters::default().add_instance("http://a".parse().unwrap(), Some(&row));
        row.reset(1);
        let mut request = instance.enter(Shard::current(), Reason::Draw);
        run(&mut request);
        drop(request);
        row.length()
    }

    fn answered(status: u16) -> impl FnOnce(&mut InFlight) {
        move |request| {
            request.record_head(StatusCode::from_u16(status).unwrap());
            request.complete();
        }
    }

    fn grpc(status: &str) -> HeaderMap {
        HeaderMap::from_iter([("grpc-status".parse().unwrap(), status.parse().unwrap())])
    }

    #[test]
    fn unavailable_responses_are_failures() {
        for status in [502, 503, 504] {
            assert_eq!(row_after(answered(status)), 2, "{status}");
        }
        for status in [101, 200, 304, 404, 429, 500, 501, 505, 599] {
            assert_eq!(row_after(answered(status)), 0, "{status}");
        }
    }

    #[test]
    fn missing_response_is_a_failure() {
        assert_eq!(row_after(InFlight::fail), 2);
        let cut = |request: &mut InFlight| {
            request.record_head(StatusCode::OK);
            request.fail();
        };
        assert_eq!(row_after(cut), 2);
    }

    #[test]
    fn client_that_leaves_says_nothing() {
        assert_eq!(row_after(|_| {}), 1, "abandoned");
        assert_eq!(row_after(InFlight::refuse), 1, "not sent");
        // After the head, the head counts.
        assert_eq!(row_after(|request| request.record_head(StatusCode::OK)), 0);
        assert_eq!(row_after(|request| request.record_head(StatusCode::BAD_GATEWAY)), 2);
    }

    #[test]
    fn grpc_status_counts_like_its_http_status() {
        for (status, row) in [("14", 2), ("0", 0), ("13", 0), ("5", 0)] {
            let in_trailers = |request: &mut InFlight| {
                request.record_head(StatusCode::OK);
                request.record_grpc_head(&HeaderMap::new());
                request.record_trailers(&grpc(status));
                request.complete();
            };
            assert_eq!(row_after(in_trailers), row, "{status}");
            let in_head = |request: &mut InFlight| {
                request.record_head(StatusCode::OK);
                request.record_grpc_head(&grpc(status));
                request.complete();
            };
            assert_eq!(row_after(in_head), row, "{status}");
        }
    }

    #[cfg(feature = "proxy")]
    #[test]
    fn outcome_of_the_proxy_decides() {
        let with_proxy = |outcome: Outcome| {
            row_after(|request| {
                let proxy = ProxyOutcome::default();
                proxy.set(outcome);
                request.set_proxy_outcome(proxy);
                request.fail();
            })
        };
        // The upload of the client broke, or the time limit of the proxy ended the request.
        assert_eq!((with_proxy(Outcome::Cancelled), with_proxy(Outcome::Error)), (1, 2));
    }

    #[test]
    fn outcome_of_an_application_is_a_success_or_not() {
        assert_eq!(row_after(|request| request.set_outcome(Outcome::Success)), 0);
        assert_eq!(row_after(|request| request.set_outcome(Outcome::Error)), 2);
        assert_eq!(row_after(|request| request.set_outcome(Outcome::ServerError)), 1);
        assert_eq!(row_after(|request| request.set_status(StatusCode::GATEWAY_TIMEOUT)), 2);
    }
}

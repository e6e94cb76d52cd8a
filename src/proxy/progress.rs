//! How far a request has come, shared by its body and by the future of its response.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Buf;
use http_body::Frame;
use tokio::time::{Instant, Sleep, sleep_until};

use super::activity::deadline_after;
use crate::traffic::{Outcome, ProxyOutcome};

/// Bytes of a body that restart the timeout: a body that trickles would hold a connection to the
/// backend for nothing.
const STEP: usize = 16 * 1024;

/// The same for gRPC, whose messages may be few and small: any byte.
const GRPC_STEP: usize = 1;

/// The progress of a request: when it arrived, and when its body last made a step or ended.
///
/// Clones share it: one is in the [`RequestBody`](super::RequestBody), which records, and one in
/// the [`ProxyFuture`](super::ProxyFuture), which waits.
#[derive(Clone, Debug)]
pub(super) struct RequestProgress {
    arrived: Instant,
    /// `None` for a request without a body: then nothing is allocated.
    body: Option<Arc<BodyProgress>>,
    is_grpc: bool,
    timeout: Duration,
    outcome: ProxyOutcome,
}

/// The state of a body.
///
/// All of it is Relaxed, and no field needs to agree with another. The body is polled by one task
/// at a time (hyper's connection), so its writes have one writer. The future of the response only
/// reads, except for `responded`, and a late read only lets a request wait longer: the timer reads
/// again when it fires. When the future reads why a body failed, the client's error has reached it
/// by a channel, which orders that read after the write.
#[derive(Debug, Default)]
struct BodyProgress {
    /// When the body last made progress, in milliseconds since the request arrived.
    moved_at: AtomicU64,
    /// Bytes since then.
    bytes: AtomicUsize,
    /// Whether the backend waits for the client's next bytes.
    waits_for_client: AtomicBool,
    /// Whether the client broke off, or sent something that is not a body.
    failed: AtomicBool,
    /// Whether the response head has arrived.
    responded: AtomicBool,
}

impl RequestProgress {
    /// Starts the timeout of a request.
    pub(super) fn new(has_body: bool, is_grpc: bool, timeout: Duration) -> Self {
        let body = has_body.then(Arc::default);
        Self { arrived: Instant::now(), body, is_grpc, timeout, outcome: ProxyOutcome::default() }
    }

    /// Returns the proxy's part of the request's outcome, for the layer beneath and for the response body.
    pub(super) const fn outcome(&self) -> &ProxyOutcome {
        &self.outcome
    }

    /// Counts the request as `outcome`, whatever the response is. The first call decides.
    pub(super) fn set_outcome(&self, outcome: Outcome) {
        self.outcome.set(outcome);
    }

    // === The response future's part ===

    /// Returns when the request times out unless its body makes progress.
    pub(super) fn deadline(&self) -> Instant {
        let moved_at = self.body.as_ref().map_or(0, |body| body.moved_at.load(Ordering::Relaxed));
        deadline_after(self.arrived + Duration::from_millis(moved_at), self.timeout)
    }

    /// Waits until the deadline has passed, and follows it when it moves.
    pub(super) fn poll_expired(&self, mut sleep: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(sleep.as_mut().poll(cx));
            let deadline = self.deadline();
            if deadline <= sleep.deadline() {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }

    /// Records that the response head has arrived.
    pub(super) fn record_response(&self) {
        if let Some(body) = &self.body {
            body.responded.store(true, Ordering::Relaxed);
        }
    }

    /// Returns whether the client caused the failure of the request, by a broken body.
    pub(super) fn has_failed_body(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.failed.load(Ordering::Relaxed))
    }

    /// Returns whether the backend waits for the rest of the client's body.
    pub(super) fn waits_for_client(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.waits_for_client.load(Ordering::Relaxed))
    }

    // === The body's part ===

    /// Waits until the deadline of the request has passed without progress of its body, and counts the request as
    /// cancelled then.
    ///
    /// A gRPC stream may rest once its response has begun: its client may have nothing to send for
    /// hours.
    pub(super) fn poll_stalled(&self, sleep: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_grpc && self.has_response() {
            return Poll::Pending;
        }
        let sleep = sleep.get_or_insert_with(|| Box::pin(sleep_until(self.deadline())));
        ready!(self.poll_expired(sleep.as_mut(), cx));
        self.set_outcome(Outcome::Cancelled);
        Poll::Ready(())
    }

    /// Records that the client has not sent the next bytes yet.
    pub(super) fn record_wait(&self) {
        self.set_waits_for_client(true);
    }

    /// Records what the client sent: a frame, an error, or the end of the body.
    pub(super) fn record_frame<D: Buf, E>(&self, frame: Option<&Result<Frame<D>, E>>) {
        let Some(body) = &self.body else { return };
        self.set_waits_for_client(false);
        // Whatever is not data is progress by itself: trailers, the end, an error.
        let step = if self.is_grpc { GRPC_STEP } else { STEP };
        let data = frame.and_then(|frame| frame.as_ref().ok()?.data_ref());
        let received = data.map_or(step, Buf::remaining);
        if body.bytes.fetch_add(received, Ordering::Relaxed) + received < step {
            return;
        }
        body.bytes.store(0, Ordering::Relaxed);
        let elapsed = u64::try_from(self.arrived.elapsed().as_millis()).unwrap_or(u64::MAX);
        body.moved_at.store(elapsed, Ordering::Relaxed);
        if let Some(Err(_)) = frame {
            body.failed.store(true, Ordering::Relaxed);
            self.set_outcome(Outcome::Cancelled);
        }
    }

    /// Returns whether the response head has arrived.
    fn has_response(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.responded.load(Ordering::Relaxed))
    }

    /// Records whether the backend waits for the client's next bytes.
    fn set_waits_for_client(&self, waits: bool) {
        if let Some(body) = &self.body {
            body.waits_for_client.store(waits, Ordering::Relaxed);
        }
    }
}

//! The body of a request on its way to a backend, and how far it has come.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use thiserror::Error;
use tokio::time::{Instant, Sleep, sleep_until};

use super::headers::trailers_to_backend;
use crate::common::error::BoxError;
use crate::traffic::{Outcome, ProxyOutcome};

pin_project! {
    /// The body of a request that a [`Proxy`](super::Proxy) sends on: the client's own, frame by frame with its trailers.
    ///
    /// It notes when it last moved, so that the time limit for an answer spares a long upload, and fails where its client
    /// owes the rest for as long. Trailers lose what has no meaning there, or would say who asked.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        body: B,
        progress: Progress,
        // Made when the client is waited for first: most bodies are there at once.
        sleep: Option<Pin<Box<Sleep>>>,
    }
}

/// The client has not sent the rest of its body for too long.
#[derive(Debug, Error)]
#[error("the client did not send the rest of the body in time")]
struct Stalled(());

/// What a body must bring to have moved: one that trickles holds a connection of the backend for nothing. The messages of
/// a gRPC stream may be few and small.
const STEP: usize = 16 * 1024;
const GRPC_STEP: usize = 1;

/// What an answer may take where there is no such time: what tokio takes for forever.
const FOREVER: Duration = Duration::from_hours(24 * 365 * 30);

/// When a request last moved: when it came, or when its body did by a step or ended.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    came: Instant,
    /// `None` for a request without a body.
    body: Option<Arc<BodyProgress>>,
    step: usize,
    limit: Duration,
    outcome: ProxyOutcome,
}

#[derive(Debug, Default)]
struct BodyProgress {
    /// Milliseconds from when the request came.
    moved: AtomicU64,
    /// Bytes since then.
    bytes: AtomicUsize,
    /// The backend would take more, and the client has not sent it.
    awaited: AtomicBool,
    /// The client broke off, or sent what is no body.
    broken: AtomicBool,
    /// The head of the answer came.
    answered: AtomicBool,
}

// === impl RequestBody ===

impl<B> RequestBody<B> {
    /// The client's body.
    pub fn into_inner(self) -> B {
        self.body
    }
}

impl<B: Body> RequestBody<B> {
    pub(super) fn new(body: B, grpc: bool, limit: Duration) -> (Self, Progress) {
        let noted = (!body.is_end_stream()).then(Arc::default);
        let step = if grpc { GRPC_STEP } else { STEP };
        let progress =
            Progress { came: Instant::now(), body: noted, step, limit, outcome: ProxyOutcome::default() };
        (Self { body, progress: progress.clone(), sleep: None }, progress)
    }
}

impl<B> Body for RequestBody<B>
where
    B: Body<Error: Into<BoxError>>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = self.project();
        let Poll::Ready(mut frame) = this.body.poll_frame(cx) else {
            this.progress.awaits(true);
            ready!(this.progress.poll_stalled(this.sleep, cx));
            return Poll::Ready(Some(Err(Stalled(()).into())));
        };
        this.progress.note(frame.as_ref());
        if let Some(Ok(frame)) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            trailers_to_backend(trailers);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

// === impl Progress ===

impl Progress {
    /// Until when a request that does not move any more may wait.
    pub(super) fn deadline(&self) -> Instant {
        let moved = self.body.as_ref().map_or(0, |body| body.moved.load(Ordering::Relaxed));
        let last = self.came + Duration::from_millis(moved);
        last.checked_add(self.limit).unwrap_or_else(|| last + FOREVER)
    }

    /// Waits until the request has not moved for as long as it may.
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

    /// The same of its body alone. A gRPC stream may rest once it is answered: its client may have no more to say for hours.
    fn poll_stalled(&self, sleep: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>) -> Poll<()> {
        if self.step == GRPC_STEP && self.is_answered() {
            return Poll::Pending;
        }
        let sleep = sleep.get_or_insert_with(|| Box::pin(sleep_until(self.deadline())));
        ready!(self.poll_expired(sleep.as_mut(), cx));
        self.outcome.set(Outcome::Cancelled);
        Poll::Ready(())
    }

    /// The head of the answer came.
    pub(super) fn note_answer(&self) {
        if let Some(body) = &self.body {
            body.answered.store(true, Ordering::Relaxed);
        }
    }

    fn is_answered(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.answered.load(Ordering::Relaxed))
    }

    /// For the layer beneath: what becomes of the request.
    pub(super) const fn outcome(&self) -> &ProxyOutcome {
        &self.outcome
    }

    /// Whether the client is to blame when the request fails.
    pub(super) fn is_broken(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.broken.load(Ordering::Relaxed))
    }

    /// Whether the client owes the rest of its body.
    pub(super) fn is_awaited(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.awaited.load(Ordering::Relaxed))
    }

    fn awaits(&self, awaited: bool) {
        if let Some(body) = &self.body {
            body.awaited.store(awaited, Ordering::Relaxed);
        }
    }

    fn note<D: Buf, E>(&self, frame: Option<&Result<Frame<D>, E>>) {
        let Some(body) = &self.body else { return };
        self.awaits(false);
        let is_broken = matches!(frame, Some(Err(_)));
        let data = frame.and_then(|frame| frame.as_ref().ok()?.data_ref());
        let brought = data.map_or(self.step, Buf::remaining);
        if body.bytes.fetch_add(brought, Ordering::Relaxed) + brought < self.step {
            return;
        }
        body.bytes.store(0, Ordering::Relaxed);
        let elapsed = u64::try_from(self.came.elapsed().as_millis()).unwrap_or(u64::MAX);
        body.moved.store(elapsed, Ordering::Relaxed);
        body.broken.store(is_broken, Ordering::Relaxed);
        if is_broken {
            self.outcome.set(Outcome::Cancelled);
        }
    }
}

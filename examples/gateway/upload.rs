//! Time limits that spare a long upload.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

/// A request's body on its way to the backend, frame by frame. It notes when it last moved.
#[derive(Debug)]
pub(crate) struct Upload {
    body: Incoming,
    progress: Progress,
}

/// What a body must bring to have moved: one that trickles holds a connection of the backend for nothing.
const STEP: usize = 16 * 1024;

/// When a request last moved: when it came, or when its body did by a step or ended.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    came: Instant,
    /// `None` for a request without a body.
    body: Option<Arc<BodyProgress>>,
}

#[derive(Debug, Default)]
struct BodyProgress {
    /// Milliseconds from when the request came.
    moved: AtomicU64,
    /// Bytes since then.
    bytes: AtomicUsize,
    /// The client broke off, or sent what is no body.
    broken: AtomicBool,
}

impl Upload {
    pub(crate) fn new(body: Incoming) -> (Self, Progress) {
        let noted = (!body.is_end_stream()).then(Arc::default);
        let progress = Progress { came: Instant::now(), body: noted };
        (Self { body, progress: progress.clone() }, progress)
    }
}

impl Progress {
    /// Waits for `answer` until the request has not moved for `limit`.
    pub(crate) async fn within<F: Future>(&self, limit: Duration, answer: F) -> Result<F::Output, Elapsed> {
        let mut answer = std::pin::pin!(answer);
        loop {
            let deadline = self.last() + limit;
            match timeout_at(deadline, &mut answer).await {
                Err(elapsed) if self.last() + limit <= deadline => return Err(elapsed),
                Err(_moved_since) => {}
                Ok(answer) => return Ok(answer),
            }
        }
    }

    /// Whether the client is to blame when the request fails.
    pub(crate) fn is_broken(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.broken.load(Ordering::Relaxed))
    }

    fn last(&self) -> Instant {
        let moved = self.body.as_ref().map_or(0, |body| body.moved.load(Ordering::Relaxed));
        self.came + Duration::from_millis(moved)
    }

    fn note(&self, frame: Option<&Result<Frame<Bytes>, hyper::Error>>) {
        let is_broken = matches!(frame, Some(Err(_)));
        let data = frame.and_then(|frame| frame.as_ref().ok()?.data_ref());
        let brought = data.map_or(STEP, Bytes::len);
        if let Some(body) = &self.body {
            if body.bytes.fetch_add(brought, Ordering::Relaxed) + brought < STEP {
                return;
            }
            body.bytes.store(0, Ordering::Relaxed);
            let elapsed = u64::try_from(self.came.elapsed().as_millis()).unwrap_or(u64::MAX);
            body.moved.store(elapsed, Ordering::Relaxed);
            body.broken.store(is_broken, Ordering::Relaxed);
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(frame) = &frame {
            self.progress.note(frame.as_ref());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

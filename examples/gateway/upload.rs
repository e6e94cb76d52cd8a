//! Time limits that spare a long upload.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// When a request last moved: when it came, or when its body did.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    came: Instant,
    /// Milliseconds from then; `None` for a request without a body.
    moved: Option<Arc<AtomicU64>>,
}

impl Upload {
    pub(crate) fn new(body: Incoming) -> (Self, Progress) {
        let moved = (!body.is_end_stream()).then(Arc::default);
        let progress = Progress { came: Instant::now(), moved };
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

    fn last(&self) -> Instant {
        let moved = self.moved.as_ref().map_or(0, |moved| moved.load(Ordering::Relaxed));
        self.came + Duration::from_millis(moved)
    }

    fn note(&self) {
        if let Some(moved) = &self.moved {
            let elapsed = u64::try_from(self.came.elapsed().as_millis()).unwrap_or(u64::MAX);
            moved.store(elapsed, Ordering::Relaxed);
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
        if frame.is_ready() {
            self.progress.note();
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

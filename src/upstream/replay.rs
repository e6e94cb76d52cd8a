//! A request body that can be sent again.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use thiserror::Error;

use crate::common::error::BoxError;
use crate::common::lock::lock;

/// The most bytes that are kept for another attempt.
const MAX_KEPT: usize = 64 * 1024;

/// The most frames that are kept. Each takes about 100 bytes, and a client may send a frame for each byte.
const MAX_FRAMES: usize = 512;

/// Data up to this size is copied, since it may be a slice of a buffer many times larger.
const MAX_COPIED: usize = 1024;

/// A body, and the frames of it that were sent so far.
///
/// One attempt at a time reads it. Frames are kept until the response arrives, or until they are too large.
#[derive(Debug)]
pub(super) struct Replay<B>(Arc<Mutex<Tape<B>>>);

/// The body of one attempt.
#[derive(Debug)]
pub(super) struct ReplayBody<B> {
    tape: Arc<Mutex<Tape<B>>>,
    attempt: usize,
    /// The next kept frame to send.
    position: usize,
}

/// The body, and the frames of it that were read.
#[derive(Debug)]
struct Tape<B> {
    body: B,
    frames: Vec<Kept>,
    size: usize,
    is_kept: bool,
    /// The attempt that may read.
    attempt: usize,
}

/// A frame that can be sent again.
#[derive(Clone, Debug)]
enum Kept {
    Data(Bytes),
    Trailers(HeaderMap),
}

/// Another attempt has taken the body.
#[derive(Debug, Error)]
#[error("the request is sent again elsewhere")]
struct Replaced;

// === impl Replay ===

impl<B> Replay<B> {
    /// Creates the body of the first attempt, and the tape for further attempts.
    pub(super) fn new(body: B) -> (Self, ReplayBody<B>) {
        let tape = Tape { body, frames: Vec::new(), size: 0, is_kept: true, attempt: 0 };
        let tape = Arc::new(Mutex::new(tape));
        let first = ReplayBody { tape: Arc::clone(&tape), attempt: 0, position: 0 };
        (Self(tape), first)
    }

    /// Returns the body for another attempt, unless a part of it is gone.
    pub(super) fn rewind(&self) -> Option<ReplayBody<B>> {
        let mut tape = lock(&self.0);
        if !tape.is_kept {
            return None;
        }
        tape.attempt += 1;
        let attempt = tape.attempt;
        drop(tape);
        Some(ReplayBody { tape: Arc::clone(&self.0), attempt, position: 0 })
    }

    /// Keeps no further frames, since there will be no other attempt.
    pub(super) fn stop(&self) {
        lock(&self.0).is_kept = false;
    }
}

// === impl Tape ===

impl<B> Tape<B> {
    /// Gives the kept frames up: the body cannot be sent again.
    fn forget(&mut self) {
        self.is_kept = false;
        self.frames = Vec::new();
    }

    /// Keeps a frame that was read from the body. Returns whether it was kept.
    fn keep<E>(&mut self, frame: Option<&Result<Frame<Bytes>, E>>) -> bool {
        let kept = match frame {
            Some(Ok(frame)) => match (frame.data_ref(), frame.trailers_ref()) {
                (Some(data), _) if data.is_empty() => return false,
                (Some(data), _) if data.len() <= MAX_COPIED => Kept::Data(Bytes::copy_from_slice(data)),
                (Some(data), _) => Kept::Data(data.clone()),
                (None, Some(trailers)) => Kept::Trailers(trailers.clone()),
                (None, None) => return false,
            },
            Some(Err(_)) => {
                self.forget();
                return false;
            }
            None => return false,
        };
        self.size += kept.size();
        if self.size > MAX_KEPT || self.frames.len() == MAX_FRAMES {
            self.forget();
            return false;
        }
        self.frames.push(kept);
        true
    }
}

impl Kept {
    /// The size of trailers is bounded by the limit of the server that received them.
    const fn size(&self) -> usize {
        match self {
            Self::Data(data) => data.len(),
            Self::Trailers(_) => 0,
        }
    }

    /// Returns the frame to send again.
    fn into_frame(self) -> Frame<Bytes> {
        match self {
            Self::Data(data) => Frame::data(data),
            Self::Trailers(trailers) => Frame::trailers(trailers),
        }
    }
}

// === impl ReplayBody ===

impl<B> Body for ReplayBody<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let mut tape = lock(&this.tape);
        if tape.attempt != this.attempt {
            return Poll::Ready(Some(Err(Replaced.into())));
        }
        if let Some(kept) = tape.frames.get(this.position) {
            this.position += 1;
            return Poll::Ready(Some(Ok(kept.clone().into_frame())));
        }
        if !tape.is_kept && !tape.frames.is_empty() {
            tape.forget();
            this.position = 0;
        }
        let frame = ready!(Pin::new(&mut tape.body).poll_frame(cx));
        if tape.is_kept {
            if tape.keep(frame.as_ref()) {
                this.position += 1;
            } else if !tape.is_kept {
                this.position = 0;
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        let tape = lock(&self.tape);
        self.position >= tape.frames.len() && tape.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let tape = lock(&self.tape);
        let kept: usize = tape.frames.iter().skip(self.position).map(Kept::size).sum();
        let hint = tape.body.size_hint();
        let mut whole = SizeHint::new();
        // The upper bound first: the lower one must not exceed it.
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper.saturating_add(kept as u64));
        }
        whole.set_lower(hint.lower().saturating_add(kept as u64));
        whole
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::stream;
    use http::{HeaderMap, HeaderValue};
    use http_body::{Body, Frame};
    use http_body_util::{BodyExt, StreamBody};

    use super::{MAX_KEPT, Replay};
    use crate::common::error::BoxError;

    fn body(chunks: &'static [&'static str]) -> impl Body<Data = Bytes, Error = BoxError> + Unpin {
        let trailers = HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("end"))]);
        let frames = chunks.iter().map(|chunk| Frame::data(Bytes::from_static(chunk.as_bytes())));
        let frames = frames.chain([Frame::trailers(trailers)]).map(Ok::<_, BoxError>);
        StreamBody::new(stream::iter(frames.collect::<Vec<_>>()))
    }

    #[tokio::test]
    async fn second_attempt_sends_the_whole_body() {
        let (replay, mut first) = Replay::new(body(&["a", "b", "c"]));
        assert_eq!(first.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
        let second = replay.rewind().unwrap();
        assert!(first.frame().await.unwrap().is_err(), "the first attempt has lost the body");
        let whole = second.collect().await.unwrap();
        assert!(whole.trailers().is_some());
        assert_eq!(whole.to_bytes(), "abc");
        let third = replay.rewind().unwrap().collect().await.unwrap();
        assert!(third.trailers().is_some());
        assert_eq!(third.to_bytes(), "abc");
    }

    #[tokio::test]
    async fn large_bodies_are_not_kept() {
        let chunk = Bytes::from(vec![0; MAX_KEPT]);
        let frames = [chunk.clone(), Bytes::from_static(b"x"), chunk];
        let frames = frames.into_iter().map(|data| Ok::<_, BoxError>(Frame::data(data)));
        let (replay, mut first) = Replay::new(StreamBody::new(stream::iter(frames)));
        first.frame().await.unwrap().unwrap();
        assert!(replay.rewind().is_some());
        let mut second = replay.rewind().unwrap();
        second.frame().await.unwrap().unwrap();
        assert_eq!(second.frame().await.unwrap().unwrap().into_data().unwrap(), "x");
        assert!(replay.rewind().is_none());
        assert_eq!(second.collect().await.unwrap().to_bytes().len(), MAX_KEPT);
    }

    #[tokio::test]
    async fn number_of_kept_frames_is_bounded() {
        for (data, is_kept) in [("", true), ("x", false)] {
            let frame = || Ok::<_, BoxError>(Frame::data(Bytes::from_static(data.as_bytes())));
            let (replay, mut first) =
                Replay::new(StreamBody::new(stream::iter((0..10_000).map(|_| frame()))));
            while first.frame().await.is_some() {}
            assert_eq!(replay.rewind().is_some(), is_kept, "{data:?}");
            assert_eq!(super::lock(&replay.0).frames.len(), 0, "{data:?}");
        }
    }

    #[tokio::test]
    async fn stop_does_not_cut_a_replay() {
        let (replay, mut first) = Replay::new(body(&["a", "b"]));
        first.frame().await.unwrap().unwrap();
        first.frame().await.unwrap().unwrap();
        let second = replay.rewind().unwrap();
        replay.stop();
        assert!(replay.rewind().is_none());
        assert_eq!(second.collect().await.unwrap().to_bytes(), "ab");
    }
}

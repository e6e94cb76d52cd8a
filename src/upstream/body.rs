//! The response body, which holds its connection until it ends.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::error::Error;
use super::hints::is_within;
use super::settings::HeadLimits;

/// A response body of [`Client`](super::Client). It streams, and it holds its connection until it ends.
///
/// - Over HTTP/1.1, the connection is pooled when the body has ended, and closed when the body is
///   dropped before that.
/// - Over HTTP/2, dropping the body resets its stream.
/// - A body that breaks off ends with an error, also by `RST_STREAM(NO_ERROR)` before its end.
///   Trailers beyond [the limit](super::Client::with_max_head_size) are an error, too.
///
/// ```
/// use bytes::Bytes;
/// use http::Request;
/// use http_body_util::{BodyExt, Empty};
/// use tower::{Service, ServiceExt};
/// use tower_canary::upstream::Client;
///
/// # async fn text(mut client: Client<Empty<Bytes>>) -> Result<Bytes, Box<dyn std::error::Error>> {
/// let request = Request::get("http://10.0.0.7/").body(Empty::new())?;
/// let response = client.ready().await?.call(request).await?;
/// Ok(response.into_body().collect().await?.to_bytes())
/// # }
/// ```
pub struct Body {
    incoming: Incoming,
    hold: Hold,
    limits: HeadLimits,
}

/// What a response body holds.
pub(super) enum Hold {
    /// Nothing: the body has ended, or the connection left the pool.
    Nothing,
    /// A connection that serves one request at a time.
    Connection(Arc<dyn Reusable>),
    /// A stream of a connection. It ends when it is dropped.
    #[expect(dead_code, reason = "it is held and not used")]
    Stream(Arc<dyn Send + Sync>),
}

/// A connection that can serve another request after this one.
pub(super) trait Reusable: Send + Sync {
    /// The response has ended.
    fn reuse(self: Arc<Self>);

    /// The response has not ended and is not wanted any more.
    fn abandon(&self);

    /// Polls the body of the response, and the connection for it.
    fn poll_frame(
        &self,
        incoming: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>>;
}

impl Body {
    /// Wraps a body. One without content gives its connection back at once: hyper does not poll it.
    pub(super) fn new(incoming: Incoming, hold: Hold, limits: HeadLimits) -> Self {
        let mut body = Self { incoming, hold, limits };
        body.release_at_end();
        body
    }

    /// Gives the connection back if no more frames come. hyper knows the end of a body with a length with its
    /// last frame, so the connection need not wait for another poll.
    fn release_at_end(&mut self) {
        if self.incoming.is_end_stream() {
            self.release();
        }
    }

    /// Gives the connection back for the next request.
    fn release(&mut self) {
        if let Hold::Connection(connection) = std::mem::replace(&mut self.hold, Hold::Nothing) {
            connection.reuse();
        }
    }

    /// Returns the error for a body that ended too early.
    ///
    /// hyper ends a body when its stream is reset with `NO_ERROR`, also before the end of the response.
    fn check_end(&mut self) -> Option<Result<Frame<Bytes>, Error>> {
        let is_truncated = matches!(self.hold, Hold::Stream(_)) && !self.incoming.is_end_stream();
        self.release();
        is_truncated.then(|| Err(Error::truncated()))
    }

    /// Returns a frame, unless it has trailers beyond the limits. hyper limits the head alone. The connection
    /// is then not used again.
    fn check_frame(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, Error> {
        if frame.trailers_ref().is_some_and(|trailers| !is_within(self.limits, trailers)) {
            self.close();
            return Err(Error::too_large());
        }
        self.release_at_end();
        Ok(frame)
    }

    /// Gives the connection up. It has bytes of this response left, which the next request would read as its
    /// own.
    fn close(&mut self) {
        if let Hold::Connection(connection) = std::mem::replace(&mut self.hold, Hold::Nothing) {
            connection.abandon();
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let polled = match &this.hold {
            Hold::Connection(connection) => connection.poll_frame(&mut this.incoming, cx),
            Hold::Nothing | Hold::Stream(_) => Pin::new(&mut this.incoming).poll_frame(cx),
        };
        let frame = ready!(polled);
        Poll::Ready(match frame {
            Some(Ok(frame)) => Some(self.check_frame(frame)),
            Some(Err(error)) => {
                self.close();
                Some(Err(Error::body(error)))
            }
            None => self.check_end(),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("incoming", &self.incoming).finish_non_exhaustive()
    }
}

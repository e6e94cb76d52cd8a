//! Why a request to a backend failed.

use std::io;

use thiserror::Error;

use crate::common::error::{BoxError, chain};

/// A request failed, or a response body broke off.
///
/// The sources say more: [`hyper::Error`], [`h2::Error`], or the [`io::Error`] of the connection. A
/// timeout has an [`io::Error`] of kind `TimedOut` or a timeout of hyper among them, so that
/// `Proxy` responds 504.
///
/// ```
/// use bytes::Bytes;
/// use http::Request;
/// use http_body_util::Empty;
/// use hyper_util::rt::TokioExecutor;
/// use tower::ServiceExt;
/// use tower_canary::probe::UrlPolicy;
/// use tower_canary::upstream::Client;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let client = Client::new(UrlPolicy::new(), TokioExecutor::new());
/// let request = Request::get("http://169.254.169.254/latest").body(Empty::<Bytes>::new())?;
/// let error = client.oneshot(request).await.err().ok_or("a denied address was reached")?;
/// assert!(error.is_connect());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Error)]
#[error("{}", .kind.text())]
pub struct Error {
    kind: Kind,
    source: Option<BoxError>,
}

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Uri,
    Connect,
    Timeout,
    Unsent,
    Exchange,
    Body,
    Truncated,
    TooLarge,
}

impl Kind {
    /// Returns the message. The sources say more.
    const fn text(self) -> &'static str {
        match self {
            Self::Uri => "the URI of the request names no backend",
            Self::Connect => "no connection for the request",
            Self::Timeout => "no connection to the backend was free or established in time",
            Self::Unsent => "the backend closed the connection before the request was sent",
            Self::Exchange => "the backend did not respond",
            Self::Body => "the response body broke off",
            Self::Truncated => "the response body stopped before its end",
            Self::TooLarge => "the head or the trailers of the response exceed the limit",
        }
    }
}

impl Error {
    /// Creates the error of a request whose URI has no host, or no scheme that is served.
    pub(super) const fn uri() -> Self {
        Self { kind: Kind::Uri, source: None }
    }

    /// Creates the error of a connection that could not be made.
    pub(super) fn connect(source: impl Into<BoxError>) -> Self {
        Self { kind: Kind::Connect, source: Some(source.into()) }
    }

    /// Creates the error of a connection that was not made in time.
    pub(super) fn timeout() -> Self {
        Self { kind: Kind::Timeout, source: Some(io::Error::from(io::ErrorKind::TimedOut).into()) }
    }

    /// Creates the error of a request that was not sent, because its connection was closed before.
    pub(super) fn unsent(source: impl Into<BoxError>) -> Self {
        Self { kind: Kind::Unsent, source: Some(source.into()) }
    }

    /// Creates the error of a request that was sent, at least in part, and got no response.
    pub(super) fn exchange(source: impl Into<BoxError>) -> Self {
        Self { kind: Kind::Exchange, source: Some(source.into()) }
    }

    /// Creates the error of a response body that broke off.
    pub(super) fn body(source: impl Into<BoxError>) -> Self {
        Self { kind: Kind::Body, source: Some(source.into()) }
    }

    /// Creates the error of a response body that ended before its announced length.
    pub(super) const fn truncated() -> Self {
        Self { kind: Kind::Truncated, source: None }
    }

    /// Creates the error of a response whose head or trailers are too large.
    pub(super) const fn too_large() -> Self {
        Self { kind: Kind::TooLarge, source: None }
    }

    /// Returns whether not a byte of the request was sent, because there was no connection for it.
    ///
    /// Such a request may be sent to another backend, whatever its method: this is the predicate
    /// for `layer::failover::Failover`. See [`struct@Error`] for an example.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        matches!(self.kind, Kind::Connect | Kind::Timeout | Kind::Unsent)
    }

    /// Returns whether the backend has certainly not processed the request.
    ///
    /// That is so if it was not sent ([`is_connect`](Self::is_connect)), and if the backend said so:
    /// `RST_STREAM` with `REFUSED_STREAM`, or `GOAWAY` with a lower last stream (RFC 9113, 8.7). The
    /// client repeats such requests by itself while it has their bodies. A server may pass the
    /// signal on.
    #[must_use]
    pub fn is_unprocessed(&self) -> bool {
        self.is_connect() || (self.kind == Kind::Exchange && is_refusal(self))
    }

    /// Returns whether a time limit caused the failure.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        chain(self).any(|cause| {
            cause.downcast_ref().is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::TimedOut)
                || cause.downcast_ref().is_some_and(hyper::Error::is_timeout)
        })
    }

    /// Returns whether the head or the trailers of the response exceed
    /// [the limit](super::Client::with_max_head_size).
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.kind == Kind::TooLarge
            || chain(self).any(|cause| cause.downcast_ref().is_some_and(hyper::Error::is_parse_too_large))
    }
}

/// Returns whether the peer said that it did not process the request.
///
/// h2 gives the error of a `GOAWAY` only to streams beyond the last one that the peer processed. A reset of its own with the
/// same code, such as for a head that is too large, is not from the peer.
pub(super) fn is_refusal(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = chain(error).filter_map(|cause| cause.downcast_ref::<h2::Error>());
    causes.any(|error| {
        error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
    })
}

#[cfg(test)]
mod tests {
    use super::Error;

    #[test]
    fn timeouts_are_seen_through_the_chain() {
        assert!(Error::timeout().is_timeout() && Error::timeout().is_connect());
        assert!(!Error::truncated().is_timeout() && !Error::truncated().is_unprocessed());
    }

    #[test]
    fn own_resets_are_no_refusals() {
        let own = Error::exchange(h2::Error::from(h2::Reason::REFUSED_STREAM));
        assert!(!own.is_unprocessed());
    }
}

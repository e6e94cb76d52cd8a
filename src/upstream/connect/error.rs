//! Why a connection could not be established.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};

use crate::common::error::{BoxError, chain};
#[cfg(feature = "client-tls")]
use crate::probe::HandshakeFailed;
use crate::probe::{Forbidden, Unresolved};

/// A connection to a backend could not be established. Not a byte of a request was sent.
///
/// The source has the details. If the time was over, it is an [`io::Error`] of kind
/// [`TimedOut`](ErrorKind::TimedOut), which the proxy turns into 504.
///
/// ```
/// use std::error::Error;
/// use tower_canary::upstream::{ConnectError, ConnectErrorKind};
///
/// /// Returns whether the backend may come back soon.
/// fn is_transient(error: &(dyn Error + 'static)) -> bool {
///     match error.downcast_ref::<ConnectError>().map(ConnectError::kind) {
///         Some(kind) => matches!(kind, ConnectErrorKind::Refused | ConnectErrorKind::TimedOut),
///         None => error.source().is_some_and(is_transient),
///     }
/// }
/// # assert!(!is_transient(&std::fmt::Error));
/// ```
#[derive(Debug)]
pub struct ConnectError {
    kind: ConnectErrorKind,
    source: Option<BoxError>,
}

/// The kind of a [`ConnectError`].
///
/// See [`ConnectError`] for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectErrorKind {
    /// The [`UrlPolicy`](crate::probe::UrlPolicy) denies the address.
    Forbidden,
    /// The name cannot be resolved.
    Unresolved,
    /// The backend's machine refused the connection: nothing listens there.
    Refused,
    /// The connect timeout is over. It covers the resolution of the name and the TLS handshake.
    TimedOut,
    /// The backend is `https`, and the client has no TLS.
    NoTls,
    /// The TLS handshake failed, for example because the certificate is not trusted.
    Tls,
    /// The backend does not speak HTTP/2, which was required.
    NoHttp2,
    /// The network failed in another way.
    Failed,
}

impl ConnectError {
    /// Returns the kind of the error.
    ///
    /// See [`ConnectError`] for an example.
    #[must_use]
    pub const fn kind(&self) -> ConnectErrorKind {
        self.kind
    }

    pub(super) const fn new(kind: ConnectErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl From<BoxError> for ConnectError {
    fn from(error: BoxError) -> Self {
        let kind = chain(&*error).find_map(kind_of).unwrap_or(ConnectErrorKind::Failed);
        Self { kind, source: Some(error) }
    }
}

/// Returns the kind that one error of a chain stands for.
fn kind_of(error: &(dyn Error + 'static)) -> Option<ConnectErrorKind> {
    if error.is::<Forbidden>() {
        return Some(ConnectErrorKind::Forbidden);
    }
    if error.is::<Unresolved>() {
        return Some(ConnectErrorKind::Unresolved);
    }
    #[cfg(feature = "client-tls")]
    if error.is::<HandshakeFailed>() {
        return Some(ConnectErrorKind::Tls);
    }
    match error.downcast_ref::<io::Error>()?.kind() {
        ErrorKind::ConnectionRefused => Some(ConnectErrorKind::Refused),
        ErrorKind::TimedOut => Some(ConnectErrorKind::TimedOut),
        _ => None,
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot connect to the backend: ")?;
        f.write_str(match self.kind {
            ConnectErrorKind::Forbidden => "the address may not be reached",
            ConnectErrorKind::Unresolved => "the name cannot be resolved",
            ConnectErrorKind::Refused => "the connection was refused",
            ConnectErrorKind::TimedOut => "it took too long",
            ConnectErrorKind::NoTls => "it is https, and the client has no TLS",
            ConnectErrorKind::Tls => "the TLS handshake failed",
            ConnectErrorKind::NoHttp2 => "it does not speak HTTP/2",
            ConnectErrorKind::Failed => "the network failed",
        })
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

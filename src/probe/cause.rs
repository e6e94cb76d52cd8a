//! The cause of a failed probe, in a few words that disclose nothing else.

use std::error::Error;
use std::io::{self, ErrorKind};

use super::client::HttpsUnsupported;
use super::resolver::{Forbidden, Unresolved};
#[cfg(feature = "client-tls")]
use super::tls::HandshakeFailed;
use crate::common::error::chain;

/// Returns the cause of `error` in a few words, for the response of the admin API.
///
/// The text names neither addresses nor anything that the backend sent: a caller could otherwise
/// read from the network of the gateway.
pub(super) fn summarize(error: &(dyn Error + 'static)) -> String {
    chain(error).find_map(known_cause).unwrap_or_else(|| "it gave no response in HTTP".to_owned())
}

/// Returns the cause that one error of a chain names. Texts of unknown errors are not used, since they may
/// have anything in them.
fn known_cause(error: &(dyn Error + 'static)) -> Option<String> {
    if error.is::<Forbidden>() || error.is::<HttpsUnsupported>() {
        return Some(error.to_string());
    }
    if error.is::<Unresolved>() {
        return Some("no such host".to_owned());
    }
    #[cfg(feature = "client-tls")]
    if let Some(error) = error.downcast_ref::<HandshakeFailed>() {
        return Some(tls_cause(error).to_owned());
    }
    error.downcast_ref::<io::Error>().and_then(|error| io_cause(error.kind())).map(str::to_owned)
}

/// Returns the words for a failed handshake: a certificate that is not trusted, which an operator can repair, or any
/// other failure.
#[cfg(feature = "client-tls")]
fn tls_cause(error: &HandshakeFailed) -> &'static str {
    if error.is_certificate_refused() { "its certificate is not trusted" } else { "the TLS handshake failed" }
}

/// Returns the words for an error of the network. `None`: the kind says nothing to an operator.
const fn io_cause(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::ConnectionRefused => "connection refused",
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            "connection closed"
        }
        ErrorKind::HostUnreachable => "host unreachable",
        ErrorKind::NetworkUnreachable => "network unreachable",
        ErrorKind::TimedOut => "connecting took too long",
        _ => return None,
    })
}

//! Why a backend could not be asked, in a few words that give nothing else away.

use std::error::Error;
use std::io::{self, ErrorKind};

use super::client::HttpsNeedsOwnClient;
use super::connector::{Forbidden, Unresolved};
use crate::common::error::chain;

/// The cause of `error`, for who asks: neither addresses nor what a backend said.
pub(super) fn short(error: &(dyn Error + 'static)) -> String {
    chain(error).find_map(known).unwrap_or_else(|| "it gave no answer in HTTP".to_owned())
}

fn known(error: &(dyn Error + 'static)) -> Option<String> {
    if error.is::<Forbidden>() || error.is::<HttpsNeedsOwnClient>() {
        return Some(error.to_string());
    }
    if error.is::<Unresolved>() {
        return Some("no such host".to_owned());
    }
    error.downcast_ref::<io::Error>().and_then(|error| of_io(error.kind())).map(str::to_owned)
}

const fn of_io(kind: ErrorKind) -> Option<&'static str> {
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

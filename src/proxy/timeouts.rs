//! Which errors of a client were caused by a timeout.

use std::error::Error;
use std::io;

use crate::common::error::chain;

/// Returns whether a timeout caused `error`.
///
/// Each error of the chain is looked at, outermost first, since clients wrap the errors of their
/// connectors.
pub(super) fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(is_known_timeout)
}

fn is_known_timeout(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref().is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::TimedOut)
        || error.downcast_ref().is_some_and(hyper::Error::is_timeout)
        || error.is::<tower::timeout::error::Elapsed>()
        || error.is::<tokio::time::error::Elapsed>()
}

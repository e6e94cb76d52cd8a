//! Which errors of a client were caused by a timeout.

use std::error::Error;
use std::io;

use crate::common::error::chain;

/// A check that the application adds, for the errors of its own client.
pub(super) type TimeoutCheck = dyn Fn(&(dyn Error + 'static)) -> bool + Send + Sync;

/// Returns whether a timeout caused `error`: one of the known ones, or one that `check` recognizes.
///
/// Each error of the chain is checked, outermost first, since clients wrap the errors of their
/// connectors.
pub(super) fn is_timeout(error: &(dyn Error + 'static), check: Option<&TimeoutCheck>) -> bool {
    chain(error).any(|cause| is_known_timeout(cause) || check.is_some_and(|check| check(cause)))
}

/// Returns whether one error of a chain is a timeout of a library that is known here.
fn is_known_timeout(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref().is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::TimedOut)
        || error.downcast_ref().is_some_and(hyper::Error::is_timeout)
        || error.is::<tower::timeout::error::Elapsed>()
        || error.is::<tokio::time::error::Elapsed>()
}

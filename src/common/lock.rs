//! Locks that survive a panic of another thread.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex`, also after a thread panicked while it held the lock.
///
/// Every value behind a lock of this crate is valid between two statements: a panic leaves nothing half-written, so the
/// poison flag carries no information.
#[expect(clippy::disallowed_methods, reason = "this is the one place that locks")]
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The failed requests in a row of one instance.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

use http::StatusCode;

/// Decides what becomes of an instance whose row of failures is full.
pub(crate) trait RowObserver: Debug + Send + Sync {
    /// Called by a request that ends: it must not take long.
    fn row_is_full(self: Arc<Self>);
}

/// The failed requests of one instance since its last success, on all threads.
///
/// Each request reads it. It is written by failures, and by the first success after one, so in good times no thread writes
/// its cache lines.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct FailureRow {
    /// The failed requests since the last success.
    length: AtomicU32,
    /// The status of the last failed response, or 0 for none.
    last_status: AtomicU16,
    /// All failed requests.
    failures: AtomicU64,
    /// `None`: the row only counts.
    limit: Option<RowLimit>,
}

/// The length at which a row is full, and the observer that is informed then.
#[derive(Debug)]
struct RowLimit {
    length: u32,
    observer: Arc<dyn RowObserver>,
}

impl FailureRow {
    /// Creates a row that has no limit: it only counts.
    pub(crate) const fn unlimited() -> Self {
        Self {
            length: AtomicU32::new(0),
            last_status: AtomicU16::new(0),
            failures: AtomicU64::new(0),
            limit: None,
        }
    }

    /// Creates a row that is full after `length` failures, at least one.
    pub(crate) fn limited(length: u32, observer: Arc<dyn RowObserver>) -> Self {
        let limit = RowLimit { length: length.max(1), observer };
        Self { limit: Some(limit), ..Self::unlimited() }
    }

    /// Returns the number of failed requests since the last success.
    #[inline]
    pub(crate) fn length(&self) -> u32 {
        // Relaxed, here and below: a hint for choices. The observer's queue has a lock, and decisions read the row
        // after it.
        self.length.load(Ordering::Relaxed)
    }

    /// Sets the length of the row, for an instance that comes into service.
    pub(crate) fn reset(&self, length: u32) {
        self.length.store(length, Ordering::Relaxed);
    }

    /// Returns the number of all failed requests until now.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Returns the status of the last failed response, or `None` if the last failed request had no response.
    pub(crate) fn last_status(&self) -> Option<u16> {
        Some(self.last_status.load(Ordering::Relaxed)).filter(|status| *status > 0)
    }

    /// Ends the row: the instance has succeeded.
    ///
    /// A failure at the same time may be lost from the row: the two have no order.
    #[inline]
    pub(super) fn succeed(&self) {
        // Read first: a write would take the cache line from the other threads.
        if self.length() != 0 {
            self.reset(0);
        }
    }

    /// Adds a failure to the row, and informs the observer if the row is full.
    ///
    /// It is informed again after as many failures more. So an instance that had to stay in service is judged again, and
    /// not at each of its failures.
    #[cold]
    pub(super) fn fail(&self, status: Option<StatusCode>) {
        self.last_status.store(status.map_or(0, |status| status.as_u16()), Ordering::Relaxed);
        self.failures.fetch_add(1, Ordering::Relaxed);
        let length = self.length.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        if let Some(limit) = &self.limit
            && length.is_multiple_of(limit.length)
        {
            Arc::clone(&limit.observer).row_is_full();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Debug, Default)]
    struct Count(AtomicUsize);

    impl RowObserver for Count {
        fn row_is_full(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn full_row_is_observed_again_and_again() {
        let count = Arc::new(Count::default());
        let row = FailureRow::limited(5, Arc::clone(&count) as Arc<dyn RowObserver>);
        let observed = || count.0.load(Ordering::Relaxed);
        (0..4).for_each(|_| row.fail(None));
        row.succeed();
        (0..4).for_each(|_| row.fail(Some(StatusCode::BAD_GATEWAY)));
        assert_eq!((observed(), row.length(), row.failures()), (0, 4, 8));
        assert_eq!(row.last_status(), Some(502));
        row.fail(None);
        assert_eq!((observed(), row.last_status()), (1, None));
        (0..4).for_each(|_| row.fail(None));
        assert_eq!(observed(), 1);
        row.fail(None);
        assert_eq!(observed(), 2);
        // On trial, one failure is enough.
        row.reset(4);
        row.fail(None);
        assert_eq!(observed(), 3);
    }

    #[test]
    fn unlimited_row_only_counts() {
        let row = FailureRow::unlimited();
        (0..100).for_each(|_| row.fail(None));
        assert_eq!((row.length(), row.failures()), (100, 100));
    }
}

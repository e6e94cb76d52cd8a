//! The times of one instance, as people read them.

use std::time::{Instant, SystemTime};

use crate::health::Record;

/// When the state of an instance began, and when its ejection ends, by the clock of this gateway at the change.
///
/// The records have the times of a monotonic clock, which mean nothing outside of the process. The time of day is taken
/// once, at the change: derived at each read, it would differ between two reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) since: SystemTime,
    pub(super) until: Option<SystemTime>,
}

impl Times {
    /// Takes the times of `record`, whose state begins at the time `now`.
    pub(super) fn new(record: &Record, now: Instant) -> Self {
        let since = SystemTime::now();
        let until = record.until().map(|until| until.saturating_duration_since(now));
        Self { since, until: until.map(|rest| since.checked_add(rest).unwrap_or(since)) }
    }
}

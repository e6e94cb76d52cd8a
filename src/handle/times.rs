//! The times of one instance, as people read them.

use std::time::{Instant, SystemTime};

use crate::health::Record;

/// When the state of an instance began, and when its ejection ends, by the clock of this gateway at the change.
///
/// The records count by a clock that never jumps, and that nobody can read. A time that each reader derived from both clocks
/// would differ between two reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) since: SystemTime,
    pub(super) until: Option<SystemTime>,
}

impl Times {
    /// Returns the times of a record whose state begins at the time `now`.
    pub(super) fn of(record: &Record, now: Instant) -> Self {
        let since = SystemTime::now();
        let until = record.until().map(|until| until.saturating_duration_since(now));
        Self { since, until: until.map(|rest| since.checked_add(rest).unwrap_or(since)) }
    }
}

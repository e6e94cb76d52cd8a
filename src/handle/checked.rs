//! The checks of one instance.

use std::time::Instant;

use crate::health::LastCheck;

/// How the checks of one instance ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Checked {
    pub(super) passed: u64,
    pub(super) failed: u64,
    /// The last one, and when it was recorded.
    last: Option<(Instant, LastCheck)>,
}

impl Checked {
    /// Records a check that ended at the time `now`.
    pub(super) fn record(&mut self, check: LastCheck, now: Instant) {
        *(if check.passed { &mut self.passed } else { &mut self.failed }) += 1;
        self.last = Some((now, check));
    }

    /// Returns the last check as it is at the time `now`.
    pub(super) fn last(&self, now: Instant) -> Option<LastCheck> {
        let (recorded, check) = self.last.clone()?;
        Some(LastCheck { age: check.age + now.saturating_duration_since(recorded), ..check })
    }
}

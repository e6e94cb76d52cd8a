//! The results of the checks of one instance.

use crate::health::LastCheck;

/// How many checks of one instance passed and failed, and the last one.
#[derive(Clone, Debug, Default)]
pub(super) struct CheckResults {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) last: Option<LastCheck>,
}

impl CheckResults {
    /// Counts `check`, which becomes the last one.
    pub(super) fn record(&mut self, check: LastCheck) {
        if check.passed {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
        self.last = Some(check);
    }
}

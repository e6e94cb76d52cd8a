//! The checks of one instance.

use crate::health::LastCheck;

/// How the checks of one instance ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Checked {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) last: Option<LastCheck>,
}

impl Checked {
    /// Records a check.
    pub(super) fn record(&mut self, check: LastCheck) {
        *(if check.passed { &mut self.passed } else { &mut self.failed }) += 1;
        self.last = Some(check);
    }
}

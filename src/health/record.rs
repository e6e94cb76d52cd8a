//! The record of one instance.

use std::time::Instant;

use super::instance_state::InstanceState;

/// Everything that is known about the health of one instance.
///
/// `until` is set exactly while the instance is ejected. `trial`, `spared` and `warm_since` are set only while it is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(super) state: InstanceState,
    /// When the state began.
    pub(super) since: Instant,
    /// When the ejection ends, unless checks fail.
    pub(super) until: Option<Instant>,
    /// The last checks. `None`: no check is made, or none has ended.
    pub(super) checks: Option<CheckRow>,
    /// Whether one failed request ejects it again.
    pub(super) trial: bool,
    /// Whether it would have been ejected since its last successful request, but for the limit on ejections.
    pub(super) spared: bool,
    /// Whether it was added to a version that had instances before, and was not in service yet.
    pub(super) joins: bool,
    /// When slow start began. `None`: the instance has its whole share.
    pub(super) warm_since: Option<Instant>,
    /// Number of ejections.
    pub(super) ejections: u32,
    /// The factor of the last ejection's length, before the time in service since then lowers it.
    pub(super) backoff: u32,
    /// Decides how ejections differ from their nominal length.
    pub(super) seed: u64,
}

/// Checks in a row with the same result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CheckRow {
    pub(super) passed: bool,
    pub(super) length: u32,
}

impl Record {
    /// Creates the record of an instance. It is up already, unless checks will decide.
    ///
    /// `seed` differs between gateways and instances, so that ejections do not end at the same time.
    pub(crate) const fn new(is_checked: bool, seed: u64, now: Instant) -> Self {
        Self {
            state: if is_checked { InstanceState::New } else { InstanceState::Up },
            since: now,
            until: None,
            checks: None,
            trial: false,
            spared: false,
            joins: false,
            warm_since: None,
            ejections: 0,
            backoff: 0,
            seed,
        }
    }

    /// Returns the record of an instance that was added to a version with other instances: it starts slowly.
    pub(crate) fn joining(mut self) -> Self {
        match self.state {
            InstanceState::Up => self.warm_since = Some(self.since),
            _ => self.joins = true,
        }
        self
    }

    /// Returns the state that operators see.
    pub(crate) const fn state(&self) -> InstanceState {
        self.state
    }

    /// Returns when the state began.
    pub(crate) const fn since(&self) -> Instant {
        self.since
    }

    /// Returns when the ejection ends, unless checks fail.
    pub(crate) const fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Returns whether one failed request ejects it again.
    pub(crate) const fn is_on_trial(&self) -> bool {
        self.trial
    }

    /// Returns the number of ejections.
    pub(crate) const fn ejections(&self) -> u32 {
        self.ejections
    }

    /// Returns whether the last check contradicts the state, so that the next one is due soon.
    pub(crate) fn is_undecided(&self) -> bool {
        let Some(checks) = self.checks else { return false };
        match self.state {
            InstanceState::New => false,
            InstanceState::Up | InstanceState::Ejected => !checks.passed,
            InstanceState::Down => checks.passed,
        }
    }

    /// Returns whether time or a successful request may change the record, so that it has to be looked at periodically.
    pub(crate) const fn needs_tick(&self) -> bool {
        self.until.is_some() || self.trial || self.spared || self.warm_since.is_some()
    }

    /// Returns whether the last check failed.
    pub(super) fn is_failing(&self) -> bool {
        self.checks.is_some_and(|checks| !checks.passed)
    }

    /// Counts a check and returns how many in a row had its result.
    pub(super) fn count_check(&mut self, passed: bool) -> u32 {
        let before = self.checks.filter(|checks| checks.passed == passed).map_or(0, |checks| checks.length);
        let length = before.saturating_add(1);
        self.checks = Some(CheckRow { passed, length });
        length
    }
}

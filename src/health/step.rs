//! The state machine of one instance.
//!
//! | state | event | next |
//! | --- | --- | --- |
//! | new | a check passed | up |
//! | new | a check failed | down |
//! | new, down, ejected | the row of failed requests is full | unchanged |
//! | up | `falls` checks in a row failed | down |
//! | up | the row of failed requests is full, and not too many are out | ejected |
//! | up | the row is full, and too many are out | spared: up, reported once until a request succeeds |
//! | down | `rises` checks in a row passed | up |
//! | ejected | its time is over, and the last check did not fail | up on trial |
//! | ejected | `falls` checks in a row failed | down |
//! | new, down | no checks are made any more | up |
//! | ejected | an operator clears it | up on trial |
//!
//! A check that passes does not end an ejection by itself: an instance that answers checks and fails requests would come
//! back with each check.

use std::time::{Duration, Instant};

use super::event::{Event, Transition};
use super::instance_state::InstanceState;
use super::record::Record;
use super::settings::Health;
use super::slow_start::is_warming;
use crate::common::hash::mix;

/// The time in service that takes back one ejection.
const FORGIVEN_AFTER: Duration = Duration::from_mins(5);

/// Returns the record after `event`, and a change that operators are informed of.
///
/// `may_eject`: the version has enough other instances in service.
pub(super) fn step(
    settings: &Health,
    record: &Record,
    event: Event,
    may_eject: bool,
    now: Instant,
) -> (Record, Option<Transition>) {
    let mut next = record.clone();
    let transition = match event {
        Event::CheckPassed => next.check_passed(settings, now),
        Event::CheckFailed => next.check_failed(settings, now),
        Event::RowFull => next.row_full(settings, may_eject, now),
        Event::RowCleared => next.row_cleared(),
        Event::Unchecked => next.unchecked(now),
        Event::Cleared => next.cleared(now),
        Event::Time => next.time_passed(settings, now),
    };
    (next, transition)
}

impl Record {
    /// A check passed. A new instance enters service with the first one, one that was down needs several. An
    /// ejected one is in service again only when its time is over: checks do not see why requests fail.
    fn check_passed(&mut self, settings: &Health, now: Instant) -> Option<Transition> {
        let passed = self.count_check(true);
        match self.state {
            InstanceState::New => Some(self.enter_service(now)),
            InstanceState::Down if passed >= settings.rises() => Some(self.enter_service(now)),
            InstanceState::Ejected => self.return_if_over(now),
            InstanceState::Down | InstanceState::Up => None,
        }
    }

    /// A check failed. A new instance is down with the first one, since it has never worked.
    fn check_failed(&mut self, settings: &Health, now: Instant) -> Option<Transition> {
        let failed = self.count_check(false);
        let is_down = match self.state {
            InstanceState::New => true,
            InstanceState::Up | InstanceState::Ejected => failed >= settings.falls(),
            InstanceState::Down => false,
        };
        is_down.then(|| {
            self.enter(InstanceState::Down, now);
            Transition::Down
        })
    }

    /// Too many requests failed in a row. If no more instances may be ejected, this one is spared, which is
    /// reported once.
    fn row_full(&mut self, settings: &Health, may_eject: bool, now: Instant) -> Option<Transition> {
        // Of an instance that is out of service, the last requests end now, or it is tried because no other is usable.
        if !self.state.is_up() {
            return None;
        }
        if may_eject {
            return Some(self.eject(settings, now));
        }
        let is_first = !self.spared;
        self.spared = true;
        is_first.then_some(Transition::Spared)
    }

    /// A request succeeded: the trial is over, and the next full row is reported again if the instance is spared.
    fn row_cleared(&mut self) -> Option<Transition> {
        self.trial = false;
        self.spared = false;
        None
    }

    /// The version lost its health path. Results of checks mean nothing any more, and an ejection stays: it
    /// comes from requests.
    fn unchecked(&mut self, now: Instant) -> Option<Transition> {
        self.checks = None;
        match self.state {
            InstanceState::New | InstanceState::Down => Some(self.enter_service(now)),
            InstanceState::Up | InstanceState::Ejected => None,
        }
    }

    /// An operator ends the ejection. The instance is on trial, as after the end of its time.
    fn cleared(&mut self, now: Instant) -> Option<Transition> {
        (self.state == InstanceState::Ejected).then(|| self.return_on_trial(now))
    }

    /// Some time passed: a slow start or an ejection may be over. An instance whose checks fail does not come
    /// back.
    fn time_passed(&mut self, settings: &Health, now: Instant) -> Option<Transition> {
        if self.state == InstanceState::Up && !is_warming(settings, self, now) {
            self.warm_since = None;
        }
        if self.is_failing() { None } else { self.return_if_over(now) }
    }

    /// Ends an ejection whose time is over.
    fn return_if_over(&mut self, now: Instant) -> Option<Transition> {
        let is_over = self.until.is_some_and(|until| until <= now);
        is_over.then(|| self.return_on_trial(now))
    }

    /// Takes the instance out of service. Each ejection is longer than the last, and a long time in service
    /// shortens the next one again. The length is jittered, so that instances do not return together.
    fn eject(&mut self, settings: &Health, now: Instant) -> Transition {
        let served = now.saturating_duration_since(self.since);
        let forgiven = u32::try_from(served.as_secs() / FORGIVEN_AFTER.as_secs()).unwrap_or(u32::MAX);
        self.backoff = self.backoff.saturating_sub(forgiven).saturating_add(1);
        self.ejections = self.ejections.saturating_add(1);
        let lasts = jittered(settings.ejection(self.backoff), self.seed ^ u64::from(self.ejections));
        self.enter(InstanceState::Ejected, now);
        self.until = Some(now + lasts);
        Transition::Ejected { lasts }
    }

    /// Puts an instance into service because of its checks, or because none are made.
    fn enter_service(&mut self, now: Instant) -> Transition {
        // A new one starts slowly beside others only. At the start of the process all are new.
        let is_slow = self.joins || self.state == InstanceState::Down;
        self.enter(InstanceState::Up, now);
        self.warm_since = is_slow.then_some(now);
        Transition::Up { trial: false }
    }

    /// Puts an ejected instance into service, slowly, and with one failure allowed.
    fn return_on_trial(&mut self, now: Instant) -> Transition {
        self.enter(InstanceState::Up, now);
        self.trial = true;
        self.warm_since = Some(now);
        Transition::Up { trial: true }
    }

    /// Enters `state`, and drops what belongs to the state before.
    fn enter(&mut self, state: InstanceState, now: Instant) {
        self.state = state;
        self.since = now;
        self.until = None;
        self.trial = false;
        self.spared = false;
        self.joins = false;
        self.warm_since = None;
    }
}

/// Lengthens or shortens `nominal` by up to 10 %, always the same for the same `seed`.
fn jittered(nominal: Duration, seed: u64) -> Duration {
    // 0 to 2^16 - 1 becomes 0 % to 20 %.
    let fifth = nominal / 5;
    let part = u32::from((mix(seed) >> 48) as u16);
    nominal - fifth / 2 + fifth * part / (1 << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    /// One instance, with a clock that the test moves.
    struct One {
        settings: Health,
        record: Record,
        now: Instant,
        may_eject: bool,
    }

    impl One {
        fn new(is_checked: bool) -> Self {
            let now = Instant::now();
            let settings = Health::new();
            Self { settings, record: Record::new(is_checked, 7, now), now, may_eject: true }
        }

        /// An instance that its first check found up.
        fn up() -> Self {
            let mut one = Self::new(true);
            assert_eq!(one.see(Event::CheckPassed), Some(Transition::Up { trial: false }));
            one
        }

        fn see(&mut self, event: Event) -> Option<Transition> {
            let (next, transition) = step(&self.settings, &self.record, event, self.may_eject, self.now);
            self.record = next;
            transition
        }

        fn wait(&mut self, time: Duration) -> Option<Transition> {
            self.now += time;
            self.see(Event::Time)
        }

        fn eject(&mut self) -> Duration {
            match self.see(Event::RowFull) {
                Some(Transition::Ejected { lasts }) => lasts,
                other => panic!("{other:?}"),
            }
        }

        fn state(&self) -> InstanceState {
            self.record.state()
        }
    }

    #[test]
    fn first_check_decides() {
        let mut one = One::new(true);
        assert_eq!((one.state(), one.see(Event::RowFull)), (InstanceState::New, None));
        assert_eq!(one.see(Event::CheckFailed), Some(Transition::Down));
        assert_eq!(One::up().state(), InstanceState::Up);
        assert_eq!(One::new(false).state(), InstanceState::Up, "nothing is checked");
    }

    // A lost packet takes nothing out.
    #[test]
    fn checks_fail_in_a_row_until_down() {
        let mut one = One::up();
        for _ in 0..10 {
            assert_eq!((one.see(Event::CheckFailed), one.see(Event::CheckFailed)), (None, None));
            assert!(one.record.is_undecided());
            assert_eq!(one.see(Event::CheckPassed), None);
            assert!(!one.record.is_undecided());
        }
        let ends = [Event::CheckFailed; 4].map(|event| one.see(event));
        assert_eq!(ends, [None, None, Some(Transition::Down), None]);
        assert!(!one.record.is_undecided());
    }

    #[test]
    fn checks_pass_in_a_row_until_up() {
        let mut one = One::new(true);
        one.see(Event::CheckFailed);
        assert_eq!((one.see(Event::CheckPassed), one.see(Event::CheckFailed)), (None, None));
        assert_eq!(one.see(Event::CheckPassed), None);
        assert!(one.record.is_undecided());
        assert_eq!(one.see(Event::CheckPassed), Some(Transition::Up { trial: false }));
    }

    // Requests and checks do not fight over one flag: an instance that answers checks alone stays out.
    #[test]
    fn a_check_alone_ends_no_ejection() {
        let mut one = One::up();
        let lasts = one.eject();
        for _ in 0..5 {
            assert_eq!(one.see(Event::CheckPassed), None);
        }
        assert_eq!(one.wait(lasts - Duration::from_millis(1)), None);
        assert_eq!(one.wait(Duration::from_millis(1)), Some(Transition::Up { trial: true }));
        assert!(one.record.is_on_trial());
    }

    #[test]
    fn ejection_outlasts_failing_checks() {
        let mut one = One::up();
        one.eject();
        one.see(Event::CheckFailed);
        assert_eq!(one.wait(MINUTE), None, "its last check failed");
        assert_eq!(one.see(Event::CheckPassed), Some(Transition::Up { trial: true }));
        one.eject();
        let ends = [Event::CheckFailed; 3].map(|event| one.see(event));
        assert_eq!(ends, [None, None, Some(Transition::Down)]);
        assert_eq!((one.record.until(), one.wait(10 * MINUTE)), (None, None));
    }

    #[test]
    fn ejections_grow_and_are_forgiven() {
        let mut one = One::new(false);
        for nominal in [30, 60, 90] {
            let lasts = one.eject();
            assert!((nominal * 900..=nominal * 1_100).contains(&lasts.as_millis()), "{nominal} s: {lasts:?}");
            one.wait(lasts);
        }
        // Two of the three are taken back, and this one is added.
        one.now += 2 * FORGIVEN_AFTER;
        let lasts = one.eject().as_millis();
        assert!((54_000..=66_000).contains(&lasts), "{lasts} ms");
        assert_eq!(one.record.ejections(), 4);
    }

    #[test]
    fn trial_ends_with_a_success() {
        let mut one = One::new(false);
        let lasts = one.eject();
        one.wait(lasts);
        assert_eq!(one.see(Event::RowCleared), None);
        assert!(!one.record.is_on_trial() && one.state().is_up());
    }

    #[test]
    fn sparing_is_reported_once() {
        let mut one = One::up();
        one.may_eject = false;
        assert_eq!((one.see(Event::RowFull), one.see(Event::RowFull)), (Some(Transition::Spared), None));
        one.see(Event::RowCleared);
        assert_eq!(one.see(Event::RowFull), Some(Transition::Spared));
        one.may_eject = true;
        one.eject();
        assert_eq!(one.see(Event::RowFull), None, "late ends of requests change nothing");
    }

    #[test]
    fn without_checks_nothing_stays_down() {
        let mut one = One::new(true);
        one.see(Event::CheckFailed);
        assert_eq!(one.see(Event::Unchecked), Some(Transition::Up { trial: false }));
        let lasts = one.eject();
        one.see(Event::CheckFailed);
        assert_eq!(one.see(Event::Unchecked), None, "an ejection is not about checks");
        assert_eq!(one.wait(lasts), Some(Transition::Up { trial: true }));
    }

    #[test]
    fn operator_ends_an_ejection_only() {
        let mut one = One::up();
        one.eject();
        assert_eq!(one.see(Event::Cleared), Some(Transition::Up { trial: true }));
        let mut down = One::new(true);
        down.see(Event::CheckFailed);
        assert_eq!((down.see(Event::Cleared), down.state()), (None, InstanceState::Down));
    }

    // A process that starts finds all instances new: none of them is cold.
    #[test]
    fn slow_start_begins_on_a_return() {
        let is_slow = |one: &One| one.record.warm_since.is_some();
        assert!(!is_slow(&One::up()));
        let mut joining = One::new(true);
        joining.record = joining.record.joining();
        joining.see(Event::CheckPassed);
        assert!(is_slow(&joining));
        let mut returning = One::new(true);
        returning.see(Event::CheckFailed);
        returning.see(Event::CheckPassed);
        returning.see(Event::CheckPassed);
        assert!(is_slow(&returning) && returning.record.needs_tick());
        returning.settings = Health::new().with_slow_start(MINUTE);
        returning.wait(MINUTE - Duration::from_secs(1));
        assert!(is_slow(&returning));
        returning.wait(Duration::from_secs(1));
        assert!(!is_slow(&returning) && !returning.record.needs_tick());
    }

    #[test]
    fn jitter_is_within_a_tenth_and_spread() {
        let lengths: Vec<u128> = (0..1_000).map(|seed| jittered(MINUTE, seed).as_millis()).collect();
        assert!(lengths.iter().all(|length| (54_000..66_000).contains(length)));
        let longer = lengths.iter().filter(|length| **length > 60_000).count();
        assert!((400..600).contains(&longer), "{longer}");
        assert_eq!(jittered(MINUTE, 7), jittered(MINUTE, 7));
    }
}

//! Events of one instance among the others of its version.

use std::time::Instant;

use super::event::{Event, Transition};
use super::record::Record;
use super::settings::Health;
use super::step::step;

/// Applies `event` to the instance `i` of the version with these `records`, and returns a change that operators are
/// informed of.
///
/// An index out of range changes nothing.
pub(crate) fn apply(
    settings: &Health,
    records: &mut [Record],
    i: usize,
    event: Event,
    now: Instant,
) -> Option<Transition> {
    let may_eject = may_eject(records);
    let record = records.get_mut(i)?;
    let (next, transition) = step(settings, record, event, may_eject, now);
    *record = next;
    transition
}

/// Returns whether one instance that is up may be ejected: at most half of them, rounded down, may then be out of service.
///
/// Instances that are down count as well. Otherwise ejections could take the last ones that checks have left.
fn may_eject(records: &[Record]) -> bool {
    let out = records.iter().filter(|record| !record.state.is_up()).count();
    out < records.len() / 2
}

/// The properties that hold after any sequence of events, and the lessons that others learned from their users.
#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::health::instance_state::InstanceState;
    use crate::health::usable::{is_none_usable, usable};

    /// Longer than any ejection.
    const LONG: Duration = Duration::from_secs(400);

    const EVENTS: [Event; 7] = [
        Event::CheckPassed,
        Event::CheckFailed,
        Event::RowFull,
        Event::RowCleared,
        Event::Unchecked,
        Event::Cleared,
        Event::Time,
    ];

    struct Version {
        settings: Health,
        records: Vec<Record>,
        now: Instant,
    }

    impl Version {
        /// A version with `count` instances that are up.
        fn up(count: usize) -> Self {
            Self::new(count, false)
        }

        fn new(count: usize, is_checked: bool) -> Self {
            let now = Instant::now();
            let records = (0..count).map(|i| Record::new(is_checked, i as u64, now)).collect();
            Self { settings: Health::new(), records, now }
        }

        fn see(&mut self, i: usize, event: Event) -> Option<Transition> {
            apply(&self.settings, &mut self.records, i, event, self.now)
        }

        fn count(&self, state: InstanceState) -> usize {
            self.records.iter().filter(|record| record.state() == state).count()
        }

        fn usable(&self) -> u64 {
            usable(&self.settings, &self.records)
        }

        fn check_invariants(&self) {
            let count = self.records.len();
            assert!(self.count(InstanceState::Ejected) <= count / 2, "{:?}", self.records);
            assert_ne!(self.usable(), 0);
            for record in &self.records {
                assert_eq!(record.until().is_some(), record.state() == InstanceState::Ejected);
                assert!(record.state().is_up() || !(record.trial || record.spared));
                assert!(record.state().is_up() || record.warm_since.is_none());
            }
        }
    }

    #[test]
    fn half_rounded_down_is_ejected() {
        let most: Vec<usize> = (1..=7)
            .map(|count| {
                let mut version = Version::up(count);
                for i in 0..count {
                    version.see(i, Event::RowFull);
                }
                version.count(InstanceState::Ejected)
            })
            .collect();
        assert_eq!(most, [0, 1, 1, 2, 2, 3, 3]);
    }

    // Four instances, of which checks took two out: ejections must not take the rest.
    #[test]
    fn down_instances_count_towards_the_limit() {
        let mut version = Version::new(4, true);
        for (i, event) in [Event::CheckPassed, Event::CheckPassed, Event::CheckFailed, Event::CheckFailed]
            .into_iter()
            .enumerate()
        {
            version.see(i, event);
        }
        assert_eq!(version.see(0, Event::RowFull), Some(Transition::Spared));
        assert_eq!(version.usable(), 0b0011);
    }

    #[test]
    fn spared_instance_is_ejected_once_another_returns() {
        let mut version = Version::up(2);
        assert!(matches!(version.see(0, Event::RowFull), Some(Transition::Ejected { .. })));
        assert_eq!(version.see(1, Event::RowFull), Some(Transition::Spared));
        version.now += LONG;
        assert_eq!(version.see(0, Event::Time), Some(Transition::Up { trial: true }));
        assert!(matches!(version.see(1, Event::RowFull), Some(Transition::Ejected { .. })));
    }

    // No panic at a percentage: while one is up, it serves alone.
    #[test]
    fn the_last_one_up_serves_alone() {
        let mut version = Version::new(3, true);
        version.see(2, Event::CheckPassed);
        for i in 0..2 {
            version.see(i, Event::CheckFailed);
        }
        assert_eq!(version.usable(), 0b100);
    }

    // A wrong health path for all is no outage, unless the settings say so.
    #[test]
    fn all_are_tried_when_none_is_usable() {
        let mut version = Version::new(3, true);
        for i in 0..3 {
            version.see(i, Event::CheckFailed);
        }
        assert!(is_none_usable(&version.records));
        assert_eq!(version.usable(), 0b111);
        for settings in [Health::new().refusing(), Health::new().failover()] {
            version.settings = settings;
            assert_eq!(version.usable(), 0);
        }
    }

    // A server is not up until its first check, and a process that starts refuses nothing.
    #[test]
    fn new_instances_serve_only_alone() {
        let mut version = Version::new(3, true);
        version.settings = Health::new().refusing();
        assert_eq!((version.usable(), is_none_usable(&version.records)), (0b111, false));
        version.see(0, Event::CheckFailed);
        assert_eq!(version.usable(), 0b110, "of the others nothing bad is known");
        version.see(1, Event::CheckPassed);
        assert_eq!(version.usable(), 0b010);
    }

    #[test]
    fn words_hold_64_instances() {
        let mut version = Version::up(64);
        assert_eq!(version.usable(), u64::MAX);
        version.see(63, Event::RowFull);
        assert_eq!(version.usable(), u64::MAX >> 1);
        assert_eq!(version.see(64, Event::RowFull), None, "out of range");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn limits_hold_and_all_can_return(
            count in 1usize..=9,
            is_checked: bool,
            events in prop::collection::vec((0usize..9, 0usize..EVENTS.len(), 0u64..400), 0..200),
        ) {
            let mut version = Version::new(count, is_checked);
            for (i, event, seconds) in events {
                version.now += Duration::from_secs(seconds / 20);
                let transition = version.see(i % count, EVENTS[event]);
                version.check_invariants();
                if matches!(transition, Some(Transition::Ejected { .. })) {
                    prop_assert!(version.count(InstanceState::Up) >= count.div_ceil(2));
                    prop_assert!(count > 1, "the only instance was ejected");
                }
            }
            version.now += LONG;
            for i in 0..count {
                for _ in 0..version.settings.rises() {
                    version.see(i, Event::CheckPassed);
                }
                version.see(i, Event::Time);
            }
            prop_assert_eq!(version.count(InstanceState::Up), count);
        }

        #[test]
        fn only_strict_settings_always_have_one_usable(
            events in prop::collection::vec((0usize..3, 0usize..EVENTS.len()), 0..100),
        ) {
            let mut version = Version::new(3, true);
            version.settings = Health::new().refusing();
            for (i, event) in events {
                version.see(i, EVENTS[event]);
                prop_assert_eq!(version.usable() == 0, is_none_usable(&version.records));
                prop_assert_ne!(usable(&Health::new(), &version.records), 0);
            }
        }
    }
}

//! Slots: a change moves the fewest, no user leaves a version that grew, and the map stays a short list of runs.

use proptest::prelude::*;
use tower_canary::routing::{Change, Point, Route, SlotMap, Split};

use crate::support::*;

/// Users moved by a re-weight, and users who left a version whose share did not shrink, in percent of all slots.
fn moved(before: &[f64], after: &[f64]) -> (f64, f64) {
    let old = split(before);
    let new = old.apply(&set_weights(after), at(3)).unwrap();
    let mut thrown = 0;
    for slot in 0..10_000 {
        let from = old.slots().version_at(slot);
        let to = new.slots().version_at(slot);
        if from != to {
            let share = |split: &Split| from.and_then(|v| split.version(v.as_str())).map(|v| v.weight);
            thrown += i32::from(share(&new) >= share(&old));
        }
    }
    (old.slots().moved(new.slots()) as f64 / 100.0, f64::from(thrown) / 100.0)
}

// No slot leaves a version that grows.
#[test]
fn fewest_slots_move() {
    for (before, after, minimum) in [
        (&[90.0, 10.0][..], &[80.0, 20.0][..], 10.0),
        (&[90.0, 5.0, 5.0], &[70.0, 15.0, 15.0], 20.0),
        (&[90.0, 5.0, 5.0], &[70.0, 10.0, 20.0], 20.0),
        (&[50.0, 40.0, 10.0], &[50.0, 20.0, 30.0], 20.0),
    ] {
        assert_eq!(moved(before, after), (minimum, 0.0), "{before:?} to {after:?}");
    }
}

// Through 1,000 random weight changes.
#[test]
fn slot_map_stays_a_few_runs() {
    let mut chance = Chance(7);
    for versions in 2..=6 {
        let mut split = whole_split(versions);
        let mut runs = Vec::new();
        for _ in 0..1_000 {
            split = split.apply(&set_weights(&chance.weights(versions)), at(3)).unwrap();
            runs.push(split.slots().runs().count());
        }
        let most = runs.iter().max().unwrap();
        let mean = runs.iter().sum::<usize>() as f64 / 1_000.0;
        println!("{versions} versions, 1,000 random re-weights: at most {most} runs, {mean:.1} on average");
        assert!(*most <= 8 * versions, "{most} runs");
    }
}

#[test]
fn slot_text_totals_10_000() {
    for text in ["v1:10000", "v1:9000,v2:1000", ""] {
        assert_eq!(text.parse::<SlotMap>().unwrap().to_string(), text);
    }
    for text in ["v1:9999", "v1:10001", "v1", "v1:-1", "V1:10000", "v1:10000,", "v1:9000,v2:1000,v3:x", ","] {
        assert!(text.parse::<SlotMap>().is_err(), "{text}");
    }
    // 2^32 + 10,000 slots.
    let many = format!("{}v0:10001", "v0:65535,".repeat(65_537));
    assert!(many.parse::<SlotMap>().is_err());
}

proptest! {
    #[test]
    fn slot_map_round_trips(steps in steps()) {
        let split = run(steps, |_, _, _| ());
        prop_assert_eq!(&split.slots().to_string().parse::<SlotMap>().unwrap(), split.slots());
    }

    // The SQL store relies on it: slots without versions say that rows are lost.
    #[test]
    fn slots_are_empty_without_active_version(steps in steps()) {
        run(steps, |_, change, outcome| if let Ok(after) = outcome {
            assert_eq!(after.slots().to_string().is_empty(), !after.has_active(), "after {change:?}");
        });
    }

    #[test]
    fn route_matches_slots_and_weights(steps in steps()) {
        let split = run(steps, |_, _, _| ());
        let route = Route::compile(split.clone());
        let mut drawn = std::collections::BTreeMap::<_, u16>::new();
        for point in (0..10_000).map(|p| Point::new(p).unwrap()) {
            prop_assert_eq!(route.version_of_slot(point).map(|v| &v.name), split.slots().version_at(point.get()));
            if let Some(version) = route.version_at(point) {
                *drawn.entry(version.id).or_default() += 1;
            }
        }
        for version in split.versions() {
            prop_assert_eq!(drawn.get(&version.id).copied().unwrap_or(0), version.weight.hundredths());
        }
    }
}

#[test]
fn removed_version_has_no_slot() {
    let off = split(&[90.0, 10.0]).apply(&set_active(1, false), at(3)).unwrap();
    let gone = off.apply(&Change::remove(name(1)), at(4)).unwrap();
    assert_eq!(gone.slots().to_string(), "v0:10000");
}

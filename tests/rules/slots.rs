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

#[test]
fn re_weights_move_the_minimum_and_throw_nobody_back() {
    for (before, after, minimum) in [
        (&[90.0, 10.0][..], &[80.0, 20.0][..], 10.0),
        (&[90.0, 5.0, 5.0], &[70.0, 15.0, 15.0], 20.0),
        (&[90.0, 5.0, 5.0], &[70.0, 10.0, 20.0], 20.0),
        (&[50.0, 40.0, 10.0], &[50.0, 20.0, 30.0], 20.0),
    ] {
        assert_eq!(moved(before, after), (minimum, 0.0), "{before:?} to {after:?}");
    }
}

#[test]
fn a_map_stays_a_short_list_of_runs_through_1_000_random_re_weights() {
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
fn a_texts_slots_total_10_000() {
    for text in ["v1:10000", "v1:9000,v2:1000", ""] {
        assert_eq!(text.parse::<SlotMap>().unwrap().to_string(), text);
    }
    for text in ["v1:9999", "v1:10001", "v1", "v1:-1", "V1:10000", "v1:10000,", "v1:9000,v2:1000,v3:x", ","] {
        assert!(text.parse::<SlotMap>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn a_map_is_read_back_as_it_was_written(steps in steps()) {
        let split = run(steps, |_, _, _| ());
        prop_assert_eq!(&split.slots().to_string().parse::<SlotMap>().unwrap(), split.slots());
    }

    #[test]
    fn a_route_gives_every_point_and_slot_to_the_version_that_has_it(steps in steps()) {
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
fn a_removed_version_leaves_no_slot_behind() {
    let off = split(&[90.0, 10.0]).apply(&set_active(1, false), at(3)).unwrap();
    let gone = off.apply(&Change::remove(name(1)), at(4)).unwrap();
    assert_eq!(gone.slots().to_string(), "v0:10000");
}

//! The rules of a split: the effect of each change, and the invariants that hold after any sequence of changes.

use proptest::prelude::*;
use tower_canary::Weight;
use tower_canary::routing::{Change, ChangeError, SLOTS, Split, VersionId, VersionShare};

use crate::support::*;

fn refused(split: &Split, change: &Change) -> ChangeError {
    split.apply(change, at(9)).unwrap_err()
}

fn applied(split: &Split, change: &Change) -> Split {
    split.apply(change, at(9)).unwrap()
}

fn total(split: &Split) -> u32 {
    split.versions().iter().map(|v| u32::from(v.weight.hundredths())).sum()
}

/// Returns the number of slots that a version has.
fn slots_held(split: &Split, id: VersionId) -> usize {
    let holders = (0..SLOTS).filter_map(|slot| split.slots().version_at(slot));
    holders.filter(|name| split.version(name.as_str()).is_some_and(|version| version.id == id)).count()
}

/// Returns the weight of a version, or 0 if the split does not have it.
fn hundredths_of(split: &Split, id: VersionId) -> i32 {
    let version = split.versions().iter().find(|version| version.id == id);
    version.map_or(0, |version| i32::from(version.weight.hundredths()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    // The total is 0 if no version is active.
    #[test]
    fn weights_total_100_after_any_change(steps in steps()) {
        run(steps, |_, change, outcome| if let Ok(after) = outcome {
            let whole = if after.has_active() { u32::from(SLOTS) } else { 0 };
            assert_eq!(total(after), whole, "after {change:?}");
            assert!(after.versions().iter().all(|v| v.active || v.weight.is_zero()));
        });
    }

    #[test]
    fn slots_match_weights_and_move_least(steps in steps()) {
        run(steps, |before, change, outcome| if let Ok(after) = outcome {
            for version in after.versions() {
                assert_eq!(slots_held(after, version.id), usize::from(version.weight.hundredths()), "{change:?}");
            }
            if before.has_active() && after.has_active() {
                let grown: i32 = after.versions().iter().map(|v| (hundredths_of(after, v.id) - hundredths_of(before, v.id)).max(0)).sum();
                assert_eq!(i32::try_from(before.slots().moved(after.slots())).unwrap(), grown, "{change:?}");
            }
        });
    }

    #[test]
    fn generation_counts_real_changes(steps in steps()) {
        run(steps, |before, change, outcome| if let Ok(after) = outcome {
            if after.generation() == before.generation() {
                assert_eq!(before, after);
            } else {
                assert_eq!(after.generation(), before.generation() + 1);
                let state = |split: &Split| (split.versions().to_vec(), split.settings(), split.is_removed());
                assert_ne!(state(before), state(after), "{change:?}");
            }
        });
    }

    // Registering and removing are not.
    #[test]
    fn changes_are_idempotent(steps in steps()) {
        run(steps, |_, change, outcome| match (change, outcome) {
            (Change::Register(_) | Change::Remove { .. }, _) | (_, Err(_)) => {}
            (_, Ok(after)) => assert_eq!(after.apply(change, at(99)).as_ref(), Ok(after), "{change:?}"),
        });
    }

    #[test]
    fn stored_parts_round_trip(steps in steps()) {
        let split = run(steps, |_, _, _| ());
        prop_assert_eq!(Split::from_parts(split.clone().into_parts()), (split, false));
    }

    #[test]
    fn restore_returns_shares_or_is_refused(steps in steps()) {
        run(steps, |before, change, outcome| if let Change::Restore { shares, .. } = change {
            match outcome {
                Ok(after) => for share in shares {
                    let version = after.version(share.version.as_str());
                    assert!(version.map_or(!share.active, |v| (v.weight, v.active) == (share.weight, share.active)));
                    assert!(version.is_none_or(|v| Some(&v.instances) == share.instances.as_ref()));
                },
                Err(ChangeError::RestoreGone { version, .. }) => assert!(before.version(version.as_str()).is_none()),
                Err(ChangeError::ServiceRemoved(_)) => assert!(before.is_removed()),
                Err(error) => assert!(matches!(error, ChangeError::RestoreEmpty { .. }), "{error}"),
            }
        });
    }

    // An inactive version gets no weight.
    #[test]
    fn edited_weights_are_scaled_to_100(
        stored in prop::collection::vec((0u16..=10_000, any::<bool>()), 1..6),
    ) {
        let mut whole = vec![0.0; stored.len()];
        whole[0] = 100.0;
        let mut parts = split(&whole).into_parts();
        for (version, (weight, active)) in parts.versions.iter_mut().zip(&stored) {
            version.weight = Weight::from_hundredths(*weight).unwrap();
            version.active = *active;
        }
        let (repaired, _) = Split::from_parts(parts);
        prop_assert_eq!(total(&repaired), if repaired.has_active() { u32::from(SLOTS) } else { 0 });
        let sum: u32 = stored.iter().filter(|(_, active)| *active).map(|(w, _)| u32::from(*w)).sum();
        for (version, (weight, active)) in repaired.versions().iter().zip(&stored) {
            let ideal = if !active || sum == 0 { 0.0 } else { f64::from(*weight) * 100.0 / f64::from(sum) };
            let oldest_of_zeros = sum == 0 && version.weight == Weight::FULL;
            prop_assert!(oldest_of_zeros || (version.weight.percent() - ideal).abs() < 0.01);
            prop_assert!(*active || version.weight.is_zero());
        }
    }
}

// A later version gets 0 unless it names a weight.
#[test]
fn first_version_takes_all() {
    let first = applied(&Split::new("auth".parse().unwrap(), 7), &Change::Register(registration(0)));
    assert_eq!(percents(&first), [100.0]);
    let second = applied(&first, &Change::Register(registration(1)));
    assert_eq!(percents(&second), [100.0, 0.0]);
    let third = applied(&second, &Change::Register(registration(2).with_weight(weight(12.34))));
    assert_eq!(percents(&third), [87.66, 0.0, 12.34]);
}

#[test]
fn first_version_must_weigh_100() {
    let empty = Split::new("auth".parse().unwrap(), 7);
    let tenth = registration(0).with_weight(weight(10.0));
    assert_eq!(refused(&empty, &Change::Register(tenth)), ChangeError::FirstVersionNeedsAll(name(0)));
    let all = registration(0).with_weight(Weight::FULL);
    assert_eq!(percents(&applied(&empty, &Change::Register(all))), [100.0]);
}

#[test]
fn name_is_registered_once() {
    assert_eq!(
        refused(&split(&[100.0]), &Change::Register(registration(0))),
        ChangeError::DuplicateVersion(name(0))
    );
}

// Remainders go to the largest, then to the oldest.
#[test]
fn others_share_the_rest_by_weight() {
    assert_eq!(percents(&applied(&split(&[60.0, 30.0, 10.0]), &set_weight(2, 55.0))), [30.0, 15.0, 55.0]);
    assert_eq!(percents(&applied(&split(&[50.0, 50.0, 0.0]), &set_weight(2, 0.01))), [50.0, 49.99, 0.01]);
    assert_eq!(
        percents(&applied(&split(&[33.34, 33.33, 33.33]), &set_weight(0, 50.01))),
        [50.01, 25.0, 24.99]
    );
}

// With several such versions, the change is ambiguous.
#[test]
fn rest_goes_to_a_single_zero_version() {
    assert_eq!(percents(&applied(&split(&[100.0, 0.0]), &set_weight(0, 90.0))), [90.0, 10.0]);
    assert_eq!(
        refused(&split(&[100.0, 0.0, 0.0]), &set_weight(0, 90.0)),
        ChangeError::AmbiguousRebalance(name(0))
    );
    assert_eq!(refused(&split(&[100.0]), &set_weight(0, 90.0)), ChangeError::OnlyVersionNeedsAll(name(0)));
    assert_eq!(percents(&applied(&split(&[100.0]), &set_weight(0, 100.0))), [100.0]);
}

#[test]
fn inactive_version_has_no_weight() {
    let off = applied(&split(&[100.0, 0.0]), &set_active(1, false));
    assert_eq!(refused(&off, &set_weight(1, 10.0)), ChangeError::VersionInactive(name(1)));
    assert_eq!(refused(&off, &set_weights(&[90.0, 10.0])), ChangeError::VersionInactive(name(1)));
    let new = registration(2).with_weight(weight(10.0)).with_active(false);
    assert_eq!(refused(&off, &Change::Register(new)), ChangeError::VersionInactive(name(2)));
}

// Versions left out get 0.
#[test]
fn whole_split_must_total_100() {
    let three = split(&[60.0, 30.0, 10.0]);
    assert_eq!(percents(&applied(&three, &set_weights(&[70.0, 30.0]))), [70.0, 30.0, 0.0]);
    assert_eq!(refused(&three, &set_weights(&[70.0, 29.99])), ChangeError::WrongTotal { hundredths: 9_999 });
    assert_eq!(refused(&three, &set_weights(&[])), ChangeError::WrongTotal { hundredths: 0 });
    let all = Change::set_weights((0..429_498).map(|i| (name(i), weight(100.0))));
    assert_eq!(refused(&three, &all), ChangeError::WrongTotal { hundredths: u32::MAX });
    let unknown = Change::SetWeights([(name(9), Weight::FULL)].into());
    assert_eq!(refused(&three, &unknown), ChangeError::UnknownVersion(name(9)));
}

#[test]
fn switch_reactivates_a_version() {
    let switched = applied(&split(&[90.0, 10.0]), &Change::switch(name(1)));
    let off = applied(&switched, &set_active(0, false));
    let back = applied(&off, &Change::switch(name(0)));
    assert_eq!(percents(&back), [100.0, 0.0]);
    assert!(back.versions().iter().all(|v| v.active));
}

// The others get it in proportion to their weights.
#[test]
fn deactivation_shares_the_weight() {
    assert_eq!(percents(&applied(&split(&[60.0, 30.0, 10.0]), &set_active(0, false))), [0.0, 75.0, 25.0]);
    assert_eq!(percents(&applied(&split(&[100.0, 0.0]), &set_active(0, false))), [0.0, 100.0]);
    assert_eq!(
        refused(&split(&[100.0, 0.0, 0.0]), &set_active(0, false)),
        ChangeError::AmbiguousRebalance(name(0))
    );
}

// It returns at 100.
#[test]
fn last_active_version_needs_force() {
    let one = split(&[100.0]);
    assert_eq!(refused(&one, &set_active(0, false)), ChangeError::LastActiveVersion(name(0)));
    let none = applied(&one, &Change::force_deactivate(name(0)));
    assert!(!none.has_active());
    assert_eq!(percents(&applied(&none, &set_active(0, true))), [100.0]);
}

#[test]
fn reactivated_version_starts_at_zero() {
    let off = applied(&split(&[90.0, 10.0]), &set_active(1, false));
    assert_eq!(percents(&applied(&off, &set_active(1, true))), [100.0, 0.0]);
}

// A new URL keeps the weight.
#[test]
fn active_version_is_not_removed() {
    let two = split(&[90.0, 10.0]);
    assert_eq!(refused(&two, &Change::remove(name(1))), ChangeError::VersionActive(name(1)));
    let gone = applied(&applied(&two, &set_active(1, false)), &Change::remove(name(1)));
    assert_eq!(gone.versions().len(), 1);
    let moved = applied(&two, &Change::set_url(name(1), "http://h".parse().unwrap()));
    assert_eq!((percents(&moved), moved.versions()[1].backend().as_str()), (vec![90.0, 10.0], "http://h"));
}

#[test]
fn reused_name_is_a_new_version() {
    let off = applied(&split(&[90.0, 10.0]), &set_active(1, false));
    let again = applied(&applied(&off, &Change::remove(name(1))), &Change::Register(registration(1)));
    assert_ne!(again.versions()[1].id, off.versions()[1].id);
}

#[test]
fn only_changed_versions_are_stamped() {
    let after = applied(&split(&[60.0, 40.0, 0.0]), &set_weights(&[70.0, 30.0, 0.0]));
    let stamps: Vec<_> = after.versions().iter().map(|v| v.updated_at).collect();
    assert_eq!(stamps, [at(9), at(9), at(1)]);
}

// The first version of a service is not one of them.
#[test]
fn newly_serving_gain_traffic_or_move() {
    fn serving(before: &Split, change: &Change) -> Vec<String> {
        let after = applied(before, change);
        before.newly_serving(&after).map(|v| v.name.to_string()).collect()
    }

    let two = split(&[100.0, 0.0]);
    assert_eq!(serving(&Split::new("auth".parse().unwrap(), 7), &Change::Register(registration(0))), [""; 0]);
    assert_eq!(serving(&two, &set_weight(1, 10.0)), ["v1"]);
    assert_eq!(serving(&two, &Change::Register(registration(2))), [""; 0]);
    assert_eq!(serving(&two, &Change::Register(registration(2).with_weight(weight(5.0)))), ["v2"]);
    let moved = Change::set_url(name(0), "http://h".parse().unwrap());
    assert_eq!(serving(&two, &moved), ["v0"]);
    assert_eq!(serving(&split(&[90.0, 10.0]), &set_weight(1, 20.0)), [""; 0]);
}

// A history that was edited by hand may have another total.
#[test]
fn restore_must_total_100() {
    fn restore(shares: Vec<VersionShare>) -> Change {
        Change::restore_shares(1, shares)
    }

    fn share(i: usize, percent: f64) -> VersionShare {
        VersionShare::new(name(i), weight(percent), true)
    }

    let two = split(&[90.0, 10.0]);
    assert_eq!(refused(&two, &restore(vec![share(1, 50.0)])), ChangeError::WrongTotal { hundredths: 5_000 });
    let twice = refused(&two, &restore(vec![share(0, 100.0), share(1, 100.0)]));
    assert_eq!(twice, ChangeError::WrongTotal { hundredths: 20_000 });
    // The first share of a version counts: a sum over both would pass the check, and only one of them would be
    // restored.
    let halves = refused(&two, &restore(vec![share(0, 50.0), share(0, 50.0)]));
    assert_eq!(halves, ChangeError::WrongTotal { hundredths: 5_000 });
    let inactive = VersionShare::new(name(0), weight(0.0), false);
    let contradiction = refused(&two, &restore(vec![inactive, share(0, 100.0)]));
    assert_eq!(contradiction, ChangeError::RestoreEmpty { generation: 1 });
}

#[test]
fn older_duplicate_version_stays() {
    let mut parts = split(&[60.0, 40.0]).into_parts();
    parts.versions[1].name = name(0);
    let (repaired, was_repaired) = Split::from_parts(parts);
    assert!(was_repaired);
    assert_eq!((percents(&repaired), repaired.slots().to_string().as_str()), (vec![100.0], "v0:10000"));
}

#[test]
fn an_update_is_both_or_neither() {
    let url: tower_canary::Backend = "http://h".parse().unwrap();
    let two = split(&[90.0, 10.0]);
    let updated = applied(&two, &Change::update(name(1), url.clone(), false));
    assert_eq!((percents(&updated), updated.generation()), (vec![100.0, 0.0], two.generation() + 1));
    assert_eq!((updated.versions()[1].backend(), updated.versions()[1].active), (&url, false));
    assert_eq!(
        refused(&updated, &Change::update(name(0), url, false)),
        ChangeError::LastActiveVersion(name(0))
    );
    assert_eq!(updated.versions()[0].backend().as_str(), "http://10.0.0.0:8080");
}

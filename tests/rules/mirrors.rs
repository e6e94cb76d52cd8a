//! The mirror of a split, by the rules alone.

use proptest::prelude::*;
use tower_canary::routing::{Change, ChangeError, MirrorShare, Split};

use crate::support::*;

fn applied(split: &Split, change: &Change) -> Split {
    split.apply(change, at(9)).unwrap()
}

fn set_mirror(i: usize, percent: f64) -> Change {
    Change::set_mirror(name(i), weight(percent))
}

fn mirrored() -> Split {
    applied(&split(&[100.0, 0.0]), &set_mirror(1, 10.0))
}

proptest! {
    // Whatever happens, also a restore of any generation: the mirror is one of an active version.
    #[test]
    fn mirror_is_of_an_active_version(steps in steps()) {
        run(steps, |before, change, outcome| {
            let Ok(after) = outcome else { return };
            if let Some(mirror) = after.mirror() {
                assert!(after.version(mirror.version.as_str()).unwrap().active);
                assert!(!mirror.share.is_zero());
            }
            if let Change::SetMirror { mirror, .. } = change {
                assert_eq!(after.mirror(), mirror.as_ref());
                assert_eq!((after.shares(), after.slots()), (before.shares(), before.slots()));
                assert_eq!(after.versions(), before.versions(), "no version changes, nor its time");
                assert_eq!(after.generation() > before.generation(), before.mirror() != mirror.as_ref());
            }
            assert_eq!(Split::from_parts(after.clone().into_parts()), (after.clone(), false));
        });
    }
}

#[test]
fn mirror_of_no_active_version_is_refused() {
    let split = applied(&split(&[100.0, 0.0, 0.0]), &set_active(2, false));
    for (change, error, words) in [
        (set_mirror(9, 10.0), ChangeError::UnknownVersion(name(9)), "register it first"),
        (set_mirror(2, 10.0), ChangeError::MirrorInactive(name(2)), "activate it first"),
        (set_mirror(1, 0.0), ChangeError::MirrorWithoutShare, "or remove the mirror"),
    ] {
        let refused = split.apply(&change, at(9)).unwrap_err();
        assert!(refused.to_string().ends_with(words), "{refused}");
        assert_eq!(refused, error);
    }
}

#[test]
fn mirror_ends_with_its_version() {
    let split = mirrored();
    assert_eq!(split.mirror(), Some(&MirrorShare::new(name(1), weight(10.0))));
    let update = Change::update(name(1), "http://h".parse().unwrap(), false);
    for change in [set_active(1, false), update, Change::force_remove_service()] {
        let after = applied(&split, &change);
        assert_eq!((after.mirror(), after.generation()), (None, split.generation() + 1), "{change}");
    }
    // It does not come back with the version.
    assert_eq!(applied(&applied(&split, &set_active(1, false)), &set_active(1, true)).mirror(), None);
    for change in [Change::switch(name(1)), Change::switch(name(0)), Change::Redraw, set_weight(1, 5.0)] {
        assert_eq!(applied(&split, &change).mirror(), split.mirror(), "{change}");
    }
}

#[test]
fn restore_brings_back_the_mirror() {
    let before = mirrored();
    let without = applied(&before, &Change::remove_mirror());
    assert_eq!(applied(&without, &restore_whole(&before)).mirror(), before.mirror());
    let other = applied(&before, &set_mirror(0, 50.0));
    assert_eq!(applied(&other, &restore_whole(&before)).mirror(), before.mirror());
    assert_eq!(applied(&other, &restore_whole(&without)).mirror(), None);
    // Without recorded settings it stays.
    let shares = Change::restore_shares(before.generation(), before.shares());
    assert_eq!(applied(&other, &shares).mirror(), other.mirror());
}

#[test]
fn broken_mirror_is_repaired() {
    for mirror in [MirrorShare::new(name(9), weight(10.0)), MirrorShare::new(name(1), weight(0.0))] {
        let mut parts = split(&[100.0, 0.0]).into_parts();
        parts.mirror = Some(mirror);
        assert_eq!(Split::from_parts(parts), (split(&[100.0, 0.0]), true));
    }
    let mut parts = mirrored().into_parts();
    parts.versions[1].active = false;
    assert_eq!(Split::from_parts(parts).0.mirror(), None);
}

#[cfg(feature = "serde")]
#[test]
fn mirror_has_its_form() {
    use serde_json::json;

    use crate::serde::{has_form, refusal};

    has_form(&set_mirror(1, 12.5), json!({"kind": "set-mirror", "mirror": {"version": "v1", "share": 12.5}}));
    has_form(&Change::remove_mirror(), json!({"kind": "set-mirror", "mirror": null}));
    has_form(&MirrorShare::new(name(1), weight(10.0)), json!({"version": "v1", "share": 10}));
    assert!(refusal::<Change>(json!({"kind": "set-mirror"})).contains("missing field `mirror`"));
    let typo = json!({"kind": "set-mirror", "mirror": {"version": "v1", "share": 10, "percent": 10}});
    assert!(refusal::<Change>(typo).contains("unknown field `percent`"));
    let split = serde_json::to_value(mirrored()).unwrap();
    assert_eq!(split["mirror"], json!({"version": "v1", "share": 10}));
    assert_eq!(serde_json::from_value::<Split>(split).unwrap(), mirrored());
}

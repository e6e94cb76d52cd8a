//! Restored generations and removed services, by the rules alone.

use tower_canary::routing::{Change, ChangeError, Split, VersionShare};

use crate::support::*;

fn refused(split: &Split, change: &Change) -> ChangeError {
    split.apply(change, at(9)).unwrap_err()
}

fn applied(split: &Split, change: &Change) -> Split {
    split.apply(change, at(9)).unwrap()
}

fn backend(url: &str) -> tower_canary::Backend {
    url.parse().unwrap()
}

fn restore(split: &Split) -> Change {
    Change::restore_shares(split.generation(), split.shares())
}

#[test]
fn restore_brings_back_urls() {
    let before = split(&[90.0, 10.0]);
    let moved = applied(&before, &Change::set_url(name(0), backend("http://h")));
    let off = applied(&moved, &Change::update(name(1), backend("http://h"), false));
    let back = applied(&off, &restore(&before));
    assert_eq!(back.shares(), before.shares());
    // Its other URL gets traffic, so both versions are probed.
    let probed: Vec<_> = off.newly_serving(&back).map(|version| version.name.as_str()).collect();
    assert_eq!(probed, ["v0", "v1"]);
}

#[test]
fn restore_brings_back_a_replaced_version() {
    let before = split(&[90.0, 10.0]);
    let without = applied(&applied(&before, &set_active(1, false)), &Change::remove(name(1)));
    let again = applied(&without, &Change::register(name(1), backend("http://h")));
    let back = applied(&again, &restore(&before));
    assert_eq!(back.shares(), before.shares());
    assert_ne!(back.versions()[1].id, before.versions()[1].id);
}

// A release that recorded no URLs.
#[test]
fn restore_refuses_a_replaced_version_without_url() {
    let before = split(&[90.0, 10.0]);
    let shares: Vec<_> = before
        .shares()
        .into_iter()
        .map(|share: VersionShare| VersionShare::new(share.version, share.weight, share.active))
        .collect();
    let restore = Change::restore_recorded(before.generation(), shares, None, Some(at(2)));
    let moved = applied(&before, &Change::set_url(name(1), backend("http://h")));
    assert_eq!(applied(&moved, &restore).versions()[1].backend(), &backend("http://h"));
    let without = applied(&applied(&before, &set_active(1, false)), &Change::remove(name(1)));
    let again = applied(&without, &Change::register(name(1), backend("http://h")));
    let replaced = ChangeError::RestoreReplaced { generation: before.generation(), versions: vec![name(1)] };
    assert!(replaced.to_string().contains("v1"), "{replaced}");
    assert_eq!(refused(&again, &restore), replaced);
}

#[test]
fn health_path_is_set_and_restored() {
    let before = split(&[100.0]);
    let set = applied(&before, &Change::set_health_path(Some("/up".parse().unwrap())));
    assert_eq!((set.generation(), set.versions()), (before.generation() + 1, before.versions()));
    assert_eq!(applied(&set, &Change::set_health_path(Some("/up".parse().unwrap()))), set);
    let whole = Change::restore_recorded(1, before.shares(), Some(before.settings()), None);
    let back = applied(&set, &whole);
    assert_eq!(back.settings(), before.settings());
    assert_eq!(applied(&set, &restore(&before)).health_path(), set.health_path(), "none was recorded");
}

#[test]
fn service_is_removed_without_active_versions() {
    let two = split(&[100.0, 0.0]);
    let active = ChangeError::ServiceActive(vec![name(0), name(1)]);
    assert_eq!(refused(&two, &Change::remove_service()), active);
    let off = applied(&applied(&two, &set_active(1, false)), &Change::force_deactivate(name(0)));
    let removed = applied(&off, &Change::remove_service());
    assert_eq!(removed, applied(&off, &Change::force_remove_service()));
    assert!(removed.is_removed() && removed.versions().is_empty() && removed.slots().to_string().is_empty());
    assert_eq!(applied(&removed, &Change::remove_service()), removed);
    for change in [Change::Redraw, Change::switch(name(0)), restore(&two)] {
        assert_eq!(
            refused(&removed, &change),
            ChangeError::ServiceRemoved("auth".parse().unwrap()),
            "{change}"
        );
    }
    let again = applied(&removed, &Change::Register(registration(0)));
    assert_eq!((again.is_removed(), percents(&again)), (false, vec![100.0]));
}

// Of a forged or edited split.
#[test]
fn counters_do_not_overflow() {
    let mut parts = split(&[90.0, 10.0]).into_parts();
    parts.generation = u64::MAX;
    parts.pin_epoch = u64::MAX;
    let full = Split::from_parts(parts.clone()).0;
    for change in [set_weight(1, 20.0), Change::Redraw, Change::Register(registration(2))] {
        assert_eq!(refused(&full, &change), ChangeError::TooManyChanges, "{change}");
    }
    assert_eq!(applied(&full, &set_weight(1, 10.0)), full);
    parts.generation = 7;
    let full_epoch = Split::from_parts(parts).0;
    assert_eq!(refused(&full_epoch, &Change::Redraw), ChangeError::TooManyChanges);
    assert_eq!(applied(&full_epoch, &set_weight(1, 20.0)).generation(), 8);
}

//! The base URLs of a version: added, removed and replaced.

use proptest::prelude::*;
use tower_canary::Backend;
use tower_canary::routing::{Change, ChangeError, Instances, InvalidInstances, Split, UrlChange};
use tower_canary::store::{ChangeRequest, Clearance, StoreError};

use crate::support::*;

fn urls(numbers: impl IntoIterator<Item = usize>) -> Instances {
    let backends = numbers.into_iter().map(|i| format!("http://10.0.1.{i}").parse().unwrap());
    Instances::new(backends.collect()).unwrap()
}

fn list(instances: &Instances) -> Vec<Backend> {
    instances.iter().cloned().collect()
}

fn applied(split: &Split, change: &Change) -> Split {
    split.apply(change, at(9)).unwrap()
}

/// Returns a split whose only version has `instances`.
fn split_at(instances: &Instances) -> Split {
    applied(&split(&[100.0]), &Change::set_urls(name(0), instances.clone()))
}

fn is_subset(some: &Instances, all: &Instances) -> bool {
    some.iter().all(|backend| all.contains(backend))
}

proptest! {
    #[test]
    fn union_keeps_the_order(own in instances(), added in instances()) {
        let union = own.with(&added).unwrap();
        prop_assert_eq!(&list(&union)[..own.len().get()], &list(&own)[..]);
        let new: Vec<Backend> = added.iter().filter(|backend| !own.contains(backend)).cloned().collect();
        prop_assert_eq!(&list(&union)[own.len().get()..], &new[..]);
        prop_assert_eq!(Instances::new(list(&union)), Ok(union.clone()), "no URL is there twice");
        prop_assert_eq!(union.with(&added), Ok(union.clone()));
        prop_assert_eq!(union.with(&own), Ok(union));
    }

    #[test]
    fn difference_keeps_the_order(own in instances(), removed in instances()) {
        let rest: Vec<Backend> = own.iter().filter(|backend| !removed.contains(backend)).cloned().collect();
        prop_assert_eq!(own.without(&removed), Instances::new(rest).ok());
        if let Some(rest) = own.without(&removed) {
            prop_assert_eq!(rest.without(&removed), Some(rest));
        }
    }

    #[test]
    fn adding_what_is_there_changes_nothing(own in instances(), added in instances()) {
        let split = split_at(&own.with(&added).unwrap());
        prop_assert_eq!(applied(&split, &Change::add_urls(name(0), added)), split);
    }

    #[test]
    fn removing_what_is_not_there_changes_nothing(own in instances(), other in instances()) {
        prop_assume!(own.iter().all(|backend| !other.contains(backend)));
        let split = split_at(&own);
        prop_assert_eq!(applied(&split, &Change::remove_urls(name(0), other)), split);
    }

    // In any order, with any other URLs in between.
    #[test]
    fn scalers_do_not_undo_each_other(
        own in instances(),
        changes in prop::collection::vec((any::<bool>(), instances()), 0..8),
        mine in 100usize..200,
    ) {
        let mine = urls([mine]);
        let mut split = applied(&split_at(&own), &Change::add_urls(name(0), mine.clone()));
        for (adds, others) in changes {
            let change = if adds { UrlChange::Add(others) } else { UrlChange::Remove(others) };
            split = applied(&split, &change_urls(name(0), change));
            prop_assert!(is_subset(&mine, &split.versions()[0].instances));
        }
    }

    #[test]
    fn a_version_never_loses_its_last_url(own in instances(), change in url_change()) {
        let split = split_at(&own);
        match split.apply(&change_urls(name(0), change.clone()), at(9)) {
            Ok(after) => prop_assert!(after.versions()[0].instances.len().get() >= 1),
            Err(error) => {
                prop_assert_eq!(error, ChangeError::LastInstance(name(0)));
                prop_assert!(matches!(&change, UrlChange::Remove(urls) if is_subset(&own, urls)));
            }
        }
    }

    // A loss of URLs needs no check: all that stay have been serving.
    #[test]
    fn only_new_urls_are_newly_serving(own in instances(), change in url_change()) {
        let split = split_at(&own);
        if let Ok(after) = split.apply(&change_urls(name(0), change), at(9)) {
            let is_new = !is_subset(&after.versions()[0].instances, &own);
            prop_assert_eq!(split.newly_serving(&after).count(), usize::from(is_new));
        }
    }

    #[test]
    fn url_changes_keep_weights_and_slots(own in instances(), change in url_change()) {
        let before = applied(&split(&[90.0, 10.0]), &Change::set_urls(name(1), own));
        if let Ok(after) = before.apply(&change_urls(name(1), change), at(9)) {
            prop_assert_eq!(percents(&after), percents(&before));
            prop_assert_eq!(after.slots(), before.slots());
            prop_assert_eq!(&after.versions()[0], &before.versions()[0]);
        }
    }

    #[test]
    fn order_of_backends_agrees_with_equality(a in "[Hh]ttps?://[aA][bB]?(:8[01])?(/[xX])?/?", b in "http://[aA](:80)?/?") {
        let parsed = (a.parse::<Backend>(), b.parse::<Backend>());
        if let (Ok(a), Ok(b)) = parsed {
            prop_assert_eq!(a == b, a.cmp(&b).is_eq());
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        }
    }
}

#[test]
fn at_most_64_urls_are_added() {
    let split = split_at(&urls(0..60));
    let full = applied(&split, &Change::add_urls(name(0), urls(56..64)));
    assert_eq!(full.versions()[0].instances, urls(0..64));
    let too_many = ChangeError::Instances(InvalidInstances::TooMany { count: 65 });
    let one_too_many = urls(std::iter::once(0).chain(2..65));
    let one_more = split.apply(&Change::add_urls(name(0), one_too_many), at(9));
    assert_eq!(one_more, Err(too_many.clone()), "all or none is added");
    assert_eq!(full.apply(&Change::add_urls(name(0), urls([64])), at(9)), Err(too_many));
    assert_eq!(applied(&full, &Change::add_urls(name(0), urls(0..64))), full);
}

#[test]
fn last_url_is_not_removed() {
    let two = split_at(&urls([1, 2]));
    let refused = two.apply(&Change::remove_urls(name(0), urls([2, 3, 1])), at(9)).unwrap_err();
    assert_eq!(refused, ChangeError::LastInstance(name(0)));
    assert_eq!(
        refused.to_string(),
        "version v0 would have no base URL: add another first, or remove the version"
    );
    let one = applied(&two, &Change::remove_urls(name(0), urls([1, 3])));
    assert_eq!(one.versions()[0].instances, urls([2]));
}

// Its order matters to a gateway of an earlier release, which serves the first.
#[test]
fn another_order_is_a_change() {
    let two = split_at(&urls([1, 2]));
    let turned = applied(&two, &Change::set_urls(name(0), urls([2, 1])));
    assert_eq!((turned.generation(), &turned.versions()[0].instances), (two.generation() + 1, &urls([2, 1])));
    assert_eq!(two.newly_serving(&turned).count(), 0);
}

#[test]
fn other_spelling_is_no_change() {
    let split = split_at(&urls([1, 2]));
    let spelled: Backend = "http://10.0.1.2/".parse().unwrap();
    assert_eq!(applied(&split, &Change::add_urls(name(0), spelled.clone().into())), split);
    let rest = applied(&split, &Change::remove_urls(name(0), spelled.into()));
    assert_eq!(rest.versions()[0].instances, urls([1]));
}

#[test]
fn update_of_urls_is_both_or_neither() {
    fn update(change: UrlChange, active: bool) -> Change {
        Change::update_urls(name(1), change, active)
    }

    let before = applied(&split(&[90.0, 10.0]), &Change::set_urls(name(1), urls([1, 2])));
    let less = applied(&before, &update(UrlChange::Remove(urls([1])), false));
    assert_eq!((percents(&less), &less.versions()[1].instances), (vec![100.0, 0.0], &urls([2])));
    let more = applied(&less, &update(UrlChange::Add(urls([1, 3])), true));
    assert_eq!((more.versions()[1].active, &more.versions()[1].instances), (true, &urls([2, 1, 3])));
    let refused = before.apply(&update(UrlChange::Remove(urls([1, 2])), false), at(9));
    assert_eq!(refused, Err(ChangeError::LastInstance(name(1))));
}

#[test]
fn restore_brings_back_all_urls() {
    let before = split_at(&urls([1, 2, 3]));
    let moved = applied(&before, &Change::set_urls(name(0), urls([4])));
    let restore = Change::restore_shares(before.generation(), before.shares());
    let back = applied(&moved, &restore);
    assert_eq!(back.shares(), before.shares());
    assert_eq!(moved.newly_serving(&back).count(), 1);
    let less = applied(&before, &Change::remove_urls(name(0), urls([1])));
    assert_eq!(applied(&less, &restore).shares(), before.shares());
}

#[test]
fn url_changes_have_words() {
    let texts = [
        Change::Register(registration(0).with_instances(urls([1, 2]))),
        Change::set_urls(name(0), urls([1, 2, 3])),
        Change::add_urls(name(0), urls([1])),
        Change::remove_urls(name(0), urls([1, 2])),
        Change::update_urls(name(0), UrlChange::Set(urls([1, 2])), true),
        Change::update_urls(name(0), UrlChange::Remove(urls([1])), false),
    ]
    .map(|change| change.to_string().replace("http://10.0.1.", "#"));
    let expected = [
        "register v0 at #1 and #2",
        "set-urls v0 to #1, #2 and #3",
        "add-urls #1 to v0",
        "remove-urls #1 and #2 from v0",
        "update v0 to #1 and #2, active",
        "update v0 by removing #1, inactive",
    ];
    assert_eq!(texts, expected);
}

/// Returns the base URLs of `v0` that are to be checked before `change`, if `cleared` were checked already.
fn unchecked(split: &Split, change: &Change, cleared: &[Instances]) -> Option<Instances> {
    let mut request = ChangeRequest::new(change.clone(), "alice");
    request.clearance = Clearance::Only(cleared.iter().map(|urls| (name(0), urls.clone())).collect());
    match request.decide(split, at(9)) {
        Ok(_) => None,
        Err(StoreError::NotCleared { mut versions, .. }) => Some(versions.remove(0).instances),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn only_added_urls_are_checked() {
    let two = split_at(&urls([1, 2]));
    let add = Change::add_urls(name(0), urls([2, 3, 4]));
    assert_eq!(unchecked(&two, &add, &[]), Some(urls([3, 4])));
    assert_eq!(unchecked(&two, &add, &[urls([3])]), Some(urls([4])));
    assert_eq!(unchecked(&two, &add, &[urls([3]), urls([4])]), None);
    assert_eq!(unchecked(&two, &Change::set_urls(name(0), urls([3, 1])), &[]), Some(urls([3])));
    assert_eq!(unchecked(&two, &Change::remove_urls(name(0), urls([1])), &[]), None);
    // Another writer added one since the check.
    let three = applied(&two, &Change::add_urls(name(0), urls([5])));
    assert_eq!(unchecked(&three, &add, &[urls([3, 4])]), None);
}

#[test]
fn all_urls_are_checked_before_traffic() {
    let idle = applied(&split(&[0.0, 100.0]), &Change::set_urls(name(0), urls([1, 2])));
    let switch = Change::switch(name(0));
    for cleared in [&[][..], &[urls([1]), urls([2])], &[urls([1, 2, 3])], &[urls([2, 1])]] {
        assert_eq!(unchecked(&idle, &switch, cleared), Some(urls([1, 2])), "{cleared:?}");
    }
    assert_eq!(unchecked(&idle, &switch, &[urls([1, 2])]), None);
    assert_eq!(unchecked(&idle, &Change::add_urls(name(0), urls([3])), &[]), None);
}

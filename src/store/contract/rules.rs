//! The rules of a split.

use std::time::SystemTime;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::support::{apply, auth, by_alice, register, version};
use crate::routing::{Backend, Change, Instances, Registration, Split, UrlChange, VersionName, Weight};
use crate::store::change_request::ChangeRequest;
use crate::store::error::StoreError;
use crate::store::routes::RouteStore;

/// After any sequence of changes, the store has the split that
/// [`ChangeRequest::decide`](crate::store::ChangeRequest::decide) makes of it, and it refuses a change for the same
/// reason. The store must be empty. [`random_changes`] returns such sequences.
///
/// See the [module docs](super) for an example.
pub async fn changes_match_the_split_rules(
    store: &dyn RouteStore,
    changes: impl IntoIterator<Item = Change>,
) {
    let mut model = apply(store, register("v0")).await.after;
    for change in changes {
        model = commit_and_decide(store, model, change).await;
        let stored = store.load(0).await.unwrap().splits;
        assert_eq!(stored, std::slice::from_ref(&model), "the store and the rules must make the same split");
    }
}

/// Commits `change` to the store, and asserts that the rules decide the same of `model`. Returns the split after it,
/// which is `model` if the change was refused.
async fn commit_and_decide(store: &dyn RouteStore, model: Split, change: Change) -> Split {
    // With a salt of its own, so that both start a removed service again with the same one.
    let request = by_alice(change).with_salt(7);
    match store.commit(&auth(), &request).await {
        Ok(applied) => {
            let change = &request.change;
            // A change that changes nothing has no entry. It sets no time either, so the time of the entry before will
            // do.
            let at = store.history(&auth(), None, 1).await.unwrap()[0].at;
            assert_eq!(applied.before, model, "the split before: {change}");
            assert_eq!(request.decide(&model, at).unwrap(), applied.after, "the split after: {change}");
            applied.after
        }
        Err(error) => {
            assert_refused_by_the_rules(&request, &model, &error);
            model
        }
    }
}

/// Asserts that the rules refuse `request` for the reason for which the store refused it.
fn assert_refused_by_the_rules(request: &ChangeRequest, model: &Split, found: &StoreError) {
    let expected = request.decide(model, SystemTime::now());
    let is_same = match (found, &expected) {
        (StoreError::Refused(found), Err(StoreError::Refused(expected))) => found == expected,
        (StoreError::UnknownService(_), Err(StoreError::UnknownService(_))) => true,
        _ => false,
    };
    assert!(is_same, "to {}, the store returned {found:?} and the rules {expected:?}", request.change);
}

/// Returns 1 to 23 random changes of four versions, the same for the same `seed`. Many of them are refused.
///
/// The changes of many seeds have every kind except [`Change::Restore`]: it names shares that the history recorded, and
/// there is no history before the changes are made.
/// [`history_has_all_base_urls`](super::history_has_all_base_urls) and
/// [`history_has_the_mirror`](super::history_has_the_mirror) restore.
///
/// See the [module docs](super) for an example.
#[must_use]
pub fn random_changes(seed: u64) -> Vec<Change> {
    let mut random = StdRng::seed_from_u64(seed);
    let count = random.random_range(1..24);
    (0..count).map(|_| random_change(&mut random)).collect()
}

/// Draws a change of any kind but [`Change::Restore`]. There are few names and URLs, so that changes meet the same
/// versions often.
fn random_change(random: &mut StdRng) -> Change {
    let name = random_name(random);
    match random.random_range(0..30) {
        0..3 => Change::Register(random_registration(random, name)),
        3..7 => Change::set_weight(name, random_weight(random)),
        7..9 => random_weights(random, name),
        9..11 => Change::switch(name),
        11 => Change::activate(name),
        12 => Change::deactivate(name),
        13 => Change::force_deactivate(name),
        14 => Change::set_url(name, random_url(random)),
        15 => Change::remove(name),
        16 => Change::set_health_path(random.random_bool(0.5).then(|| "/healthz".parse().unwrap())),
        17 => Change::remove_service(),
        18 if random.random_bool(0.3) => Change::force_remove_service(),
        19 => Change::set_urls(name, random_urls(random)),
        20..22 => Change::add_urls(name, random_urls(random)),
        22..24 => Change::remove_urls(name, random_urls(random)),
        24..26 => Change::set_mirror(name, random_weight(random)),
        26 => Change::remove_mirror(),
        27..30 => random_update(random, name),
        _ => Change::Redraw,
    }
}

/// Changes base URLs and the active flag of `version` at once.
fn random_update(random: &mut StdRng, version: VersionName) -> Change {
    let urls = random_urls(random);
    let urls = match random.random_range(0..3) {
        0 => UrlChange::Set(urls),
        1 => UrlChange::Add(urls),
        _ => UrlChange::Remove(urls),
    };
    Change::Update { version, urls, active: random.random_bool(0.5), force: random.random_bool(0.3) }
}

fn random_registration(random: &mut StdRng, name: VersionName) -> Registration {
    let mut registration = Registration::new(name, random_url(random));
    registration.weight = random.random_bool(0.5).then(|| random_weight(random));
    registration.active = random.random_bool(0.5);
    if random.random_bool(0.3) {
        return registration.with_instances(random_urls(random));
    }
    registration
}

/// Gives `name` and another version weights that total 100 percent.
fn random_weights(random: &mut StdRng, name: VersionName) -> Change {
    let weight = random_weight(random);
    let rest = Weight::from_hundredths(10_000 - weight.hundredths()).unwrap();
    Change::SetWeights([(name, weight), (random_name(random), rest)].into())
}

fn random_name(random: &mut StdRng) -> VersionName {
    version(&format!("v{}", random.random_range(0..4)))
}

fn random_url(random: &mut StdRng) -> Backend {
    format!("http://10.0.0.{}/b", random.random_range(0..3)).parse().unwrap()
}

/// Returns one to three different base URLs.
fn random_urls(random: &mut StdRng) -> Instances {
    let mut urls = vec![random_url(random)];
    for _ in 0..2 {
        let url = random_url(random);
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    Instances::new(urls).unwrap()
}

fn random_weight(random: &mut StdRng) -> Weight {
    Weight::from_hundredths(random.random_range(0..=10_000)).unwrap()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_but_restore_is_drawn() {
        let drawn: Vec<Change> = (0..24).flat_map(random_changes).collect();
        let kinds: BTreeSet<&str> = drawn.iter().map(Change::kind).collect();
        let expected = [
            "activate",
            "add-urls",
            "deactivate",
            "redraw",
            "register",
            "remove",
            "remove-service",
            "remove-urls",
            "set-health-path",
            "set-mirror",
            "set-urls",
            "set-weight",
            "set-weights",
            "switch",
            "update",
        ];
        assert_eq!(kinds, BTreeSet::from(expected));
    }
}

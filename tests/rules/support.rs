//! Splits and random changes for the tests of the rules.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use tower_canary::routing::{Change, ChangeError, Instances, Registration, Split, UrlChange};
use tower_canary::{VersionName, Weight};

pub(crate) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

pub(crate) fn name(i: usize) -> VersionName {
    format!("v{i}").parse().unwrap()
}

pub(crate) fn weight(percent: f64) -> Weight {
    Weight::try_from(percent).unwrap()
}

pub(crate) fn registration(i: usize) -> Registration {
    Registration::new(name(i), format!("http://10.0.0.{i}:8080").parse().unwrap())
}

/// Returns a split with one active version per weight; `v0` is the oldest.
pub(crate) fn split(percents: &[f64]) -> Split {
    let mut split = Split::new("auth".parse().unwrap(), 7);
    for i in 0..percents.len() {
        split = split.apply(&Change::Register(registration(i)), at(1)).unwrap();
    }
    split.apply(&set_weights(percents), at(2)).unwrap()
}

pub(crate) fn set_weights(percents: &[f64]) -> Change {
    Change::SetWeights(percents.iter().enumerate().map(|(i, p)| (name(i), weight(*p))).collect())
}

pub(crate) fn set_weight(i: usize, percent: f64) -> Change {
    Change::set_weight(name(i), weight(percent))
}

pub(crate) fn set_active(i: usize, active: bool) -> Change {
    set_active_or_force(i, active, false)
}

pub(crate) fn percents(split: &Split) -> Vec<f64> {
    split.versions().iter().map(|v| v.weight.percent()).collect()
}

/// Pseudorandom numbers, the same for the same seed.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    /// Returns weights for `versions` versions that total 100 percent.
    pub(crate) fn weights(&mut self, versions: usize) -> Vec<f64> {
        let mut cuts: Vec<u64> = (1..versions).map(|_| self.below(10_001)).chain([0, 10_000]).collect();
        cuts.sort_unstable();
        cuts.windows(2).map(|w| (w[1] - w[0]) as f64 / 100.0).collect()
    }
}

/// Returns a split of `versions` versions whose first has 100 percent.
pub(crate) fn whole_split(versions: usize) -> Split {
    let mut whole = vec![0.0; versions];
    whole[0] = 100.0;
    split(&whole)
}

/// A step of a random sequence. `Restore` goes back by a number of generations.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Do(Change),
    Restore(usize),
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..60)
}

fn step() -> impl Strategy<Value = Step> {
    let version = 0usize..6;
    let weights = (0u16..=10_000).prop_map(|h| Weight::from_hundredths(h).unwrap());
    prop_oneof![
        3 => (version.clone(), prop::option::of(weights.clone()), any::<bool>()).prop_map(|(i, weight, active)| {
            let mut new = registration(i);
            new.weight = weight;
            new.active = active;
            Step::Do(Change::Register(new))
        }),
        6 => (version.clone(), weights).prop_map(|(i, w)| Step::Do(Change::set_weight(name(i), w))),
        2 => prop::collection::vec(0u16..=10_000, 6).prop_map(|cuts| Step::Do(whole(cuts))),
        2 => version.clone().prop_map(|i| Step::Do(Change::switch(name(i)))),
        3 => (version.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(i, active, force)| Step::Do(set_active_or_force(i, active, force))),
        1 => (version.clone(), 1u16..9)
            .prop_map(|(i, port)| Step::Do(Change::set_url(name(i), format!("http://h:{port}").parse().unwrap()))),
        1 => (version.clone(), 1u16..9, any::<bool>()).prop_map(|(i, port, active)| {
            Step::Do(Change::update(name(i), format!("http://h:{port}").parse().unwrap(), active))
        }),
        3 => (version.clone(), url_change()).prop_map(|(i, urls)| Step::Do(change_urls(name(i), urls))),
        1 => (version.clone(), url_change(), any::<bool>())
            .prop_map(|(i, urls, active)| Step::Do(Change::update_urls(name(i), urls, active))),
        1 => version.prop_map(|i| Step::Do(Change::remove(name(i)))),
        1 => any::<bool>().prop_map(|set| {
            Step::Do(Change::set_health_path(set.then(|| "/healthz".parse().unwrap())))
        }),
        2 => (version_and_share(), any::<bool>()).prop_map(|((i, share), set)| {
            Step::Do(if set { Change::set_mirror(name(i), share) } else { Change::remove_mirror() })
        }),
        1 => prop_oneof![4 => Just(Change::remove_service()), 1 => Just(Change::force_remove_service())]
            .prop_map(Step::Do),
        1 => (0usize..60).prop_map(Step::Restore),
    ]
}

fn version_and_share() -> impl Strategy<Value = (usize, Weight)> {
    (0usize..6, 0u16..=10_000).prop_map(|(i, hundredths)| (i, Weight::from_hundredths(hundredths).unwrap()))
}

/// Up to three of nine base URLs, of which the earlier ones are spelled in two ways.
pub(crate) fn instances() -> impl Strategy<Value = Instances> {
    let port = (1u16..9, any::<bool>());
    prop::collection::vec(port, 1..4).prop_filter_map("each URL once", |ports| {
        let spelled = ports.into_iter().map(|(port, slash)| {
            let end = if slash { "/" } else { "" };
            format!("http://h:{port}{end}").parse().unwrap()
        });
        Instances::new(spelled.collect()).ok()
    })
}

pub(crate) fn url_change() -> impl Strategy<Value = UrlChange> {
    prop_oneof![
        instances().prop_map(UrlChange::Set),
        instances().prop_map(UrlChange::Add),
        instances().prop_map(UrlChange::Remove),
    ]
}

/// Changes the base URLs of `version`.
pub(crate) fn change_urls(version: VersionName, urls: UrlChange) -> Change {
    match urls {
        UrlChange::Set(urls) => Change::set_urls(version, urls),
        UrlChange::Add(urls) => Change::add_urls(version, urls),
        UrlChange::Remove(urls) => Change::remove_urls(version, urls),
        other => panic!("{other:?} has no constructor"),
    }
}

/// Sets weights of six versions that total 100 percent.
fn whole(mut cuts: Vec<u16>) -> Change {
    cuts[5] = 10_000;
    cuts.sort_unstable();
    let mut from = 0;
    Change::SetWeights(
        cuts.into_iter()
            .enumerate()
            .map(|(i, cut)| {
                (name(i), Weight::from_hundredths(cut - std::mem::replace(&mut from, cut)).unwrap())
            })
            .collect(),
    )
}

/// Restores `split` with all that the history records of it.
pub(crate) fn restore_whole(split: &Split) -> Change {
    Change::restore_recorded(split.generation(), split.shares(), Some(split.settings()), None)
}

/// Runs `steps` from an empty split and calls `see` for each with the split before, the change, and its outcome.
pub(crate) fn run(
    steps: Vec<Step>,
    mut see: impl FnMut(&Split, &Change, &Result<Split, ChangeError>),
) -> Split {
    let mut split = Split::new("auth".parse().unwrap(), 7);
    let mut past: Vec<Split> = Vec::new();
    for (second, step) in steps.into_iter().enumerate() {
        let change = match step {
            Step::Do(change) => change,
            Step::Restore(back) => match past.len().checked_sub(1 + back % past.len().max(1)) {
                Some(i) => restore_whole(&past[i]),
                None => continue,
            },
        };
        let outcome = split.apply(&change, at(second as u64));
        see(&split, &change, &outcome);
        if let Ok(after) = outcome {
            if after.generation() != split.generation() {
                past.push(after.clone());
            }
            split = after;
        }
    }
    split
}

#[expect(clippy::disallowed_methods, reason = "a test, unlike the library, spawns")]
pub(crate) fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(future)
}

/// Activates or deactivates a version, even the last active one if `force` is set.
pub(crate) fn set_active_or_force(i: usize, active: bool, force: bool) -> Change {
    match (active, force) {
        (true, _) => Change::activate(name(i)),
        (false, true) => Change::force_deactivate(name(i)),
        (false, false) => Change::deactivate(name(i)),
    }
}

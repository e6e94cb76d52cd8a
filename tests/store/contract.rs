//! What every store does, whatever it keeps splits in. One more store is one more line in `main.rs`.

use std::future::Future;
use std::ops::Deref;

use std::time::Duration;

use proptest::prelude::*;
use tower_canary::routing::{Change, ChangeError, Registration, Split};
use tower_canary::store::{
    Applied, ChangeRequest, Draining, HistoryEntry, Refusal, Report, RouteStore, StoreError,
};
use tower_canary::{ServiceName, VersionName, Weight};

pub(crate) fn auth() -> ServiceName {
    "auth".parse().unwrap()
}

pub(crate) fn version(name: &str) -> VersionName {
    name.parse().unwrap()
}

pub(crate) fn weight(percent: &str) -> Weight {
    percent.parse().unwrap()
}

pub(crate) fn register(name: &str) -> Change {
    Change::register(version(name), "http://10.0.0.1:8080/base".parse().unwrap())
}

pub(crate) fn set_weight(name: &str, percent: &str) -> Change {
    Change::set_weight(version(name), weight(percent))
}

pub(crate) fn by_alice(change: Change) -> ChangeRequest {
    ChangeRequest::new(change, "alice").without_check()
}

pub(crate) async fn apply(store: &dyn RouteStore, change: Change) -> Applied {
    store.commit(&auth(), &by_alice(change)).await.unwrap()
}

pub(crate) async fn two_versions(store: &dyn RouteStore) -> Split {
    apply(store, register("v1.0")).await;
    apply(store, register("v1.1")).await.after
}

/// All splits and the history of `auth`, as text that shows every field.
pub(crate) async fn everything(store: &dyn RouteStore) -> String {
    let (all, history) = (store.load(0).await.unwrap(), store.history(&auth(), None, 1_000).await);
    format!("{all:?} {history:?}")
}

pub(crate) fn assert_totals(split: &Split) {
    let total: u32 = split.versions().iter().map(|v| u32::from(v.weight.hundredths())).sum();
    assert_eq!(total, 10_000, "{split:?}");
}

pub(crate) async fn an_empty_store_is_at_revision_zero(store: &dyn RouteStore) {
    let snapshot = store.load(0).await.unwrap();
    assert_eq!((snapshot.revision, snapshot.splits.len(), snapshot.broken.len()), (0, 0, 0));
}

pub(crate) async fn registering_the_first_version_creates_the_service(store: &dyn RouteStore) {
    let mut first = Registration::new(version("v1.0"), "http://10.0.0.1".parse().unwrap());
    first.health_path = Some("/healthz".parse().unwrap());
    let applied = apply(store, Change::Register(first)).await;
    assert_eq!((applied.before.generation(), applied.after.generation(), applied.revision), (0, 1, 1));
    assert_eq!(applied.before.salt(), applied.after.salt());
    let loaded = store.load(0).await.unwrap();
    assert_eq!((loaded.revision, loaded.splits), (1, vec![applied.after]));
}

pub(crate) async fn changing_an_unknown_service_is_refused(store: &dyn RouteStore) {
    let refused = store.commit(&auth(), &by_alice(set_weight("v1.0", "10"))).await;
    assert!(matches!(refused, Err(StoreError::UnknownService(_))));
    let refused = store.history(&auth(), None, 10).await;
    assert!(matches!(refused, Err(StoreError::UnknownService(_))));
}

pub(crate) async fn a_refused_change_leaves_everything_as_it_was(store: &dyn RouteStore) {
    two_versions(store).await;
    let before = everything(store).await;
    let refused = store.commit(&auth(), &by_alice(register("v1.0"))).await;
    assert!(matches!(refused, Err(StoreError::Refused(ChangeError::DuplicateVersion(_)))));
    let refused = store.commit(&"new".parse().unwrap(), &by_alice(set_weight("v1.0", "10"))).await;
    assert!(matches!(refused, Err(StoreError::UnknownService(_))));
    assert_eq!(everything(store).await, before);
}

pub(crate) async fn another_generation_than_expected_is_refused_with_both_numbers(store: &dyn RouteStore) {
    two_versions(store).await;
    let before = everything(store).await;
    let mut request = by_alice(set_weight("v1.1", "10"));
    request.expected_generation = Some(1);
    let refused = store.commit(&auth(), &request).await;
    assert!(matches!(refused, Err(StoreError::GenerationConflict { expected: 1, found: 2 })));
    assert_eq!(everything(store).await, before);
    request.expected_generation = Some(2);
    assert_eq!(store.commit(&auth(), &request).await.unwrap().after.generation(), 3);
}

pub(crate) async fn what_changes_nothing_adds_no_history_and_no_revision(store: &dyn RouteStore) {
    two_versions(store).await;
    let before = everything(store).await;
    let applied = apply(store, Change::switch(version("v1.0"))).await;
    assert_eq!((applied.before, applied.revision), (applied.after, 2));
    assert_eq!(everything(store).await, before);
}

pub(crate) async fn history_is_latest_first_and_read_in_pages(store: &dyn RouteStore) {
    two_versions(store).await;
    apply(store, set_weight("v1.1", "10")).await;
    for (before, limit, expected) in [
        (None, 2, vec![3, 2]),
        (Some(2), 2, vec![1]),
        (Some(1), 2, vec![]),
        (Some(u64::MAX), 1, vec![3]),
        (None, 0, vec![]),
    ] {
        let page = store.history(&auth(), before, limit).await.unwrap();
        assert_eq!(page.iter().map(|entry| entry.generation).collect::<Vec<_>>(), expected);
    }
}

pub(crate) async fn history_says_who_did_what_when_and_why(store: &dyn RouteStore) {
    two_versions(store).await;
    let mut request = by_alice(set_weight("v1.1", "12.34"));
    request.reason = Some("watch it \u{1f426} 'closely'".into());
    let applied = store.commit(&auth(), &request).await.unwrap();
    let at = applied.after.version("v1.1").unwrap().updated_at;
    let expected = HistoryEntry::new(&request, &applied.before, &applied.after, at);
    assert_eq!(store.history(&auth(), None, 1).await.unwrap(), [expected]);
}

/// Keeps that `change` of `service` was refused for `why`.
async fn refuse(store: &dyn RouteStore, service: &str, split: Option<&Split>, why: &str) -> Refusal {
    let request = by_alice(set_weight("v1.1", "10")).with_reason("\u{1f426} 'now'");
    let refusal = Refusal::new(&service.parse().unwrap(), &request, split, &why);
    store.refusal_log().unwrap().record_refusal(&refusal).await.unwrap();
    refusal
}

pub(crate) async fn refused_changes_are_kept_latest_first_beside_the_history(store: &dyn RouteStore) {
    let split = two_versions(store).await;
    let before = everything(store).await;
    let first = refuse(store, "auth", Some(&split), "e\u{301} \\ \" \r\n\u{7f}").await;
    let second = refuse(store, "auth", None, "").await;
    let nobody = refuse(store, "nobody", None, "unknown").await;
    assert_eq!((first.generation, first.shares.len(), second.generation), (Some(2), 2, None));
    let mut kept = Vec::new();
    for (service, limit) in [("auth", 9), ("auth", 1), ("nobody", 9), ("orders", 9)] {
        kept.push(store.refusal_log().unwrap().refusals(&service.parse().unwrap(), limit).await.unwrap());
    }
    assert_eq!(kept, [vec![second.clone(), first], vec![second], vec![nobody], vec![]]);
    assert_eq!(everything(store).await, before);
}

pub(crate) async fn texts_of_a_refused_change_are_cut_to_what_can_be_kept(store: &dyn RouteStore) {
    let long = "\u{1f426}\0".repeat(2_000);
    let mut request = by_alice(Change::remove(version("v1.0"))).with_reason(&*long);
    request.actor.clone_from(&long);
    let refusal = Refusal::new(&auth(), &request, None, &long);
    store.refusal_log().unwrap().record_refusal(&refusal).await.unwrap();
    let kept = store.refusal_log().unwrap().refusals(&auth(), 1).await.unwrap().remove(0);
    assert_eq!(kept, refusal);
    let birds = |text: &str| text.chars().filter(|letter| *letter == '\u{1f426}').count();
    assert_eq!([&*kept.actor, kept.reason.as_deref().unwrap(), &kept.why].map(birds), [255, 1_000, 1_000]);
}

pub(crate) async fn of_refused_changes_the_last_thousand_are_kept(store: &dyn RouteStore) {
    for number in 0..1_003 {
        refuse(store, if number % 2 == 0 { "even" } else { "odd" }, None, &number.to_string()).await;
    }
    let kept = async |service: &str| {
        store.refusal_log().unwrap().refusals(&service.parse().unwrap(), 2_000).await.unwrap()
    };
    let (even, odd) = (kept("even").await, kept("odd").await);
    assert_eq!((even.len(), odd.len()), (500, 500));
    assert_eq!((&*even[0].why, &*even[499].why, &*odd[499].why), ("1002", "4", "3"));
}

/// Of a store that is to keep the last three changes of each service.
pub(crate) async fn only_the_newest_changes_are_kept(store: &dyn RouteStore) {
    two_versions(store).await;
    let orders = "orders".parse().unwrap();
    store.commit(&orders, &by_alice(register("v1.0"))).await.unwrap();
    // The last but one changes nothing.
    for (percent, kept) in
        [("10", vec![3, 2, 1]), ("20", vec![4, 3, 2]), ("20", vec![4, 3, 2]), ("30", vec![5, 4, 3])]
    {
        apply(store, set_weight("v1.1", percent)).await;
        assert_eq!(generations(store, &auth(), None).await, kept);
    }
    assert_eq!(generations(store, &orders, None).await, [1]);
    assert_eq!(generations(store, &auth(), Some(3)).await, [0; 0]);
}

async fn generations(store: &dyn RouteStore, service: &ServiceName, before: Option<u64>) -> Vec<u64> {
    let history = store.history(service, before, 10).await.unwrap();
    history.iter().map(|entry| entry.generation).collect()
}

pub(crate) async fn only_what_changed_later_is_loaded(store: &dyn RouteStore) {
    for service in ["beta", "alpha", "gamma"] {
        store.commit(&service.parse().unwrap(), &by_alice(register("v1.0"))).await.unwrap();
    }
    let names = |splits: &[Split]| splits.iter().map(|s| s.service().to_string()).collect::<Vec<_>>();
    let all = store.load(0).await.unwrap();
    assert_eq!((all.revision, names(&all.splits)), (3, ["alpha", "beta", "gamma"].map(String::from).into()));
    assert_eq!(names(&store.load(1).await.unwrap().splits), ["alpha", "gamma"]);
    assert_eq!(store.load(3).await.unwrap().splits, []);
    let ahead = store.load(9).await.unwrap();
    assert_eq!((ahead.revision, ahead.splits), (3, vec![]));
}

pub(crate) async fn versions_registered_at_once_stay_in_their_order(store: &dyn RouteStore) {
    let names = ["z", "a", "m", "b", "y"];
    for name in names {
        apply(store, register(name)).await;
    }
    apply(store, Change::deactivate(version("m"))).await;
    apply(store, Change::remove(version("m"))).await;
    apply(store, register("m")).await;
    let split = store.load(0).await.unwrap().splits.remove(0);
    let order: Vec<_> = split.versions().iter().map(|v| v.name.as_str()).collect();
    assert_eq!(order, ["z", "a", "b", "y", "m"]);
}

pub(crate) async fn writers_of_one_service_take_turns(store: &dyn RouteStore) {
    two_versions(store).await;
    let write = async |from: u32| {
        for step in 0..25 {
            let percent = (1 + from + step).to_string();
            assert_totals(&apply(store, set_weight("v1.1", &percent)).await.after);
        }
    };
    let _ = futures_util::join!(write(0), write(25), write(50), write(75));
    let last = store.load(0).await.unwrap();
    assert_eq!((last.splits[0].generation(), last.revision), (102, 102));
}

pub(crate) async fn replicas_are_known_by_what_they_reported_last(store: &dyn RouteStore) {
    assert_eq!(known(store).await, "");
    for (id, name, revision) in [("2", "b", 7), ("1", "b", 7), ("3", "a", 8), ("2", "b", 9)] {
        store.replica_registry().unwrap().report(&Report::new(id, name, revision)).await.unwrap();
    }
    assert_eq!(known(store).await, "3 a 8, 1 b 7, 2 b 9");
    store.replica_registry().unwrap().withdraw("1").await.unwrap();
    store.replica_registry().unwrap().withdraw("unknown").await.unwrap();
    assert_eq!(known(store).await, "3 a 8, 2 b 9");
}

pub(crate) async fn what_a_replica_drains_is_known_until_it_reports_anew(store: &dyn RouteStore) {
    let draining = |service: &str, name: &str| Draining::new(service.parse().unwrap(), version(name));
    let some = [draining("auth", "v1.0"), draining("auth", "v1.1"), draining("orders", "v1.0")];
    for drained in [&some[..], &some[1..], &[]] {
        let report = Report::new("1", "a", 7).with_draining(drained.to_vec());
        store.replica_registry().unwrap().report(&report).await.unwrap();
        assert_eq!(store.replica_registry().unwrap().replicas().await.unwrap()[0].draining, drained);
    }
}

/// The replicas, each by id, name and revision.
async fn known(store: &dyn RouteStore) -> String {
    let replicas = store.replica_registry().unwrap().replicas().await.unwrap();
    assert!(replicas.iter().all(|replica| replica.seen < Duration::from_secs(5)), "{replicas:?}");
    let shown =
        replicas.iter().map(|replica| format!("{} {} {}", replica.id, replica.name, replica.revision));
    shown.collect::<Vec<_>>().join(", ")
}

/// Any sequence of changes has the same splits in the store as by the rules alone.
pub(crate) fn any_changes_end_as_the_rules_say<S, F>(open: impl Fn() -> F)
where
    S: Deref<Target: RouteStore + Sized>,
    F: Future<Output = S>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(changes in prop::collection::vec(any_change(), 1..24))| {
        runtime.block_on(async {
            let opened = open().await;
            let store = &*opened;
            let mut model = apply(store, register("v0")).await.after;
            for change in changes {
                model = step(store, model, change).await;
                assert_eq!(store.load(0).await.unwrap().splits, std::slice::from_ref(&model));
            }
        });
    });
}

async fn step(store: &dyn RouteStore, model: Split, change: Change) -> Split {
    match store.commit(&auth(), &by_alice(change.clone())).await {
        Ok(applied) => {
            let at = store.history(&auth(), None, 1).await.unwrap()[0].at;
            assert_eq!(applied.before, model);
            assert_eq!(model.apply(&change, at), Ok(applied.after.clone()));
            applied.after
        }
        Err(StoreError::Refused(error)) => {
            assert_eq!(model.apply(&change, std::time::SystemTime::now()), Err(error));
            model
        }
        Err(error) => panic!("{error:?}"),
    }
}

fn any_change() -> impl Strategy<Value = Change> {
    let name = (0..4_u8).prop_map(|i| version(&format!("v{i}")));
    let url = (0..3_u8).prop_map(|i| format!("http://10.0.0.{i}/b").parse().unwrap());
    let share = (0..=10_000_u16).prop_map(|w| Weight::from_hundredths(w).unwrap());
    let new = (name.clone(), url.clone(), prop::option::of(share.clone()), any::<bool>());
    prop_oneof![
        3 => new.prop_map(|(name, url, weight, active)| {
            let mut new = Registration::new(name, url);
            (new.weight, new.active) = (weight, active);
            Change::Register(new)
        }),
        4 => (name.clone(), share.clone()).prop_map(|(version, weight)| Change::set_weight(version, weight)),
        2 => (name.clone(), name.clone(), share).prop_map(|(one, other, weight)| {
            let rest = Weight::from_hundredths(10_000 - weight.hundredths()).unwrap();
            Change::SetWeights([(one, weight), (other, rest)].into())
        }),
        2 => name.clone().prop_map(|version| Change::switch(version)),
        2 => (name.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(version, active, force)| match (active, force) {
                (true, _) => Change::activate(version),
                (false, true) => Change::force_deactivate(version),
                (false, false) => Change::deactivate(version),
            }),
        1 => (name.clone(), url).prop_map(|(version, backend)| Change::set_url(version, backend)),
        2 => name.prop_map(|version| Change::remove(version)),
        1 => Just(Change::Redraw),
    ]
}

/// Runs the contract against the stores that `$open` opens, each empty.
#[macro_export]
macro_rules! contract {
    ($store:ident, $available:expr, $open:expr) => {
        mod $store {
            $crate::contract!(@tests $available, $open;
                an_empty_store_is_at_revision_zero
                registering_the_first_version_creates_the_service
                changing_an_unknown_service_is_refused
                a_refused_change_leaves_everything_as_it_was
                another_generation_than_expected_is_refused_with_both_numbers
                what_changes_nothing_adds_no_history_and_no_revision
                history_is_latest_first_and_read_in_pages
                history_says_who_did_what_when_and_why
                refused_changes_are_kept_latest_first_beside_the_history
                texts_of_a_refused_change_are_cut_to_what_can_be_kept
                of_refused_changes_the_last_thousand_are_kept
                only_what_changed_later_is_loaded
                versions_registered_at_once_stay_in_their_order
                writers_of_one_service_take_turns
                replicas_are_known_by_what_they_reported_last
                what_a_replica_drains_is_known_until_it_reports_anew
            );

            #[test]
            fn any_changes_end_as_the_rules_say() {
                if $available {
                    $crate::contract::any_changes_end_as_the_rules_say($open);
                }
            }
        }
    };
    (@tests $available:expr, $open:expr; $($test:ident)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                if $available {
                    let store = ($open)().await;
                    $crate::contract::$test(&*store).await;
                }
            }
        )*
    };
}

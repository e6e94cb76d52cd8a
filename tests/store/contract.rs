//! The contract of all stores: the published suite, each case a test of its own. One more store is one more line in
//! `main.rs`.

use std::ops::Deref;

use proptest::prelude::*;
use tower_canary::Weight;
use tower_canary::routing::{Backend, Change, Instances, Registration, UrlChange};
use tower_canary::store::{RouteStore, contract};

use crate::support::version;

/// Any sequence of changes has the same splits in the store as by the rules alone. The published case has fixed
/// sequences; here they are generated, and shrunk when one fails.
pub(crate) fn changes_match_the_split_rules<S, F>(open: impl Fn() -> F)
where
    S: Deref<Target: RouteStore + Sized>,
    F: Future<Output = S>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(changes in prop::collection::vec(any_change(), 1..24))| {
        runtime.block_on(async {
            let store = open().await;
            contract::changes_match_the_split_rules(&*store, changes).await;
        });
    });
}

/// Any change but a restore, which names shares of the history, and a forced update, which only the admin API makes.
fn any_change() -> impl Strategy<Value = Change> {
    let name = (0..4_u8).prop_map(|i| version(&format!("v{i}")));
    let url = (0..3_u8).prop_map(|i| format!("http://10.0.0.{i}/b").parse::<Backend>().unwrap());
    let urls = prop::collection::vec(url.clone(), 1..3)
        .prop_filter_map("each URL once", |urls| Instances::new(urls).ok());
    let share = (0..=10_000_u16).prop_map(|w| Weight::from_hundredths(w).unwrap());
    let new = (name.clone(), url.clone(), prop::option::of(share.clone()), any::<bool>());
    prop_oneof![
        3 => new.prop_map(|(name, url, weight, active)| {
            let mut new = Registration::new(name, url);
            new.weight = weight;
            new.active = active;
            Change::Register(new)
        }),
        4 => (name.clone(), share.clone()).prop_map(|(version, weight)| Change::set_weight(version, weight)),
        2 => (name.clone(), name.clone(), share.clone()).prop_map(|(one, other, weight)| {
            let rest = Weight::from_hundredths(10_000 - weight.hundredths()).unwrap();
            Change::SetWeights([(one, weight), (other, rest)].into())
        }),
        2 => name.clone().prop_map(Change::switch),
        2 => (name.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(version, active, force)| match (active, force) {
                (true, _) => Change::activate(version),
                (false, true) => Change::force_deactivate(version),
                (false, false) => Change::deactivate(version),
            }),
        1 => (name.clone(), url).prop_map(|(version, backend)| Change::set_url(version, backend)),
        1 => (name.clone(), urls.clone()).prop_map(|(version, urls)| Change::set_urls(version, urls)),
        2 => (name.clone(), urls.clone()).prop_map(|(version, urls)| Change::add_urls(version, urls)),
        2 => (name.clone(), urls.clone()).prop_map(|(version, urls)| Change::remove_urls(version, urls)),
        2 => (name.clone(), any_url_change(urls), any::<bool>())
            .prop_map(|(version, urls, active)| Change::update_urls(version, urls, active)),
        2 => (name.clone(), share).prop_map(|(version, share)| Change::set_mirror(version, share)),
        1 => Just(Change::remove_mirror()),
        2 => name.prop_map(Change::remove),
        1 => Just(Change::Redraw),
        1 => any::<bool>().prop_map(|set| Change::set_health_path(set.then(|| "/up".parse().unwrap()))),
        1 => Just(Change::remove_service()),
        1 => Just(Change::force_remove_service()),
    ]
}

fn any_url_change(urls: impl Strategy<Value = Instances> + Clone) -> impl Strategy<Value = UrlChange> {
    prop_oneof![
        urls.clone().prop_map(UrlChange::Set),
        urls.clone().prop_map(UrlChange::Add),
        urls.prop_map(UrlChange::Remove),
    ]
}

/// The name of each case in the published suite is in the list of [`contract!`] and in the docs of the suite.
#[test]
fn every_published_case_is_listed() {
    let suite = include_str!("../../src/store/contract/suite.rs");
    let docs = include_str!("../../src/store/contract/mod.rs");
    let cases = suite.lines().filter_map(|line| line.trim().strip_suffix(',')?.split_once("::"));
    let cases: Vec<&str> = cases.map(|(_, case)| case).collect();
    assert!(cases.len() > 30, "{cases:?}");
    for case in cases {
        let is_run = include_str!("contract.rs").lines().any(|line| line.trim() == case);
        assert!(is_run && docs.contains(&format!("[`{case}`]")), "{case}");
    }
}

/// Runs the contract against the stores that `$open` opens, each empty. `needs` names the required feature or server.
#[macro_export]
macro_rules! contract {
    ($store:ident $(needs $needs:literal)?, $open:expr) => {
        mod $store {
            $crate::contract!(@tests [$($needs)?] $open;
                empty_store_is_at_revision_zero
                first_registration_creates_service
                unknown_service_is_refused
                refused_change_stores_nothing
                generation_conflict_has_both_numbers
                no_op_adds_no_history
                history_is_paged_latest_first
                history_records_the_whole_change
                version_keeps_all_base_urls
                added_base_urls_are_not_lost
                last_base_url_stays
                history_has_all_base_urls
                mirror_is_stored
                mirror_ends_with_its_version
                history_has_the_mirror
                removed_service_keeps_its_history
                removed_service_starts_again
                refusals_are_stored_latest_first
                refusals_are_paged_by_id
                refusal_texts_are_truncated
                last_1_000_refusals_are_stored
                load_returns_only_later_changes
                versions_keep_registration_order
                concurrent_writers_are_serialized
                replicas_show_their_last_report
                draining_lasts_until_next_report
                draining_base_urls_last_until_next_report
                admin_url_lasts_until_next_report
                figures_last_until_next_report
                rollout_is_stored_with_all_values
                service_has_one_live_rollout
                rollout_start_is_refused
                rollout_turn_fences_writers
                rollout_write_stores_all_values
                rollout_write_is_loaded_as_decided
                refused_rollout_write_stores_nothing
                rollout_lease_has_one_leader
                last_50_rollouts_are_stored
                rollout_texts_are_limited
            );

            #[test]
            $(#[ignore = $needs])?
            fn changes_match_the_split_rules() {
                $crate::contract::changes_match_the_split_rules($open);
            }
        }
    };
    (@tests $needs:tt $open:expr; $($test:ident)*) => {
        $($crate::contract!(@test $needs $open; $test);)*
    };
    (@test [$($needs:literal)?] $open:expr; $test:ident) => {
        #[tokio::test]
        $(#[ignore = $needs])?
        async fn $test() {
            let store = ($open)().await;
            tower_canary::store::contract::$test(&*store).await;
        }
    };
}

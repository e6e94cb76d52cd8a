//! What people do while a rollout is under way, in each phase, through the driver and the store.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;
use tower_canary::rollout::{Lack, Order, Refused, RolloutError, RolloutView, Verb, Verdict};
use tower_canary::routing::{Backend, Change};

use crate::fleet::{Fleet, auth};
use crate::support::name;

/// The phases in which a rollout is not over.
pub(crate) const LIVE: [&str; 5] = ["waiting", "holding", "gated", "paused", "returning"];

const PLAN: &str = r#"{"version": "v1.1", "steps": [{"weight": 10, "gates": ["approval"]}, 50], "hold": "2m",
    "startGates": ["approval"], "back": {"steps": [5], "hold": "10m"}, "bake": {"hold": "1m"}}"#;

/// Starts a fleet and brings its rollout into `phase`. Returns the id of the rollout too.
pub(crate) async fn fleet_in(phase: &str) -> (Fleet, String) {
    let fleet = Fleet::start(&[auth()]).await;
    let id = fleet.begin(PLAN).await.stored.id;
    if phase == "waiting" {
        sleep(Duration::from_secs(10)).await;
        return (fleet, id);
    }
    fleet.order(Verb::Approve { number: 0 }).await.unwrap();
    fleet.wait_for(&id, "holding", 1, 30).await;
    match phase {
        "paused" => drop(fleet.order(Verb::Pause).await.unwrap()),
        "returning" => fleet.fail(&auth(), 1_000),
        _ => {}
    }
    fleet.wait_for(&id, phase, 1, 300).await;
    fleet.fail(&auth(), 1);
    // The other gateways follow.
    sleep(Duration::from_secs(2)).await;
    (fleet, id)
}

/// Lets somebody make `changes` in `phase`. Returns the fleet and the rollout 20 seconds later.
async fn after(phase: &str, changes: &[Change]) -> (Fleet, RolloutView) {
    let (fleet, id) = fleet_in(phase).await;
    for change in changes {
        fleet.change(change.clone()).await;
    }
    sleep(Duration::from_secs(20)).await;
    let rollout = fleet.read(&id).await;
    (fleet, rollout)
}

fn outcome(rollout: &RolloutView) -> Option<&str> {
    rollout.stored.outcome.as_deref()
}

fn backend(host: u8) -> Backend {
    format!("http://10.9.9.{host}").parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn weight_of_a_person_stays_in_every_phase() {
    for phase in LIVE {
        let third = Change::set_weight(name("v1.1"), "33".parse().unwrap());
        let (fleet, rollout) = after(phase, &[third]).await;
        assert_eq!(rollout.stored.phase, "paused", "{phase}");
        assert_eq!(rollout.stored.why.as_deref(), Some("the weights were changed by carol"), "{phase}");
        sleep(Duration::from_secs(1_200)).await;
        assert_eq!(fleet.weight(&auth()), 33.0, "{phase}");
    }
}

#[tokio::test(start_paused = true)]
async fn canary_set_to_0_is_aborted_in_every_phase() {
    for phase in &LIVE[1..] {
        let back = Change::set_weight(name("v1.1"), "0".parse().unwrap());
        let (fleet, rollout) = after(phase, &[back]).await;
        assert_eq!((outcome(&rollout), fleet.weight(&auth())), (Some("aborted"), 0.0), "{phase}");
    }
}

#[tokio::test(start_paused = true)]
async fn canary_set_to_100_is_completed_in_every_phase() {
    for phase in LIVE {
        let (fleet, rollout) = after(phase, &[Change::switch(name("v1.1"))]).await;
        assert_eq!((outcome(&rollout), fleet.weight(&auth())), (Some("completed"), 100.0), "{phase}");
    }
}

#[tokio::test(start_paused = true)]
async fn replaced_urls_pause_in_every_phase() {
    for phase in LIVE {
        for version in ["v1.0", "v1.1"] {
            let (fleet, rollout) = after(phase, &[Change::set_url(name(version), backend(1))]).await;
            assert_eq!(rollout.stored.phase, "paused", "{phase}: {version}");
            assert_eq!(rollout.stored.why.as_deref(), Some("base URLs were replaced by carol"), "{phase}");
            let resumed = fleet.order(Verb::Resume).await.unwrap();
            let expected = if phase == "waiting" || phase == "returning" { phase } else { "holding" };
            assert_eq!((resumed.stored.phase.as_str(), resumed.state.held()), (expected, Duration::ZERO));
            assert_eq!(resumed.evidence.totals().windows, 0, "{phase}: evidence of other processes");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn added_instance_is_taken_over_in_every_phase() {
    for phase in LIVE {
        let more = ["v1.0", "v1.1"].map(|version| Change::add_urls(name(version), backend(2).into()));
        let (fleet, rollout) = after(phase, &more).await;
        assert_eq!(rollout.stored.phase, phase);
        assert!(!fleet.events(&rollout.stored.id).await.contains(&"aborted".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn removed_canary_is_aborted_in_every_phase() {
    let deactivated = [Change::deactivate(name("v1.1"))];
    let removed = [Change::deactivate(name("v1.1")), Change::remove(name("v1.1"))];
    let again = Change::register(name("v1.1"), backend(3));
    let registered = [removed[0].clone(), removed[1].clone(), again];
    for phase in LIVE {
        for changes in [&deactivated[..], &removed[..], &registered[..]] {
            let (fleet, rollout) = after(phase, changes).await;
            assert_eq!(outcome(&rollout), Some("aborted"), "{phase}: {changes:?}");
            assert_eq!(fleet.weight(&auth()), 0.0, "{phase}: another version of the name gets nothing");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn abort_brings_the_weights_back_in_every_phase() {
    for phase in LIVE {
        let (fleet, id) = fleet_in(phase).await;
        let over = fleet.order(Verb::Abort { force: false }).await.unwrap();
        let expected = if phase == "returning" { "rolled-back" } else { "aborted" };
        assert_eq!((outcome(&over), fleet.weight(&auth())), (Some(expected), 0.0), "{phase}");
        sleep(Duration::from_secs(60)).await;
        assert_eq!(fleet.read(&id).await.stored.turn, over.stored.turn, "{phase}: nothing follows");
    }
}

#[tokio::test(start_paused = true)]
async fn promote_goes_to_the_bake_in_every_phase() {
    for phase in &LIVE[..4] {
        let (fleet, _) = fleet_in(phase).await;
        let promoted = fleet.order(Verb::Promote).await.unwrap();
        let reached = (promoted.stored.phase.as_str(), promoted.state.number(), fleet.weight(&auth()));
        assert_eq!(reached, ("holding", 3, 95.0), "{phase}");
    }
    let (fleet, _) = fleet_in("returning").await;
    let refused = fleet.order(Verb::Promote).await.unwrap_err();
    assert!(matches!(refused, RolloutError::Refused(Refused::WrongPhase { .. })), "{refused:?}");
}

/// Gives two orders at the same time, at two gateways that have both read the same turn.
async fn at_once(fleet: &Fleet, verbs: [Verb; 2]) -> [Result<RolloutView, RolloutError>; 2] {
    for gateway in &fleet.gateways {
        gateway.store.slow.store(true, Ordering::SeqCst);
    }
    let service = auth();
    let [one, other] = verbs.map(|verb| Order::new(verb, "bob"));
    let results = tokio::join!(
        Box::pin(fleet.gateways[0].rollouts.order(&service, None, one)),
        Box::pin(fleet.gateways[2].rollouts.order(&service, None, other))
    );
    results.into()
}

#[tokio::test(start_paused = true)]
async fn order_after_a_second_replacement_is_refused() {
    let (fleet, rollout) = after("holding", &[Change::set_url(name("v1.1"), backend(1))]).await;
    assert_eq!(rollout.stored.phase, "paused");
    fleet.change(Change::set_url(name("v1.1"), backend(2))).await;
    let refused = fleet.order(Verb::Resume).await.unwrap_err();
    assert!(matches!(refused, RolloutError::Interfered { phase: "paused" }), "{refused:?}");
    let resumed = fleet.order(Verb::Resume).await.unwrap();
    assert_eq!(resumed.stored.phase, "holding");
}

#[tokio::test(start_paused = true)]
async fn paused_stage_does_not_pass_before_its_hold() {
    let fleet = Fleet::start(&[auth()]).await;
    let id = fleet.begin(r#"{"version": "v1.1", "steps": [10], "hold": "30m"}"#).await.stored.id;
    fleet.wait_for(&id, "holding", 1, 30).await;
    sleep(Duration::from_secs(300)).await;
    let holding = fleet.read(&id).await;
    assert_eq!(holding.verdict(), Some(Verdict::Open(Lack::HoldUnfinished)));
    let paused = fleet.order(Verb::Pause).await.unwrap();
    assert_eq!(paused.verdict(), Some(Verdict::Open(Lack::HoldUnfinished)));
}

#[tokio::test(start_paused = true)]
async fn same_order_at_two_gateways_is_carried_out_once() {
    let (fleet, id) = fleet_in("gated").await;
    let advance = Verb::Advance { number: 1 };
    let mut results = at_once(&fleet, [advance, advance]).await;
    results.sort_by_key(Result::is_err);
    let [Ok(advanced), Err(late)] = results else { panic!("{results:?}") };
    assert_eq!((advanced.state.number(), fleet.weight(&auth())), (2, 50.0));
    assert!(matches!(late, RolloutError::Refused(Refused::StaleStep { given: 1, present: 2 })), "{late:?}");
    let steps = fleet.events(&id).await.into_iter().filter(|kind| kind == "step");
    assert_eq!(steps.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn abort_beside_another_order_ends_it() {
    for other in [Verb::Promote, Verb::Pause, Verb::Advance { number: 1 }] {
        let (fleet, id) = fleet_in("holding").await;
        let [aborted, beside] = at_once(&fleet, [Verb::Abort { force: false }, other]).await;
        assert_eq!(outcome(&aborted.unwrap()), Some("aborted"));
        let is_refused =
            matches!(beside, Err(RolloutError::UnknownRollout | RolloutError::Refused(Refused::Over)));
        assert!(beside.is_ok() || is_refused, "{beside:?}");
        sleep(Duration::from_secs(30)).await;
        assert_eq!((outcome(&fleet.read(&id).await), fleet.weight(&auth())), (Some("aborted"), 0.0));
    }
}

#[tokio::test(start_paused = true)]
async fn outage_of_the_store_changes_nothing_in_every_phase() {
    for phase in LIVE {
        let (fleet, id) = fleet_in(phase).await;
        let before = fleet.read(&id).await;
        let weight = fleet.weight(&auth());
        fleet.set_down(true);
        sleep(Duration::from_secs(30)).await;
        assert_eq!(fleet.weight(&auth()), weight, "{phase}: the routes stay");
        fleet.set_down(false);
        let after = fleet.read(&id).await;
        assert_eq!(after.stored.turn, before.stored.turn, "{phase}: nobody wrote");
        sleep(Duration::from_secs(10)).await;
        let after = fleet.read(&id).await;
        assert!(after.stored.turn > before.stored.turn, "{phase}: somebody drives again");
        assert_eq!((after.stored.phase.as_str(), fleet.weight(&auth())), (phase, weight));
        let watched = after.state.held().saturating_sub(before.state.held());
        assert!(watched <= Duration::from_secs(20), "{phase}: {watched:?} of the outage were watched");
    }
}

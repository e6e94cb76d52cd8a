//! A first step with copies of requests instead of users.

use tower_canary::rollout::{EventKind, Outcome, State, Tick, Verb};
use tower_canary::routing::{Change, MirrorShare, Split};

use crate::fleet::{Fleet, auth};
use crate::support::*;

const PLAN: &str = r#"{"version": "v1.1", "steps": [{"weight": 0, "mirror": 10}, 5, 50], "hold": "10s", "bake": {"hold": "10s"}}"#;

fn mirror(split: &Split) -> Option<String> {
    split.mirror().map(MirrorShare::to_string)
}

fn set(version: &str, percent: &str) -> Change {
    Change::set_mirror(name(version), percent.parse().unwrap())
}

#[test]
fn mirror_is_there_for_its_step_alone() {
    let mut rollout = Rollout::entered(PLAN);
    assert_eq!((rollout.weight(), mirror(&rollout.split).as_deref()), (Some(0.0), Some("10 % to v1.1")));
    rollout.order(Verb::Pause).unwrap();
    assert_eq!(rollout.state.mirror(&rollout.plan).percent(), 10.0, "a pause keeps what is there");
    assert!(rollout.split.mirror().is_some());
    rollout.order(Verb::Resume).unwrap();
    rollout.tick_out(&Tick::passing());
    rollout.tick(Tick::passing());
    assert_eq!((rollout.weight(), mirror(&rollout.split)), (Some(5.0), None));
    while rollout.outcome().is_none() {
        rollout.tick(Tick::passing());
    }
    assert_eq!((rollout.outcome(), rollout.weight()), (Some(Outcome::Completed), Some(100.0)));
}

/// A rollout in its first step, on a split with the mirror `start`.
fn entered_on(start: &Change) -> Rollout {
    let split = register(&two_versions(), "v0.9").apply(start, at(1)).unwrap();
    let mut rollout = Rollout::start_on(PLAN, split);
    rollout.pins = true;
    rollout.tick(Tick::passing());
    assert_eq!(mirror(&rollout.split).as_deref(), Some("10 % to v1.1"));
    rollout
}

#[test]
fn mirror_of_the_start_comes_back() {
    let leave: [fn(&mut Rollout); 4] = [
        |rollout| rollout.tick(failing()),
        |rollout| rollout.order(Verb::Abort { force: false }).unwrap(),
        |rollout| rollout.order(Verb::Advance { number: 1 }).unwrap(),
        |rollout| rollout.order(Verb::Promote).unwrap(),
    ];
    for leave in leave {
        let mut rollout = entered_on(&set("v0.9", "30"));
        leave(&mut rollout);
        assert_eq!(mirror(&rollout.split).as_deref(), Some("30 % to v0.9"));
    }
    // Its version is gone, or was inactive all along.
    let mut rollout = entered_on(&set("v0.9", "30"));
    rollout.changed_by_hand(&Change::deactivate(name("v0.9")));
    rollout.order(Verb::Abort { force: false }).unwrap();
    assert_eq!((mirror(&rollout.split), rollout.outcome()), (None, Some(Outcome::Aborted)));
}

// No user was at the canary, so nobody has to be drawn again.
#[test]
fn way_back_from_copies_moves_no_user() {
    let mut rollout = entered_on(&Change::remove_mirror());
    let before = rollout.split.clone();
    rollout.tick(failing());
    assert_eq!(rollout.outcome(), Some(Outcome::RolledBack));
    assert_eq!((rollout.split.shares(), rollout.split.pin_epoch()), (before.shares(), before.pin_epoch()));
    assert_eq!(rollout.split.mirror(), None);
}

#[test]
fn mirror_of_a_person_stays_and_pauses() {
    for change in [Change::remove_mirror(), set("v1.1", "50"), set("v1.0", "10")] {
        let mut rollout = entered_on(&Change::remove_mirror());
        rollout.changed_by_hand(&change);
        rollout.tick(Tick::passing());
        assert_eq!(rollout.pause_reason(), Some("changed"), "{change}");
        let theirs = mirror(&rollout.split);
        let mut aborted = rollout.clone();
        aborted.order(Verb::Abort { force: false }).unwrap();
        assert_eq!(mirror(&aborted.split), theirs, "{change}: never put back over it");
        rollout.order(Verb::Resume).unwrap();
        assert_eq!(mirror(&rollout.split).as_deref(), Some("10 % to v1.1"), "{change}");
        assert_eq!(rollout.count(EventKind::Paused), 1);
    }
}

// Such as one restore of an earlier generation.
#[test]
fn mirror_of_a_person_stays_beside_their_weights() {
    let mut rollout = entered_on(&Change::remove_mirror());
    rollout.changed_by_hand(&Change::set_weight(name("v0.9"), "40".parse().unwrap()));
    rollout.changed_by_hand(&set("v0.9", "30"));
    rollout.tick(Tick::passing());
    assert_eq!(rollout.pause_reason(), Some("changed"));
    rollout.order(Verb::Abort { force: false }).unwrap();
    assert_eq!(mirror(&rollout.split).as_deref(), Some("30 % to v0.9"));
}

#[test]
fn person_who_ends_it_leaves_no_mirror_of_the_rollout() {
    for (change, outcome) in [
        (Change::switch(name("v1.1")), Outcome::Completed),
        (Change::deactivate(name("v1.1")), Outcome::Aborted),
    ] {
        let mut rollout = entered_on(&set("v0.9", "30"));
        rollout.changed_by_hand(&change);
        rollout.tick(Tick::passing());
        assert_eq!(rollout.outcome(), Some(outcome), "{change}");
        assert_eq!(mirror(&rollout.split).as_deref(), Some("30 % to v0.9"), "{change}");
    }
}

// In another step a mirror is no part of the rollout.
#[test]
fn mirror_in_another_step_is_taken_over() {
    let mut rollout = entered_on(&Change::remove_mirror());
    rollout.order(Verb::Advance { number: 1 }).unwrap();
    rollout.changed_by_hand(&set("v0.9", "30"));
    rollout.tick(Tick::passing());
    assert_eq!((rollout.phase(), rollout.pause_reason()), ("gated", None));
    rollout.order(Verb::Abort { force: false }).unwrap();
    assert_eq!(mirror(&rollout.split).as_deref(), Some("30 % to v0.9"));
}

// A rollout that a gateway of the release before started.
#[test]
fn state_of_an_earlier_release_is_read() {
    let rollout = Rollout::entered(r#"{"version": "v1.1"}"#);
    let mut json = serde_json::to_value(&rollout.state).unwrap();
    for later in ["mirrors", "unmeasured"] {
        json.as_object_mut().unwrap().remove(later).unwrap();
    }
    json["start"].as_object_mut().unwrap().remove("mirror").unwrap();
    assert_eq!(serde_json::from_value::<State>(json).unwrap(), rollout.state);
}

const SHORT: &str = r#"{"version": "v1.1", "steps": [{"weight": 0, "mirror": 50, "hold": "1m"}, 50], "hold": "1m",
                        "bake": {"hold": "1m"}}"#;

/// Waits until the other gateways serve what the leader wrote.
async fn follow() {
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
}

#[tokio::test(start_paused = true)]
async fn good_copies_lead_to_users() {
    let fleet = Fleet::start(&[auth()]).await;
    fleet.mirror();
    let rollout = fleet.begin(SHORT).await;
    let first = fleet.wait_for(&rollout.stored.id, "holding", 1, 60).await;
    follow().await;
    assert_eq!((fleet.weight(&auth()), fleet.mirrored(&auth())), (0.0, 50.0));
    assert_eq!(first.state.mirror(&first.plan).percent(), 50.0);
    fleet.wait_for(&rollout.stored.id, "holding", 2, 600).await;
    follow().await;
    assert_eq!((fleet.weight(&auth()), fleet.mirrored(&auth())), (50.0, 0.0));
    assert_eq!(fleet.wait_over(&rollout.stored.id, 3_600).await, "completed");
}

// The canary fails copies alone, and its users would be fine: they are not compared.
#[tokio::test(start_paused = true)]
async fn failing_copies_keep_users_away() {
    let fleet = Fleet::start(&[auth()]).await;
    fleet.mirror();
    fleet.fail(&auth(), 200);
    let rollout = fleet.begin(SHORT).await;
    assert_eq!(fleet.wait_over(&rollout.stored.id, 300).await, "rolled-back");
    assert_eq!((fleet.weight(&auth()), fleet.mirrored(&auth())), (0.0, 0.0));
    let over = fleet.read(&rollout.stored.id).await;
    assert!(over.stored.why.unwrap().starts_with("failed: "));
    let totals = over.evidence.totals();
    assert!(totals.canary.requests > 0 && totals.canary.requests == totals.stable.requests, "{totals:?}");
    assert_eq!(
        fleet.events(&rollout.stored.id).await,
        ["started", "step", "failed", "returning", "rolled-back"]
    );
}

#[tokio::test(start_paused = true)]
async fn gateway_without_mirror_refuses_the_plan() {
    let fleet = Fleet::start(&[auth()]).await;
    let plan = SHORT.parse().unwrap();
    let actor = tower_canary::rollout::RolloutActor::new("alice");
    let refused = fleet.gateways[0].rollouts.start(&auth(), plan, actor).await.unwrap_err();
    assert!(
        refused.to_string().starts_with("/steps/0/mirror: the gateway does not mirror requests"),
        "{refused}"
    );
}

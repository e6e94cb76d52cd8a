//! The machine: forward, verdicts, the way back, and time that jumps.

use std::time::Duration;

use tower_canary::rollout::{
    EventKind, Guard, Input, Lack, Order, Outcome, Phase, Plan, StartRefused, State, Tick, Verb, Verdict,
    Window,
};
use tower_canary::routing::Change;
use tower_canary::traffic::Figures;

use crate::support::*;

const QUICK: &str = r#"{"version": "v1.1", "steps": [10, 50], "hold": "30s", "bake": {"hold": "30s"}}"#;

#[test]
fn good_canary_is_promoted_in_steps() {
    let mut rollout = Rollout::start(QUICK);
    let mut weights = Vec::new();
    for _ in 0..20 {
        if rollout.outcome().is_none() {
            rollout.tick(Tick::passing());
            weights.extend(rollout.weight());
        }
    }
    weights.dedup();
    assert_eq!(weights, [10.0, 50.0, 95.0, 100.0]);
    assert_eq!(rollout.outcome(), Some(Outcome::Completed));
    assert_eq!((rollout.count(EventKind::Step), rollout.count(EventKind::Completed)), (3, 1));
    // Each stage: one tick to enter, three to hold, one to go on.
    assert_eq!(rollout.state.turn(), 1 + 1 + 3 * 4);
}

#[test]
fn blue_green_switches_at_once() {
    let mut rollout = Rollout::entered(r#"{"version": "v1.1", "form": "blue-green"}"#);
    assert_eq!(rollout.weight(), Some(100.0));
    rollout.tick_out(&Tick::passing());
    rollout.tick(Tick::passing());
    assert_eq!((rollout.outcome(), rollout.weight()), (Some(Outcome::Completed), Some(100.0)));
}

#[test]
fn experiment_returns_whatever_the_verdict() {
    let mut rollout =
        Rollout::entered(r#"{"version": "v1.1", "steps": [10], "hold": "30s", "then": "return"}"#);
    rollout.tick_out(&Tick::passing());
    rollout.tick(Tick::passing());
    assert_eq!((rollout.outcome(), rollout.weight()), (Some(Outcome::Returned), Some(0.0)));
    assert_eq!(rollout.count(EventKind::Returned), 1);
}

#[test]
fn stay_ends_at_the_last_step() {
    let mut rollout =
        Rollout::entered(r#"{"version": "v1.1", "steps": [10], "hold": "30s", "then": "stay"}"#);
    rollout.tick_out(&Tick::passing());
    rollout.tick(Tick::passing());
    assert_eq!((rollout.outcome(), rollout.weight()), (Some(Outcome::Completed), Some(10.0)));
}

#[test]
fn mirror_comes_before_users() {
    let json = r#"{"version": "v1.1", "steps": [{"weight": 0, "mirror": 10}, 5], "hold": "10s"}"#;
    let mut rollout = Rollout::entered(json);
    assert_eq!((rollout.weight(), rollout.state.mirror(&rollout.plan).percent()), (Some(0.0), 10.0));
    rollout.tick_out(&Tick::passing());
    rollout.tick(Tick::passing());
    assert_eq!((rollout.weight(), rollout.state.mirror(&rollout.plan).percent()), (Some(5.0), 0.0));
}

#[test]
fn three_versions_share_the_rest() {
    let split = register(&two_versions(), "v0.9");
    let weights = [(name("v1.0"), "60".parse().unwrap()), (name("v0.9"), "40".parse().unwrap())];
    let split = split.apply(&Change::set_weights(weights), at(1)).unwrap();
    let mut rollout = Rollout::start_on(QUICK, split.clone());
    rollout.tick(Tick::passing());
    assert_eq!(
        rollout.split.versions().iter().map(|v| v.weight.percent()).collect::<Vec<_>>(),
        [54.0, 10.0, 36.0]
    );
    rollout.order(Verb::Abort { force: false }).unwrap();
    assert_eq!(rollout.split.shares(), split.shares());
}

#[test]
fn hold_is_time_that_was_watched() {
    let mut rollout = Rollout::entered(QUICK);
    let mut behind = Tick::passing();
    behind.converged = false;
    rollout.tick(behind);
    assert_eq!(rollout.state.held(), Duration::ZERO, "gateways serve the weight of before");
    // Nobody drove it for an hour, or the clock has jumped.
    rollout.tick_after(Duration::from_hours(1), Tick::passing());
    assert_eq!(rollout.state.held(), Duration::from_secs(10));
    rollout.now -= Duration::from_hours(2);
    rollout.tick_after(Duration::ZERO, Tick::passing());
    assert_eq!((rollout.state.held(), rollout.phase()), (Duration::from_secs(10), "holding"));
    rollout.tick(Tick::passing());
    assert_eq!(rollout.state.held(), Duration::from_secs(20));
}

#[test]
fn bad_canary_goes_back_in_every_phase() {
    for phase in ["waiting", "holding", "gated", "paused"] {
        let mut rollout = Rollout::in_phase(phase);
        rollout.tick(failing());
        for _ in 0..7 {
            if rollout.outcome().is_none() {
                rollout.tick(Tick::passing());
            }
        }
        assert_eq!((rollout.outcome(), rollout.weight()), (Some(Outcome::RolledBack), Some(0.0)), "{phase}");
        assert_eq!(
            (rollout.count(EventKind::Failed), rollout.count(EventKind::RolledBack)),
            (1, 1),
            "{phase}"
        );
    }
}

#[test]
fn when_failed_pauses_or_only_tells() {
    let json =
        r#"{"version": "v1.1", "steps": [10, 50], "hold": "30s", "guard": {"whenFailed": "REACTION"}}"#;
    let mut pausing = Rollout::entered(&json.replace("REACTION", "pause"));
    pausing.tick(failing());
    pausing.tick(failing());
    assert_eq!((pausing.pause_reason(), pausing.weight()), (Some("failed"), Some(10.0)));
    assert_eq!(pausing.count(EventKind::Failed), 1);
    pausing.order(Verb::Resume).unwrap();
    assert_eq!((pausing.phase(), pausing.state.held()), ("holding", Duration::ZERO));
    assert_eq!(pausing.evidence.totals().windows, 0, "the evidence begins again");

    let mut telling = Rollout::entered(&json.replace("REACTION", "tell"));
    for _ in 0..3 {
        telling.tick(failing());
    }
    assert_eq!((telling.phase(), telling.count(EventKind::Failed)), ("holding", 1));
    let mut failing_on = telling.clone();
    telling.tick(Tick::passing());
    assert_eq!(telling.phase(), "gated");
    failing_on.tick_out(&failing());
    let Phase::Paused { why, .. } = failing_on.state.phase() else { panic!("it goes on") };
    assert_eq!(why.to_string(), "inconclusive: there is evidence against the canary");
}

#[test]
fn each_stage_needs_requests_of_its_own() {
    let mut rollout = Rollout::entered(QUICK);
    let guard = Guard::new(&rollout.plan);
    let window = Window::new(Figures::new(50, 0), Figures::new(950, 1));
    for _ in 0..12 {
        guard.observe(&mut rollout.evidence, &window);
    }
    assert_eq!(guard.verdict(&rollout.evidence), Verdict::Pass { unguarded: false });
    rollout.order(Verb::Advance { number: 1 }).unwrap();
    assert_eq!(guard.verdict(&rollout.evidence), Verdict::Open(Lack::NoCanaryTraffic));
    assert_eq!(rollout.evidence.totals().canary.requests, 600);
}

#[test]
fn bake_without_others_is_unguarded() {
    let mut rollout = Rollout::entered(r#"{"version": "v1.1", "form": "blue-green"}"#);
    let guard = Guard::new(&rollout.plan);
    for _ in 0..12 {
        guard.observe(&mut rollout.evidence, &Window::new(Figures::new(1_000, 0), Figures::default()));
    }
    assert_eq!(guard.verdict(&rollout.evidence), Verdict::Pass { unguarded: true });
}

#[test]
fn way_back_falls_in_steps() {
    let json = r#"{"version": "v1.1", "steps": [60], "back": {"steps": [80, 30, 10], "hold": "20s"}}"#;
    let mut rollout = Rollout::entered(json);
    let mut weights = vec![];
    let mut tick = failing();
    for _ in 0..5 {
        rollout.tick(tick);
        weights.extend(rollout.weight());
        tick = Tick::passing();
    }
    assert_eq!(weights, [30.0, 30.0, 10.0, 10.0, 0.0]);
    assert_eq!(rollout.outcome(), Some(Outcome::RolledBack));
    let mut hastened = Rollout::entered(json);
    hastened.tick(failing());
    hastened.order(Verb::Abort { force: false }).unwrap();
    assert_eq!((hastened.weight(), hastened.outcome()), (Some(0.0), Some(Outcome::RolledBack)));
}

#[test]
fn way_back_from_100_needs_a_probe() {
    let mut rollout = Rollout::entered(r#"{"version": "v1.1", "form": "blue-green"}"#);
    rollout.tick(failing());
    assert_eq!(
        (rollout.phase(), rollout.weight(), rollout.count(EventKind::Stuck)),
        ("returning", Some(100.0), 0)
    );
    let targets: Vec<_> =
        rollout.state.targets(&rollout.split).map(|version| version.name.to_string()).collect();
    assert_eq!(targets, ["v1.0"]);
    let mut unusable = Tick::passing();
    unusable.target_usable = Some(false);
    for _ in 0..5 {
        rollout.tick(unusable.clone());
    }
    assert_eq!((rollout.weight(), rollout.count(EventKind::Stuck)), (Some(100.0), 1));
    let mut forced = rollout.clone();
    let mut usable = Tick::passing();
    usable.target_usable = Some(true);
    rollout.tick(usable);
    assert_eq!((rollout.outcome(), rollout.weight()), (Some(Outcome::RolledBack), Some(0.0)));

    let abort = Input::order(forced.now, Order::new(Verb::Abort { force: true }, "bob"));
    let transition = forced.state.step(&forced.plan, &forced.split, &abort).unwrap();
    assert!(transition.forced);
    forced.write(transition);
    assert_eq!(forced.weight(), Some(0.0));
}

#[test]
fn pins_end_with_the_way_back() {
    let mut rollout = Rollout::entered(QUICK);
    rollout.pins = true;
    rollout.tick(Tick::passing());
    assert_eq!(rollout.split.pin_epoch(), 0, "pinned users stay while the weight rises");
    rollout.tick(failing());
    assert_eq!((rollout.weight(), rollout.split.pin_epoch()), (Some(0.0), 1));
}

/// Starts a rollout with pins of a canary that has 5 percent already, and lets its first step begin.
fn entered_at_5(json: &str) -> Rollout {
    let five = Change::set_weight(name("v1.1"), "5".parse().unwrap());
    let mut rollout = Rollout::start_on(json, two_versions().apply(&five, at(1)).unwrap());
    rollout.pins = true;
    rollout.tick(Tick::passing());
    rollout
}

const BACK_BY_5: &str =
    r#"{"version": "v1.1", "steps": [50], "hold": "10s", "back": {"steps": [25, 5], "hold": "10s"}}"#;

#[test]
fn pins_end_after_a_step_at_the_weight_of_the_start() {
    let mut rollout = entered_at_5(BACK_BY_5);
    let mut weights = Vec::new();
    let mut tick = failing();
    for _ in 0..3 {
        rollout.tick(tick);
        weights.extend(rollout.weight());
        tick = Tick::passing();
    }
    assert_eq!((weights, rollout.outcome()), (vec![25.0, 5.0, 5.0], Some(Outcome::RolledBack)));
    assert_eq!(rollout.split.pin_epoch(), 1, "users pinned while it had 50 percent are drawn again");
}

#[test]
fn pins_end_where_a_person_lowered_the_weight() {
    let mut rollout = entered_at_5(BACK_BY_5);
    rollout.changed_by_hand(&Change::set_weight(name("v1.1"), "5".parse().unwrap()));
    rollout.tick(Tick::passing());
    rollout.order(Verb::Abort { force: false }).unwrap();
    assert_eq!((rollout.weight(), rollout.split.pin_epoch()), (Some(5.0), 1));
}

#[test]
fn pins_stay_where_the_canary_never_had_more() {
    let mut rollout = entered_at_5(r#"{"version": "v1.1", "steps": [5, 50]}"#);
    rollout.tick(failing());
    assert_eq!((rollout.outcome(), rollout.weight()), (Some(Outcome::RolledBack), Some(5.0)));
    assert_eq!(rollout.split.pin_epoch(), 0);
}

#[test]
fn starts_that_cannot_work_are_refused() {
    let start = |json: &str, split| State::start(&plan(json), split, at(1), "alice").map(drop);
    let split = two_versions();
    let unknown = start(r#"{"version": "v9"}"#, &split);
    assert_eq!(unknown, Err(StartRefused::UnknownVersion(name("v9"))));
    assert_eq!(start(r#"{"version": "v1.0"}"#, &split), Err(StartRefused::NoStable));
    let ahead = split.apply(&Change::set_weight(name("v1.1"), "20".parse().unwrap()), at(1)).unwrap();
    let refused = StartRefused::Ahead { version: name("v1.1"), weight: "20".parse().unwrap() };
    assert_eq!(start(r#"{"version": "v1.1"}"#, &ahead), Err(refused));
    assert_eq!(start(r#"{"version": "v1.1", "steps": [20, 50]}"#, &ahead), Ok(()));
}

#[test]
fn every_state_is_read_back() {
    for phase in ["waiting", "holding", "gated", "paused", "returning", "over"] {
        let state = Rollout::in_phase(phase).state;
        let written = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&written).unwrap(), state, "{written}");
        assert_eq!(serde_json::to_value(&state).unwrap()["phase"], phase);
        assert!(written.len() < 2_048, "{} bytes", written.len());
    }
}

#[test]
fn default_plan_is_started_by_a_name() {
    let plan = Plan::new(name("v1.1"));
    let started = State::start(&plan, &two_versions(), at(1), "alice").unwrap();
    assert_eq!(*started.state.phase(), Phase::Waiting);
    assert_eq!((started.expected_turn, started.state.turn()), (0, 1));
    assert_eq!(started.events[0].kind, EventKind::Started);
    assert_eq!(started.events[0].actor.as_deref(), Some("alice"));
}

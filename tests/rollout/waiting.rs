//! Waiting: for gates, windows of time, calm and usable versions, and until the deadline.

use std::time::Duration;

use tower_canary::rollout::{EventKind, GateAnswer, Lack, Outcome, Refused, Tick, Verb, Verdict};
use tower_canary::routing::Change;

use crate::support::*;

const QUICK: &str = r#"{"version": "v1.1", "steps": [10, 50], "hold": "30s", "bake": {"hold": "30s"}}"#;

fn open_tick() -> Tick {
    let mut tick = Tick::passing();
    tick.verdict = Verdict::Open(Lack::NoCanaryTraffic);
    tick
}

#[test]
fn gates_open_one_by_one() {
    let json = r#"{"version": "v1.1", "steps": [{"weight": 10, "gates": ["approval", "smoke"]}, 50], "hold": "10s"}"#;
    let mut rollout = Rollout::entered(json);
    rollout.tick(answering("smoke", GateAnswer::Open));
    assert_eq!((rollout.phase(), rollout.count(EventKind::GateOpen)), ("gated", 0), "it was not asked yet");
    let asked: Vec<String> = rollout.state.gates_to_ask(&rollout.plan).map(ToString::to_string).collect();
    assert_eq!(asked, ["smoke"]);
    rollout.tick(answering("smoke", GateAnswer::NotYet));
    rollout.tick(answering("smoke", GateAnswer::Open));
    rollout.tick(answering("other", GateAnswer::Open));
    assert_eq!((rollout.phase(), rollout.count(EventKind::GateOpen)), ("gated", 1));
    assert_eq!(rollout.count(EventKind::GateWaiting), 1, "recorded once");
    assert_eq!(rollout.order(Verb::Approve { number: 2 }), Err(Refused::StaleStep { given: 2, present: 1 }));
    rollout.order(Verb::Approve { number: 1 }).unwrap();
    rollout.tick(Tick::passing());
    assert_eq!((rollout.phase(), rollout.state.number()), ("holding", 2));
    let refused = rollout.order(Verb::Approve { number: 2 });
    assert_eq!(refused, Err(Refused::NothingToApprove { number: 2 }));
}

#[test]
fn approval_is_for_one_stage() {
    let json = r#"{"version": "v1.1", "hold": "10s",
                   "steps": [{"weight": 10, "gates": ["approval"]}, {"weight": 50, "gates": ["approval"]}]}"#;
    let mut rollout = Rollout::entered(json);
    rollout.order(Verb::Approve { number: 1 }).unwrap();
    rollout.tick_out(&Tick::passing());
    rollout.tick(Tick::passing());
    assert_eq!((rollout.phase(), rollout.state.number()), ("holding", 2));
    rollout.tick_out(&Tick::passing());
    for _ in 0..10 {
        rollout.tick(Tick::passing());
    }
    assert_eq!((rollout.phase(), rollout.state.number()), ("gated", 2), "the second stage is not approved");
}

#[test]
fn failed_gate_is_a_failure() {
    let mut rollout = Rollout::entered(
        r#"{"version": "v1.1", "steps": [{"weight": 10, "gates": ["smoke"]}], "hold": "10s"}"#,
    );
    rollout.tick(Tick::passing());
    rollout.tick(answering("smoke", GateAnswer::Fail("login is broken".into())));
    assert_eq!((rollout.outcome(), rollout.weight()), (Some(Outcome::RolledBack), Some(0.0)));
}

/// Returns the reason if a gate that responds 200 with `body` fails the canary.
fn failure(body: &[u8]) -> Option<String> {
    match GateAnswer::from_http(200, body) {
        GateAnswer::Fail(reason) => Some(reason),
        _ => None,
    }
}

#[test]
fn verdict_alone_fails_a_gate() {
    for (body, reason) in [
        (&br#"{"verdict": "fail", "reason": "login is broken"}"#[..], "login is broken"),
        (br#"{"verdict": "fail", "reason": {"code": 3}}"#, r#"{"code":3}"#),
        (br#"{"reason": 7, "verdict": "fail", "reason": "later"}"#, "later"),
        (br#" {"verdict": "fail", "reason": null}"#, "the gate gave no reason"),
        (br#"{"verdict": "fail"}"#, "the gate gave no reason"),
        // A text that was cut within a character, one that is no UTF-8, and a number that no float has.
        (br#"{"verdict": "fail", "reason": "\ud83d"}"#, "the gate gave no reason"),
        (b"{\"verdict\": \"fail\", \"reason\": \"caf\xe9\"}", "caf\u{fffd}"),
        (br#"{"load": 1e999, "verdict": "fail"}"#, "the gate gave no reason"),
    ] {
        assert_eq!(failure(body).as_deref(), Some(reason), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn unknown_verdict_keeps_a_gate_closed() {
    for body in
        [r#"{"verdict": "fail", "reason": "it says "no""}"#, r#"{"verdict": "fail", "verdict": "pass"}"#, "{"]
    {
        assert_eq!(GateAnswer::from_http(200, body.as_bytes()), GateAnswer::NotYet, "{body}");
    }
    for body in
        ["", "ok", "[]", r#""fail""#, r#"["fail"]"#, "{}", r#"{"verdict": "pass"}"#, r#"{"verdict": null}"#]
    {
        assert_eq!(GateAnswer::from_http(200, body.as_bytes()), GateAnswer::Open, "{body}");
    }
}

#[test]
fn gate_that_never_opens_is_inconclusive() {
    let mut rollout = Rollout::start(r#"{"version": "v1.1", "startGates": ["approval"]}"#);
    rollout.tick_out(&Tick::passing());
    assert_eq!((rollout.pause_reason(), rollout.weight()), (Some("inconclusive"), Some(0.0)));
    rollout.order(Verb::Resume).unwrap();
    rollout.tick(Tick::passing());
    assert_eq!(rollout.state.number(), 1);
}

#[test]
fn windows_bind_the_next_stage_alone() {
    // The clock of the tests begins on 12 January 1970, a Monday, at 13:46.
    let json = r#"{"version": "v1.1", "steps": [10, 50], "hold": "10s", "windows": ["tue 00:00-24:00 Z"]}"#;
    let mut rollout = Rollout::start(json);
    rollout.tick_after(Duration::from_hours(9), Tick::passing());
    assert_eq!((rollout.phase(), rollout.count(EventKind::GateWaiting)), ("waiting", 1));
    rollout.tick_after(Duration::from_hours(2), Tick::passing());
    assert_eq!(rollout.phase(), "holding");
    rollout.tick_after(Duration::from_hours(24), Tick::passing());
    let left = rollout.state.time_left();
    for _ in 0..1_000 {
        rollout.tick(Tick::passing());
    }
    assert_eq!((rollout.phase(), rollout.state.time_left()), ("gated", left), "the deadline does not run");
    rollout.tick(failing());
    assert_eq!(rollout.weight(), Some(0.0), "going back needs no window");
}

#[test]
fn deadline_runs_at_night_in_a_watched_stage() {
    // The clock of the tests begins on 12 January 1970, a Monday.
    let json = r#"{"version": "v1.1", "steps": [10, 50], "hold": "10s", "windows": ["mon 00:00-24:00 Z"]}"#;
    let mut rollout = Rollout::entered(json);
    rollout.tick_after(Duration::from_hours(24), open_tick());
    assert!(!rollout.plan.is_window_open(rollout.now));
    assert_eq!(rollout.state.time_left(), Duration::from_hours(1) - Duration::from_secs(10));
    while rollout.state.time_left() > Duration::from_secs(10) {
        rollout.tick(open_tick());
        assert_eq!(rollout.phase(), "holding");
    }
    rollout.tick(open_tick());
    assert_eq!((rollout.state.time_left(), rollout.pause_reason()), (Duration::ZERO, Some("inconclusive")));
}

#[test]
fn next_stage_waits_for_calm() {
    let mut rollout = Rollout::entered(QUICK);
    let mut storm = Tick::passing();
    storm.calm = false;
    for _ in 0..20 {
        rollout.tick(storm.clone());
    }
    assert_eq!((rollout.phase(), rollout.weight()), ("gated", Some(10.0)));
    rollout.tick(Tick::passing());
    assert_eq!(rollout.state.number(), 2);
    rollout.tick_out(&storm);
    rollout.tick_out(&storm);
    assert_eq!(rollout.pause_reason(), Some("inconclusive"));
}

#[test]
fn unusable_canary_is_recorded_once() {
    let mut rollout = Rollout::start(QUICK);
    let mut unusable = Tick::passing();
    unusable.canary_unusable = Some("v1.1 answers 503".into());
    for _ in 0..5 {
        rollout.tick(unusable.clone());
    }
    assert_eq!((rollout.phase(), rollout.count(EventKind::Stuck)), ("waiting", 1));
    rollout.tick(Tick::passing());
    assert_eq!(rollout.phase(), "holding");
}

#[test]
fn accepted_stage_has_no_further_deadline() {
    let json = r#"{"version": "v1.1", "steps": [10, 50], "guard": {"whenInconclusive": "advance"}}"#;
    let mut rollout = Rollout::entered(json);
    rollout.tick_out(&open_tick());
    let mut unusable = open_tick();
    unusable.canary_unusable = Some("v1.1 answers 503".into());
    for _ in 0..1_000 {
        rollout.tick(unusable.clone());
    }
    assert_eq!((rollout.phase(), rollout.count(EventKind::Inconclusive)), ("gated", 1));
    assert_eq!(rollout.count(EventKind::Stuck), 1);
}

#[test]
fn inactive_canary_is_waited_for() {
    let split = two_versions().apply(&Change::deactivate(name("v1.1")), at(1)).unwrap();
    let mut rollout = Rollout::start_on(QUICK, split);
    rollout.tick(Tick::passing());
    assert_eq!((rollout.phase(), rollout.count(EventKind::Stuck)), ("waiting", 1));
    rollout.changed_by_hand(&Change::activate(name("v1.1")));
    rollout.tick(Tick::passing());
    assert_eq!(rollout.weight(), Some(10.0));
}

#[test]
fn inconclusive_step_pauses_once() {
    let mut rollout = Rollout::entered(QUICK);
    rollout.tick_out(&open_tick());
    assert_eq!((rollout.pause_reason(), rollout.weight()), (Some("inconclusive"), Some(10.0)));
    for _ in 0..100 {
        rollout.tick(open_tick());
    }
    assert_eq!((rollout.count(EventKind::Inconclusive), rollout.count(EventKind::Paused)), (1, 1));
    // To resume is to accept the step.
    rollout.order(Verb::Resume).unwrap();
    rollout.tick(open_tick());
    assert_eq!((rollout.phase(), rollout.state.number(), rollout.weight()), ("holding", 2, Some(50.0)));
}

#[test]
fn inconclusive_step_advances_or_returns_by_plan() {
    fn with(reaction: &str) -> Rollout {
        let json = r#"{"version": "v1.1", "steps": [10, 50], "guard": {"whenInconclusive": "REACTION"}}"#;
        let mut rollout = Rollout::entered(&json.replace("REACTION", reaction));
        rollout.tick_out(&open_tick());
        rollout
    }

    let mut advancing = with("advance");
    assert_eq!(advancing.phase(), "gated");
    advancing.tick(open_tick());
    assert_eq!((advancing.state.number(), advancing.count(EventKind::Inconclusive)), (2, 1));
    let returning = with("return");
    assert_eq!((returning.outcome(), returning.weight()), (Some(Outcome::RolledBack), Some(0.0)));
}

#[test]
fn deadline_counts_driven_time() {
    let mut rollout = Rollout::entered(QUICK);
    rollout.tick_after(Duration::from_hours(48), open_tick());
    assert_eq!(rollout.state.time_left(), Duration::from_hours(1) - Duration::from_secs(10));
}

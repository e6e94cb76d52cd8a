//! What people do with a rollout, in each phase.

use std::time::Duration;

use tower_canary::rollout::{EventKind, Outcome, Refused, Tick, Verb};

use crate::support::*;

const QUICK: &str = r#"{"version": "v1.1", "steps": [10, 50], "hold": "30s", "bake": {"hold": "30s"}}"#;

#[test]
fn orders_by_phase() {
    for (phase, pause, advance, promote, abort) in [
        ("waiting", "paused", "holding", "holding", "over"),
        ("holding", "paused", "holding", "holding", "over"),
        ("gated", "paused", "holding", "holding", "over"),
        ("paused", "paused", "refused", "holding", "over"),
        ("returning", "refused", "refused", "refused", "over"),
        ("over", "refused", "refused", "refused", "refused"),
    ] {
        for (verb, expected) in [
            (Verb::Pause, pause),
            (Verb::Advance { number: Rollout::in_phase(phase).state.number() }, advance),
            (Verb::Promote, promote),
            (Verb::Abort { force: false }, abort),
        ] {
            let mut rollout = Rollout::in_phase(phase);
            let outcome = rollout.order(verb).map_or("refused", |()| rollout.phase());
            assert_eq!(outcome, expected, "{} while {phase}", verb.as_str());
        }
    }
}

#[test]
fn promote_goes_to_the_bake() {
    let mut rollout = Rollout::entered(QUICK);
    rollout.order(Verb::Promote).unwrap();
    assert_eq!((rollout.state.number(), rollout.weight()), (3, Some(95.0)));
    rollout.order(Verb::Promote).unwrap();
    assert_eq!(rollout.count(EventKind::Step), 2, "the second one changes nothing");
    let mut experiment = Rollout::entered(r#"{"version": "v1.1", "steps": [10], "then": "return"}"#);
    assert_eq!(experiment.order(Verb::Promote), Err(Refused::NoPromotion));
}

#[test]
fn advance_names_the_step_it_saw() {
    let mut rollout = Rollout::entered(QUICK);
    rollout.order(Verb::Advance { number: 1 }).unwrap();
    assert_eq!(rollout.order(Verb::Advance { number: 1 }), Err(Refused::StaleStep { given: 1, present: 2 }));
    rollout.order(Verb::Advance { number: 2 }).unwrap();
    rollout.order(Verb::Advance { number: 3 }).unwrap();
    assert_eq!((rollout.outcome(), rollout.weight()), (Some(Outcome::Completed), Some(100.0)));
    assert_eq!(rollout.order(Verb::Advance { number: 3 }), Err(Refused::Over));
}

#[test]
fn pause_keeps_hold_and_weight() {
    let mut rollout = Rollout::entered(QUICK);
    rollout.tick(Tick::passing());
    rollout.order(Verb::Pause).unwrap();
    rollout.order(Verb::Pause).unwrap();
    for _ in 0..100 {
        rollout.tick(Tick::passing());
    }
    assert_eq!((rollout.state.held(), rollout.weight()), (Duration::from_secs(10), Some(10.0)));
    rollout.order(Verb::Resume).unwrap();
    rollout.order(Verb::Resume).unwrap();
    assert_eq!((rollout.phase(), rollout.count(EventKind::Resumed)), ("holding", 1));
}

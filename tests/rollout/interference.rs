//! Changes of the split that somebody else makes while a rollout is under way, in each phase.

use tower_canary::rollout::{EventKind, GateAnswer, Input, Order, Outcome, Tick, Transition, Verb};
use tower_canary::routing::{Change, Instances, ServiceName, Split};
use tower_canary::store::{ChangeRequest, MemoryStore, RouteStore};

use crate::support::*;

/// Phases in which a rollout is not over.
const LIVE: [&str; 5] = ["waiting", "holding", "gated", "paused", "returning"];

fn weight(version: &str, percent: &str) -> Change {
    Change::set_weight(name(version), percent.parse().unwrap())
}

/// Lets somebody make `change` in `phase`, and ticks once.
fn after(phase: &str, change: &Change) -> Rollout {
    let mut rollout = Rollout::in_phase(phase);
    rollout.changed_by_hand(change);
    rollout.tick(Tick::passing());
    rollout
}

#[test]
fn weight_of_a_person_stays_and_pauses() {
    for phase in LIVE {
        let mut rollout = after(phase, &weight("v1.1", "33"));
        assert_eq!((rollout.pause_reason(), rollout.weight()), (Some("changed"), Some(33.0)), "{phase}");
        for _ in 0..50 {
            rollout.tick(failing());
        }
        assert_eq!(
            (rollout.phase(), rollout.weight()),
            ("paused", Some(33.0)),
            "{phase}: never put back over it"
        );
        assert_eq!(
            rollout.count(EventKind::Failed),
            usize::from(phase == "returning") + 1,
            "{phase}: recorded once"
        );
    }
}

#[test]
fn canary_at_0_or_inactive_is_aborted() {
    for phase in ["holding", "gated", "paused", "returning"] {
        for change in [weight("v1.1", "0"), Change::deactivate(name("v1.1")), Change::switch(name("v1.0"))] {
            let rollout = after(phase, &change);
            assert_eq!(
                (rollout.outcome(), rollout.weight()),
                (Some(Outcome::Aborted), Some(0.0)),
                "{phase}: {change}"
            );
        }
    }
    assert_eq!(after("waiting", &Change::deactivate(name("v1.1"))).outcome(), Some(Outcome::Aborted));
}

#[test]
fn canary_at_100_is_completed() {
    for phase in LIVE {
        let rollout = after(phase, &Change::switch(name("v1.1")));
        assert_eq!((rollout.outcome(), rollout.weight()), (Some(Outcome::Completed), Some(100.0)), "{phase}");
    }
}

#[test]
fn removed_canary_is_aborted() {
    for phase in LIVE {
        let mut rollout = Rollout::in_phase(phase);
        rollout.changed_by_hand(&Change::deactivate(name("v1.1")));
        rollout.changed_by_hand(&Change::remove(name("v1.1")));
        let mut again = rollout.clone();
        rollout.tick(Tick::passing());
        assert_eq!(rollout.outcome(), Some(Outcome::Aborted), "{phase}");
        // A version of the same name is another one.
        again.split = register(&again.split, "v1.1");
        again.tick(Tick::passing());
        assert_eq!(again.outcome(), Some(Outcome::Aborted), "{phase}");
        let service = after(phase, &Change::force_remove_service());
        assert_eq!(service.outcome(), Some(Outcome::Aborted), "{phase}");
    }
}

#[test]
fn replaced_urls_pause_and_clear() {
    for version in ["v1.0", "v1.1"] {
        let mut rollout = Rollout::in_phase("holding");
        let window = tower_canary::rollout::Window::default();
        tower_canary::rollout::Guard::new(&rollout.plan).observe(&mut rollout.evidence, &window);
        rollout.changed_by_hand(&Change::set_url(name(version), "http://10.9.9.9".parse().unwrap()));
        rollout.tick(Tick::passing());
        assert_eq!((rollout.pause_reason(), rollout.weight()), (Some("replaced"), Some(20.0)), "{version}");
        assert_eq!(rollout.evidence, tower_canary::rollout::Evidence::default(), "{version}");
        rollout.order(Verb::Resume).unwrap();
        assert_eq!((rollout.phase(), rollout.state.held().as_secs()), ("holding", 0));
    }
}

#[test]
fn unrelated_changes_are_taken_over() {
    for phase in LIVE {
        let before = Rollout::in_phase(phase);
        let mut rollout = before.clone();
        rollout.split = register(&rollout.split, "v2.0");
        rollout.changed_by_hand(&Change::set_url(name("v2.0"), "http://10.9.9.9".parse().unwrap()));
        rollout.changed_by_hand(&Change::deactivate(name("v2.0")));
        rollout.changed_by_hand(&Change::set_health_path(Some("/healthz".parse().unwrap())));
        rollout.tick(Tick::passing());
        let mut undisturbed = before;
        undisturbed.tick(Tick::passing());
        assert_eq!(rollout.state.phase(), undisturbed.state.phase(), "{phase}");
        assert_eq!(rollout.weight(), undisturbed.weight(), "{phase}");
    }
}

/// Replaces the base URLs of a version, as a change by hand does, and ticks once.
fn with_urls(version: usize, urls: [&str; 2]) -> Rollout {
    let mut rollout = Rollout::in_phase("holding");
    let mut parts = rollout.split.clone().into_parts();
    let urls = urls.map(|url| url.parse().unwrap());
    parts.versions[version].instances = Instances::new(urls.into()).unwrap();
    parts.generation += 1;
    rollout.split = Split::from_parts(parts).0;
    rollout.tick(Tick::passing());
    rollout
}

#[test]
fn one_more_url_is_taken_over() {
    for (version, own) in ["http://v1.0.internal:8080", "http://v1.1.internal:8080"].into_iter().enumerate() {
        let more = with_urls(version, ["http://10.0.0.9", own]);
        assert_eq!(more.phase(), "gated", "{own} and another one");
        let others = with_urls(version, ["http://10.0.0.8", "http://10.0.0.9"]);
        assert_eq!(others.pause_reason(), Some("replaced"), "{own} is gone");
    }
}

#[test]
fn resume_brings_the_weight_of_the_step() {
    for phase in ["holding", "gated"] {
        let mut rollout = after(phase, &weight("v1.1", "33"));
        rollout.order(Verb::Resume).unwrap();
        assert_eq!((rollout.phase(), rollout.weight()), (phase, Some(20.0)));
    }
    let mut waiting = after("waiting", &weight("v1.1", "33"));
    waiting.order(Verb::Resume).unwrap();
    assert_eq!((waiting.phase(), waiting.weight()), ("waiting", Some(33.0)), "the first step sets it");
}

#[test]
fn abort_wins_over_a_change_of_others() {
    for phase in LIVE {
        let mut rollout = Rollout::in_phase(phase);
        rollout.changed_by_hand(&weight("v1.1", "33"));
        rollout.order(Verb::Abort { force: false }).unwrap();
        assert_eq!((rollout.phase(), rollout.weight()), ("over", Some(0.0)), "{phase}");
    }
}

#[test]
fn other_orders_see_the_change_first() {
    for verb in [Verb::Advance { number: 2 }, Verb::Promote, Verb::Resume] {
        let mut rollout = Rollout::in_phase("holding");
        rollout.changed_by_hand(&weight("v1.1", "33"));
        rollout.order(verb).unwrap();
        assert_eq!(
            (rollout.pause_reason(), rollout.weight()),
            (Some("changed"), Some(33.0)),
            "{}",
            verb.as_str()
        );
    }
}

fn order(rollout: &Rollout, verb: Verb) -> Transition {
    let input = Input::order(rollout.now, Order::new(verb, "bob"));
    rollout.state.step(&rollout.plan, &rollout.split, &input).unwrap()
}

#[test]
fn order_after_a_second_replacement_is_not_carried_out() {
    let [first, second] = ["http://10.9.9.1", "http://10.9.9.2"];
    let mut rollout = after("holding", &Change::set_url(name("v1.1"), first.parse().unwrap()));
    assert!(!order(&rollout, Verb::Resume).interfered);
    rollout.changed_by_hand(&Change::set_url(name("v1.1"), second.parse().unwrap()));
    let transition = order(&rollout, Verb::Resume);
    assert_eq!(transition.state.phase(), rollout.state.phase(), "it pauses for the same reason");
    assert!(transition.interfered);
}

// The person of the order did not pause it.
#[test]
fn pause_for_a_change_is_not_of_the_order() {
    let mut rollout = Rollout::in_phase("holding");
    rollout.changed_by_hand(&weight("v1.1", "33"));
    let transition = order(&rollout, Verb::Abort { force: false });
    let actors: Vec<_> = transition.events.iter().map(|event| (event.kind, event.actor.as_deref())).collect();
    assert_eq!(
        actors,
        [(EventKind::Paused, None), (EventKind::Returning, Some("bob")), (EventKind::Aborted, Some("bob"))]
    );
}

// They opened for other processes.
#[test]
fn gates_are_closed_after_a_replacement() {
    let json = r#"{"version": "v1.1", "steps": [{"weight": 10, "gates": ["approval", "smoke"]}, 50], "hold": "10s"}"#;
    let mut rollout = Rollout::entered(json);
    rollout.order(Verb::Approve { number: 1 }).unwrap();
    rollout.tick(Tick::passing());
    rollout.changed_by_hand(&Change::set_url(name("v1.1"), "http://10.9.9.9".parse().unwrap()));
    rollout.tick(answering("smoke", GateAnswer::Open));
    assert_eq!(rollout.pause_reason(), Some("replaced"));
    rollout.order(Verb::Resume).unwrap();
    rollout.tick_out(&Tick::passing());
    for _ in 0..10 {
        rollout.tick(answering("smoke", GateAnswer::Open));
    }
    assert_eq!((rollout.phase(), rollout.state.number()), ("gated", 1), "nobody approved the new processes");
    rollout.order(Verb::Approve { number: 1 }).unwrap();
    rollout.tick(Tick::passing());
    assert_eq!(rollout.state.number(), 2);
}

#[test]
fn abort_without_the_old_version_leaves_the_canary() {
    let mut split = register(&two_versions(), "v0.9");
    split = split.apply(&weight("v0.9", "40"), at(1)).unwrap();
    let mut rollout = Rollout::start_on(r#"{"version": "v1.1", "steps": [20]}"#, split);
    rollout.tick(Tick::passing());
    rollout.changed_by_hand(&Change::deactivate(name("v0.9")));
    rollout.changed_by_hand(&Change::remove(name("v0.9")));
    let mut again = rollout.clone();
    rollout.order(Verb::Abort { force: false }).unwrap();
    assert_eq!((rollout.outcome(), rollout.weight()), (Some(Outcome::Aborted), Some(0.0)));

    // A version of that name is another one, and gets no traffic by going back.
    again.split = register(&again.split, "v0.9");
    again.order(Verb::Abort { force: false }).unwrap();
    assert_eq!((again.outcome(), again.weight()), (Some(Outcome::Aborted), Some(0.0)));
    assert!(again.split.version("v0.9").unwrap().weight.is_zero());
}

#[test]
fn second_of_two_writers_is_overtaken() {
    let rollout = Rollout::in_phase("gated");
    let mut one = rollout.clone();
    one.tick(Tick::passing());
    // Another gateway decided on the state of before.
    let late = Input::tick(rollout.now, Tick::passing());
    let transition = rollout.state.step(&rollout.plan, &rollout.split, &late).unwrap();
    assert_ne!(transition.expected_turn, one.state.turn());
    assert_ne!(transition.expected_generation, one.split.generation());
}

/// The actor of a change is named, as a store records it.
#[tokio::test]
async fn pause_names_the_actor() {
    let store = MemoryStore::new();
    let auth: ServiceName = "auth".parse().unwrap();
    let mut split: Option<Split> = None;
    let v1 = Change::register(name("v1.0"), "http://10.0.0.1".parse().unwrap());
    let v2 = Change::register(name("v1.1"), "http://10.0.0.2".parse().unwrap());
    for change in [v1, v2] {
        let request = ChangeRequest::new(change, "alice").without_check();
        split = Some(store.commit(&auth, &request).await.unwrap().after);
    }
    let mut rollout = Rollout::start_on(r#"{"version": "v1.1", "startGates": ["approval"]}"#, split.unwrap());
    let request = ChangeRequest::new(weight("v1.1", "33"), "carol").without_check();
    rollout.split = store.commit(&auth, &request).await.unwrap().after;
    rollout.tick(Tick::passing());
    let phase = format!("{:?}", rollout.state.phase());
    assert!(phase.contains(r#"Changed { actor: "carol" }"#), "{phase}");
}

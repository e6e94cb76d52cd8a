//! Gateways that report no latencies, although the plan compares them.

use std::sync::Arc;

use tower_canary::rollout::{EventKind, Plan, Tick};
use tower_canary::store::RolloutStore;

use crate::fleet::{Fleet, auth};
use crate::support::*;
use crate::traffic::Behavior;

const SHORT: &str = r#"{"version": "v1.1", "steps": [10, 50], "hold": "1m", "bake": {"hold": "1m"}}"#;

fn unmeasured(gateways: &[&str]) -> Tick {
    let mut tick = Tick::passing();
    tick.unmeasured = gateways.iter().map(ToString::to_string).collect();
    tick
}

#[test]
fn it_is_recorded_once() {
    let mut rollout = Rollout::entered(SHORT);
    rollout.tick(unmeasured(&["a"]));
    rollout.tick(Tick::passing());
    while rollout.outcome().is_none() {
        rollout.tick(unmeasured(&["a", "b"]));
    }
    assert_eq!((rollout.phase(), rollout.count(EventKind::Unmeasured)), ("over", 1));
}

#[test]
fn many_gateways_are_counted() {
    for (names, expected) in [
        (&["a", "b", "c"][..], "slower requests are not found: no latencies from a, b, c"),
        (&["a", "b", "c", "d", "e"], "slower requests are not found: no latencies from a, b, c and 2 more"),
    ] {
        let rollout = Rollout::entered(SHORT);
        let input = tower_canary::rollout::Input::tick(rollout.now, unmeasured(names));
        let transition = rollout.state.step(&rollout.plan, &rollout.split, &input).unwrap();
        let texts: Vec<&str> = transition.events.iter().map(|event| &*event.text).collect();
        assert_eq!(texts, [expected]);
    }
}

/// Runs a rollout of `plan` beside gateways that report no latencies. Returns the texts of the events about them.
async fn run(plan: &str) -> Vec<String> {
    let fleet = Fleet::start(&[auth()]).await;
    fleet.traffic.behave(&auth(), Behavior { slower: None, ..Behavior::default() });
    let id = fleet.begin(plan).await.stored.id;
    assert_eq!(fleet.wait_over(&id, 3_600).await, "completed");
    let events = fleet.memory.rollout_events(&id, 100).await.unwrap();
    let texts = events.into_iter().filter(|event| event.kind == "unmeasured").map(|event| event.text);
    texts.collect()
}

#[tokio::test(start_paused = true)]
async fn gateways_without_latencies_are_named() {
    assert_eq!(run(SHORT).await, ["slower requests are not found: no latencies from users"]);
}

#[tokio::test(start_paused = true)]
async fn plan_that_compares_none_needs_none() {
    let json = SHORT.replacen('}', r#"}, "guard": {"latency": null}"#, 1);
    assert!(json.parse::<Plan>().unwrap().guard().latency.is_none());
    assert_eq!(run(&json).await, [""; 0]);
}

// Each of the gateways reports for itself.
#[tokio::test(start_paused = true)]
async fn others_are_compared_without_one_that_reports_none() {
    let fleet = Fleet::start(&[auth()]).await;
    let silent = Arc::new(crate::traffic::Traffic::default());
    silent.behave(&auth(), Behavior { slower: None, ..Behavior::default() });
    fleet.report("silent", silent).await;
    fleet.traffic.behave(&auth(), Behavior { slower: Some(2.0), ..Behavior::default() });
    let id = fleet.begin(SHORT).await.stored.id;
    assert_eq!(fleet.wait_over(&id, 3_600).await, "rolled-back");
    let events = fleet.memory.rollout_events(&id, 100).await.unwrap();
    let named = events.iter().find(|event| event.kind == "unmeasured").unwrap();
    assert_eq!(named.text, "slower requests are not found: no latencies from silent");
    assert!(fleet.read(&id).await.stored.why.unwrap().starts_with("slower than the others"));
}

// They are updated one by one.
#[tokio::test(start_paused = true)]
async fn latencies_of_an_earlier_release_are_compared() {
    let fleet = Fleet::start(&[auth()]).await;
    fleet.traffic.report_lists();
    fleet.traffic.behave(&auth(), Behavior { slower: Some(2.0), ..Behavior::default() });
    let id = fleet.begin(SHORT).await.stored.id;
    assert_eq!(fleet.wait_over(&id, 3_600).await, "rolled-back");
    assert!(fleet.read(&id).await.stored.why.unwrap().starts_with("slower than the others"));
    assert!(!fleet.events(&id).await.contains(&"unmeasured".to_owned()));
}

//! Three gateways drive rollouts on one store.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;
use tower_canary::rollout::{
    Gate, GateAnswer, Order, Question, Refused, RolloutActor, RolloutError, Rollouts, Started, Verb,
};
use tower_canary::routing::Change;
use tower_canary::store::{RolloutStore, RouteStore, StoreError};

use crate::fleet::{Fleet, auth};
use crate::support::name;

const SHORT: &str = r#"{"version": "v1.1", "steps": [10, 50], "hold": "1m", "bake": {"hold": "1m"}}"#;

async fn fleet() -> Fleet {
    Fleet::start(&[auth()]).await
}

#[tokio::test(start_paused = true)]
async fn good_canary_gets_all_traffic() {
    let fleet = fleet().await;
    let rollout = fleet.begin(SHORT).await;
    assert_eq!(fleet.wait_over(&rollout.stored.id, 3_600).await, "completed");
    assert_eq!(fleet.weight(&auth()), 100.0);
    let events = fleet.events(&rollout.stored.id).await;
    assert_eq!(events, ["started", "step", "step", "step", "completed"]);
    let history = fleet.gateways[0].deployments.history(&auth(), None, 10).await.unwrap();
    let by_rollout = history.iter().filter(|entry| entry.actor == format!("rollout:{}", rollout.stored.id));
    let reasons: Vec<&str> = by_rollout.map(|entry| entry.reason.as_deref().unwrap()).collect();
    assert_eq!(reasons.len(), 4);
    assert!(
        reasons[1].starts_with("step 3 of 3: 95 %; failed ") && reasons[1].contains("evidence 1 : "),
        "{reasons:?}"
    );
    assert!(fleet.gateways[0].rollouts.statuses().is_empty());
}

#[tokio::test(start_paused = true)]
async fn failing_canary_is_taken_back() {
    let fleet = fleet().await;
    let rollout = fleet.begin(SHORT).await;
    fleet.wait_for(&rollout.stored.id, "holding", 2, 3_600).await;
    fleet.fail(&auth(), 100);
    assert_eq!(fleet.wait_over(&rollout.stored.id, 120).await, "rolled-back");
    assert_eq!(fleet.weight(&auth()), 0.0);
    let over = fleet.read(&rollout.stored.id).await;
    assert!(over.stored.why.unwrap().starts_with("failed: "), "the finding is kept");
    let events = fleet.events(&rollout.stored.id).await;
    assert_eq!(events, ["started", "step", "step", "failed", "returning", "rolled-back"]);
}

#[tokio::test(start_paused = true)]
async fn another_gateway_takes_over_within_20_s() {
    let mut fleet = fleet().await;
    let rollout = fleet.begin(SHORT).await;
    let id = rollout.stored.id;
    for _ in 0..2 {
        sleep(Duration::from_secs(30)).await;
        let leader = fleet.memory.rollout(&id).await.unwrap().unwrap().leader.unwrap();
        let gateway = fleet.gateways.iter_mut().find(|g| g.deployments.replica_id() == Some(&leader));
        gateway.unwrap().kill();
        sleep(Duration::from_secs(20)).await;
        let stored = fleet.memory.rollout(&id).await.unwrap().unwrap();
        assert_ne!(stored.leader, Some(leader));
    }
    let events = fleet.memory.rollout_events(&id, 100).await.unwrap();
    assert_eq!(events.iter().filter(|event| event.kind == "leader").count(), 2);
    for _ in 0..3_600 {
        sleep(Duration::from_secs(1)).await;
        let stored = fleet.memory.rollout(&id).await.unwrap().unwrap();
        if let Some(outcome) = stored.outcome {
            assert_eq!(outcome, "completed");
            return;
        }
    }
    panic!("not over");
}

// A lease lasts 13 seconds. Another gateway waits for its end, and not for a tick after it.
#[tokio::test(start_paused = true)]
async fn lease_is_taken_when_it_ends() {
    for killed_after in 20..30 {
        let mut fleet = fleet().await;
        let id = fleet.begin(SHORT).await.stored.id;
        sleep(Duration::from_secs(killed_after)).await;
        let leader = fleet.read(&id).await.stored.leader;
        let mut gateways = fleet.gateways.iter_mut();
        gateways.find(|gateway| gateway.deployments.replica_id() == leader.as_deref()).unwrap().kill();
        sleep(Duration::from_millis(14_500)).await;
        assert_ne!(fleet.memory.rollout(&id).await.unwrap().unwrap().leader, leader);
    }
}

// Another gateway makes the last change with its first write.
#[tokio::test(start_paused = true)]
async fn last_event_is_the_end() {
    let mut fleet = fleet().await;
    let plan =
        r#"{"version": "v1.1", "steps": [50], "hold": "1m", "bake": {"hold": "1m", "gates": ["approval"]}}"#;
    let id = fleet.begin(plan).await.stored.id;
    let leader = fleet.wait_for(&id, "gated", 2, 3_600).await.stored.leader;
    let mut gateways = fleet.gateways.iter_mut();
    gateways.find(|gateway| gateway.deployments.replica_id() == leader.as_deref()).unwrap().kill();
    fleet.order(Verb::Approve { number: 2 }).await.unwrap();
    assert_eq!(fleet.wait_over(&id, 30).await, "completed");
    let events = fleet.events(&id).await;
    assert_eq!(events[events.len() - 3..], ["approved", "leader", "completed"]);
    let history = fleet.memory.history(&auth(), None, 1).await.unwrap();
    assert!(history[0].reason.as_ref().unwrap().starts_with("the plan is complete"), "{history:?}");
}

#[tokio::test(start_paused = true)]
async fn one_gateway_leads_at_a_time() {
    let fleet = fleet().await;
    let rollout = fleet.begin(SHORT).await;
    let mut turn = rollout.stored.turn;
    for _ in 0..10 {
        sleep(Duration::from_secs(30)).await;
        let leading = fleet.gateways.iter().filter(|g| g.rollouts.statuses().iter().any(|s| s.leads));
        assert_eq!(leading.count(), 1);
        let now = fleet.read(&rollout.stored.id).await.stored.turn;
        assert!((4..=9).contains(&(now - turn)), "{} writes in 30 s", now - turn);
        turn = now;
    }
}

#[tokio::test(start_paused = true)]
async fn person_who_changes_weights_pauses_it() {
    let fleet = fleet().await;
    let rollout = fleet.begin(SHORT).await;
    fleet.wait_for(&rollout.stored.id, "holding", 1, 60).await;
    fleet.change(Change::set_weight(name("v1.1"), "30".parse().unwrap())).await;
    fleet.wait_for(&rollout.stored.id, "paused", 1, 60).await;
    sleep(Duration::from_secs(600)).await;
    assert_eq!(fleet.weight(&auth()), 30.0, "the weights of a person stay");
    fleet.order(Verb::Resume).await.unwrap();
    sleep(Duration::from_secs(3)).await;
    assert_eq!(fleet.weight(&auth()), 10.0);
    assert_eq!(fleet.wait_over(&rollout.stored.id, 3_600).await, "completed");
}

#[tokio::test(start_paused = true)]
async fn person_who_decides_ends_it() {
    let back = Change::set_weight(name("v1.1"), "0".parse().unwrap());
    for (change, outcome) in [
        (back, "aborted"),
        (Change::switch(name("v1.1")), "completed"),
        (Change::deactivate(name("v1.1")), "aborted"),
        (Change::force_remove_service(), "aborted"),
    ] {
        let fleet = fleet().await;
        let rollout = fleet.begin(SHORT).await;
        fleet.wait_for(&rollout.stored.id, "holding", 1, 60).await;
        fleet.change(change.clone()).await;
        assert_eq!(fleet.wait_over(&rollout.stored.id, 60).await, outcome, "{change}");
    }
}

#[tokio::test(start_paused = true)]
async fn orders_are_carried_out_at_once() {
    let fleet = fleet().await;
    let rollout = fleet.begin(SHORT).await;
    let id = &rollout.stored.id;
    fleet.wait_for(id, "holding", 1, 60).await;
    let paused = fleet.order(Verb::Pause).await.unwrap();
    assert_eq!(paused.state.phase().as_str(), "paused");
    sleep(Duration::from_secs(600)).await;
    assert_eq!(fleet.weight(&auth()), 10.0);
    let resumed = fleet.order(Verb::Resume).await.unwrap();
    assert_eq!(resumed.state.phase().as_str(), "holding");
    let stale = fleet.order(Verb::Advance { number: 2 }).await.unwrap_err();
    assert!(matches!(stale, RolloutError::Refused(Refused::StaleStep { given: 2, present: 1 })));
    let advanced = fleet.order(Verb::Advance { number: 1 }).await.unwrap();
    assert_eq!((advanced.state.number(), fleet.weight(&auth())), (2, 50.0));
    let promoted = fleet.order(Verb::Promote).await.unwrap();
    assert_eq!((promoted.state.number(), fleet.weight(&auth())), (3, 95.0));
    let aborted = fleet.order(Verb::Abort { force: false }).await.unwrap();
    assert_eq!((aborted.stored.outcome.as_deref(), fleet.weight(&auth())), (Some("aborted"), 0.0));
    let unknown = fleet.order(Verb::Pause).await.unwrap_err();
    assert!(matches!(unknown, RolloutError::UnknownRollout));
    let pause = Order::new(Verb::Pause, "bob");
    let over = fleet.gateways[0].rollouts.order(&auth(), Some(id), pause).await.unwrap_err();
    assert!(matches!(over, RolloutError::Refused(Refused::Over)));
}

#[tokio::test(start_paused = true)]
async fn same_plan_is_the_same_rollout() {
    let fleet = fleet().await;
    let rollout = fleet.begin(SHORT).await;
    let start = |json: &str| {
        let plan = json.parse().unwrap();
        let rollouts = fleet.gateways[0].rollouts.clone();
        async move { rollouts.start(&auth(), plan, RolloutActor::new("bob")).await }
    };
    let Ok(Started::Running(running)) = start(SHORT).await else { panic!("another one") };
    assert_eq!(running.stored.id, rollout.stored.id);
    let other = start(r#"{"version": "v1.1"}"#).await.unwrap_err();
    assert!(
        matches!(other, RolloutError::Store(StoreError::RolloutActive { id }) if id == running.stored.id)
    );
    let gate = start(r#"{"version": "v1.1", "startGates": ["smoke"]}"#).await.unwrap_err();
    assert!(matches!(gate, RolloutError::UnknownGate { pointer, .. } if pointer == "/startGates/0"));
}

#[tokio::test(start_paused = true)]
async fn canary_that_fails_its_probe_gets_no_traffic() {
    let fleet = fleet().await;
    fleet.probes.fail_at(&["v1.1"]);
    let rollout = fleet.begin(SHORT).await;
    sleep(Duration::from_secs(120)).await;
    let events = fleet.events(&rollout.stored.id).await;
    assert_eq!((events, fleet.weight(&auth())), (vec!["started".to_owned(), "stuck".to_owned()], 0.0));
    fleet.probes.fail_at(&[]);
    assert_eq!(fleet.wait_over(&rollout.stored.id, 3_600).await, "completed");
}

#[tokio::test(start_paused = true)]
async fn way_back_waits_for_a_usable_version() {
    let fleet = fleet().await;
    let rollout = fleet.begin(r#"{"version": "v1.1", "form": "blue-green", "bake": {"hold": "1h"}}"#).await;
    fleet.wait_for(&rollout.stored.id, "holding", 1, 60).await;
    fleet.probes.fail_at(&["v1.0"]);
    let aborting = fleet.order(Verb::Abort { force: false }).await.unwrap();
    assert_eq!(aborting.state.phase().as_str(), "returning");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(fleet.weight(&auth()), 100.0);
    let events = fleet.events(&rollout.stored.id).await;
    assert_eq!(events.iter().filter(|kind| *kind == "stuck").count(), 1, "{events:?}");
    fleet.probes.fail_at(&[]);
    assert_eq!(fleet.wait_over(&rollout.stored.id, 30).await, "aborted");
    assert_eq!(fleet.weight(&auth()), 0.0);
}

#[tokio::test(start_paused = true)]
async fn outage_of_the_store_delays_and_loses_nothing() {
    let fleet = fleet().await;
    let rollout = fleet.begin(SHORT).await;
    for number in 1..=3 {
        fleet.wait_for(&rollout.stored.id, "holding", number, 3_600).await;
        fleet.set_down(true);
        let held = fleet.memory.rollout(&rollout.stored.id).await.unwrap().unwrap().held;
        sleep(Duration::from_secs(30)).await;
        let ages = fleet.gateways.iter().flat_map(|g| g.rollouts.statuses());
        assert!(ages.map(|status| status.tick_age).min() >= Some(Duration::from_secs(28)));
        fleet.set_down(false);
        sleep(Duration::from_secs(10)).await;
        let after = fleet.read(&rollout.stored.id).await.stored.held;
        assert!(after <= held + Duration::from_secs(20), "the outage was not watched");
    }
    assert_eq!(fleet.wait_over(&rollout.stored.id, 3_600).await, "completed");
    let events = fleet.events(&rollout.stored.id).await;
    assert_eq!(events.iter().filter(|kind| *kind == "step").count(), 3, "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn lost_answers_make_no_step_twice() {
    let fleet = fleet().await;
    let rollout = fleet.begin(SHORT).await;
    for gateway in &fleet.gateways {
        gateway.store.loses_answers.store(true, Ordering::SeqCst);
    }
    for _ in 0..3_600 {
        sleep(Duration::from_secs(1)).await;
        if fleet.memory.rollout(&rollout.stored.id).await.unwrap().unwrap().is_over() {
            break;
        }
    }
    let events = fleet.memory.rollout_events(&rollout.stored.id, 100).await.unwrap();
    let steps: Vec<u32> =
        events.iter().filter(|event| event.kind == "step").map(|event| event.step).collect();
    assert_eq!((steps, events.last().unwrap().kind.as_str()), (vec![1, 2, 3], "completed"));
}

#[tokio::test(start_paused = true)]
async fn quiet_service_pauses_at_its_deadline() {
    let fleet = fleet().await;
    fleet.traffic.stop();
    let plan = r#"{"version": "v1.1", "steps": [10], "hold": "1m", "deadline": "10m"}"#;
    let rollout = fleet.begin(plan).await;
    let paused = fleet.wait_for(&rollout.stored.id, "paused", 1, 1_000).await;
    assert_eq!(paused.stored.why.as_deref(), Some("inconclusive: the canary has no requests"));
}

/// Opens at its third question.
#[derive(Debug, Default)]
struct Third(std::sync::atomic::AtomicU32);

#[async_trait]
impl Gate for Third {
    async fn ask(&self, question: &Question) -> GateAnswer {
        assert_eq!((question.step, question.steps), (0, 3));
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0 => panic!("the gate's own fault"),
            1 => std::future::pending().await,
            _ => GateAnswer::Open,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn gates_are_asked_until_they_open() {
    fn prepare(rollouts: Rollouts) -> Rollouts {
        assert!(rollouts.clone().with_gate("approval", Third::default()).is_err());
        rollouts.with_gate("smoke", Third::default()).unwrap()
    }

    let fleet = Fleet::start_with(&[auth()], prepare).await;
    let plan = r#"{"version": "v1.1", "steps": [10, 50], "hold": "1m", "startGates": ["smoke", "approval"]}"#;
    let rollout = fleet.begin(plan).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(fleet.events(&rollout.stored.id).await, ["started", "gate-waiting", "gate-open"]);
    fleet.order(Verb::Approve { number: 0 }).await.unwrap();
    fleet.wait_for(&rollout.stored.id, "holding", 1, 10).await;
}

//! Rollouts in a database that several gateways share.

use std::collections::BTreeSet;
use std::time::Duration;

use tower_canary::routing::Split;
use tower_canary::store::sql::SqlStore;
use tower_canary::store::{
    ChangeRequest, NewRollout, NewRolloutEvent, RolloutColumns, RolloutStore, RolloutWrite, RolloutWritten,
    RouteStore, StoreError,
};

use crate::databases::Kind;
use crate::sql::{Opened, open_with_two_versions};
use crate::support::{apply, auth, set_weight};

crate::on_every_database! {
    each_turn_is_written_once
    concurrent_starts_start_one_rollout
    edited_lease_of_the_future_is_free
    unreadable_rollout_hides_no_other
    deleted_service_has_no_rollout
    history_limit_applies_to_steps
}

const LEASE: Duration = Duration::from_secs(15);

fn new_rollout(id: &str, split: &Split) -> NewRollout {
    NewRollout::new(id, split, &split.versions()[1], "{}", RolloutColumns::new("{}", "waiting"), "alice")
}

/// Opens a store with two versions and the rollout `1`. Returns the split too.
async fn started(kind: Kind) -> (Opened, Split) {
    let store = open_with_two_versions(kind).await;
    let split = store.load(0).await.unwrap().splits.remove(0);
    store.start_rollout(&new_rollout("1", &split)).await.unwrap();
    (store, split)
}

/// Creates the write of `turn` that sets the weight and records an event.
fn step(turn: u64, generation: u64, percent: u64) -> RolloutWrite {
    let weight = ChangeRequest::new(set_weight("v1.1", &percent.to_string()), "rollout:1").without_check();
    let event = NewRolloutEvent::new("step", 1, None, &format!("{percent} percent"));
    RolloutWrite::new("1", auth(), turn, RolloutColumns::new("{}", "holding"))
        .with_changes(generation, vec![weight])
        .with_events(vec![event])
}

/// Makes steps until the rollout has made `steps`, whichever gateway makes them. Returns how many it made itself.
async fn drive(store: &SqlStore, replica: &str, steps: u64) -> u64 {
    let mut made = 0;
    loop {
        let rollout = store.rollout("1").await.unwrap().unwrap();
        if rollout.turn > steps {
            return made;
        }
        let write = step(rollout.turn, rollout.generation, rollout.turn);
        // A lease of 0 ms: every gateway tries to lead at any time.
        match store.write_rollout(&write.with_claim(replica, Duration::ZERO)).await.unwrap() {
            RolloutWritten::Written { .. } => made += 1,
            _ => tokio::task::yield_now().await,
        }
    }
}

async fn each_turn_is_written_once(kind: Kind) {
    const STEPS: u64 = 60;
    let (store, _) = started(kind).await;
    let others = [store.another().await, store.another().await];
    let made = futures_util::join!(
        drive(&store, "a", STEPS),
        drive(&others[0], "b", STEPS),
        drive(&others[1], "c", STEPS)
    );
    assert_eq!(made.0 + made.1 + made.2, STEPS);
    let history = store.history(&auth(), None, 1_000).await.unwrap();
    let steps = history.iter().filter(|entry| entry.actor == "rollout:1").count() as u64;
    assert_eq!((steps, store.load(0).await.unwrap().splits[0].generation()), (STEPS, 2 + STEPS));
    let events = store.rollout_events("1", 1_000).await.unwrap();
    let turns: Vec<u64> = events.iter().map(|event| event.turn).collect();
    assert_eq!(turns, (2..=STEPS + 1).collect::<Vec<_>>());
}

async fn concurrent_starts_start_one_rollout(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let split = store.load(0).await.unwrap().splits.remove(0);
    let stores = [store.another().await, store.another().await];
    let starts = (0..8).map(|i| {
        let new = new_rollout(&i.to_string(), &split);
        let store = stores[i % 2].clone();
        async move { store.start_rollout(&new).await }
    });
    let started = futures_util::future::join_all(starts).await;
    let ids: BTreeSet<String> = started
        .into_iter()
        .map(|started| match started {
            Ok(rollout) => rollout.id,
            Err(StoreError::RolloutActive { id }) => id,
            Err(error) => panic!("{error:?}"),
        })
        .collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(store.database.count("gateway_rollout").await, 1);
}

// The clock of the database was set back.
async fn edited_lease_of_the_future_is_free(kind: Kind) {
    let (store, split) = started(kind).await;
    let first = step(1, split.generation(), 5).with_claim("a", LEASE);
    assert!(matches!(store.write_rollout(&first).await.unwrap(), RolloutWritten::Written { .. }));
    let second = step(2, 3, 10).with_claim("b", LEASE);
    assert_eq!(store.write_rollout(&second).await.unwrap(), RolloutWritten::Overtaken);
    store.database.by_hand("UPDATE gateway_rollout SET lease_until = lease_until + 3600000").await;
    assert!(matches!(store.write_rollout(&second).await.unwrap(), RolloutWritten::Written { .. }));
}

async fn unreadable_rollout_hides_no_other(kind: Kind) {
    let (store, split) = started(kind).await;
    end(&store).await;
    store.start_rollout(&new_rollout("2", &split)).await.unwrap();
    store.database.by_hand("UPDATE gateway_rollout SET canary_id = 'x' WHERE id = '2'").await;
    let found = (store.live().await.unwrap().rollouts, store.rollout("2").await.unwrap());
    assert_eq!(found, (vec![], None));
    assert_lists_the_first(&store).await;
    assert_eq!(store.load(0).await.unwrap().rollouts.unwrap(), [auth()]);
}

/// Ends the first rollout.
async fn end(store: &Opened) {
    let over = RolloutColumns::new("{}", "over").with_outcome(Some("aborted".into()));
    store.write_rollout(&RolloutWrite::new("1", auth(), 1, over)).await.unwrap();
}

// It takes the place of the one that cannot be read: a page that is not full would be the last one.
async fn assert_lists_the_first(store: &Opened) {
    for limit in [1, 10] {
        let listed = store.rollouts(&auth(), None, limit).await.unwrap();
        let ids: Vec<&str> = listed.iter().map(|rollout| rollout.id.as_str()).collect();
        assert_eq!(ids, ["1"], "at most {limit}");
    }
}

async fn write(store: &Opened, write: &RolloutWrite) -> RolloutWritten {
    store.write_rollout(write).await.unwrap()
}

async fn count_events(store: &Opened) -> u64 {
    store.database.count("gateway_rollout_event").await
}

async fn deleted_service_has_no_rollout(kind: Kind) {
    let (store, split) = started(kind).await;
    write(&store, &step(1, split.generation(), 5)).await;
    assert_eq!(count_events(&store).await, 1);
    store.database.by_hand("DELETE FROM gateway_service_config").await;
    assert_eq!(write(&store, &step(2, 3, 10)).await, RolloutWritten::Overtaken);
    assert_eq!(store.rollout("1").await.unwrap(), None);
    assert_eq!(count_events(&store).await, 0);
}

async fn history_limit_applies_to_steps(kind: Kind) {
    let (store, _) = started(kind).await;
    let limited = store.another().await.with_history_limit(2);
    for turn in 1..=4 {
        limited.write_rollout(&step(turn, turn + 1, turn)).await.unwrap();
    }
    assert_eq!(store.database.count("gateway_split_change").await, 2);
    assert_eq!(apply(&*store, set_weight("v1.1", "50")).await.after.generation(), 7);
}

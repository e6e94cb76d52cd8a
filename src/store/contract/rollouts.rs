//! Rollouts.

use std::time::Duration;

use super::rollout_support::{
    by_rollout, everything, last_write, listed_ids, new_rollout, rollouts_of, services_with_rollout,
    step_write, waiting_write, write,
};
use super::support::{by_alice, register, set_weight, two_versions};
use crate::routing::Split;
use crate::store::actor_kind::ActorKind;
use crate::store::change_request::{ChangeRequest, MAX_REASON};
use crate::store::error::StoreError;
use crate::store::new_rollout::NewRollout;
use crate::store::rollout_columns::{NewRolloutEvent, RolloutColumns};
use crate::store::rollout_write::{RolloutWrite, RolloutWritten};
use crate::store::rollouts::RolloutStore;
use crate::store::routes::RouteStore;
use crate::store::stored_rollout::StoredRollout;

/// Longer than any case takes.
const LONG: Duration = Duration::from_secs(60);

/// A rollout is stored with all its values, and listed while it is not over. Panics without a
/// [`rollout_store`](RouteStore::rollout_store), like each case of that trait.
///
/// See the [module docs](super) for an example.
pub async fn rollout_is_stored_with_all_values(store: &dyn RouteStore) {
    let rollouts = rollouts_of(store);
    assert_eq!(rollouts.live().await.unwrap().rollouts, [], "an empty store has no rollouts");
    let split = two_versions(store).await;
    let columns = RolloutColumns::new("{\"s\": \"\u{1f426}\"}", "waiting").with_evidence(Some("{}".into()));
    let new = NewRollout { columns, ..new_rollout("1", &split) }
        .with_actor_kind(ActorKind::Person)
        .with_reason(Some("\u{1f426} \"now\"".into()))
        .with_events(vec![NewRolloutEvent::new("started", 0, Some("alice"), "from 2")]);
    let started = rollouts.start_rollout(&new).await.unwrap();
    let revision = store.load(0).await.unwrap().revision;
    assert_eq!(revision, 3, "a start increments the revision");
    let expected = StoredRollout::started(&new, started.number, revision, started.created_at);
    assert_eq!(started, expected, "the rollout that was started");
    let live = rollouts.live().await.unwrap();
    assert_eq!(live.rollouts, std::slice::from_ref(&started), "the rollouts that are not over");
    assert!(live.now >= started.created_at, "the clock of the store");
    assert_found(rollouts, &started).await;
}

/// Asserts that the rollout `1` is found by its id, with its first event.
async fn assert_found(rollouts: &dyn RolloutStore, started: &StoredRollout) {
    assert_eq!(rollouts.rollout("1").await.unwrap().as_ref(), Some(started), "the rollout by its id");
    assert_eq!(rollouts.rollout("2").await.unwrap(), None, "an unknown rollout");
    let events = rollouts.rollout_events("1", 10).await.unwrap();
    assert_eq!((events[0].turn, events[0].position, &*events[0].text), (started.turn, 0, "from 2"));
    assert_eq!(events[0].actor.as_deref(), Some("alice"));
}

/// A service has one rollout that is not over. The next one can start after its end.
///
/// See the [module docs](super) for an example.
pub async fn service_has_one_live_rollout(store: &dyn RouteStore) {
    let rollouts = rollouts_of(store);
    let split = two_versions(store).await;
    rollouts.start_rollout(&new_rollout("1", &split)).await.unwrap();
    let refused = rollouts.start_rollout(&new_rollout("2", &split)).await.unwrap_err();
    let StoreError::RolloutActive { id } = refused else { panic!("the second one: {refused:?}") };
    assert_eq!(id, "1", "the rollout that is not over");
    assert_eq!(services_with_rollout(store).await, ["auth"], "the services with a rollout");
    assert_ends(store).await;
    rollouts.start_rollout(&new_rollout("2", &split)).await.unwrap();
    let ids = listed_ids(store, None, 10).await;
    assert_eq!(ids, ["2", "1"], "the rollouts of the service, latest first");
}

/// Ends the rollout `1`, and asserts that other gateways learn of it and that nothing is written to it any more.
async fn assert_ends(store: &dyn RouteStore) {
    let before = store.load(0).await.unwrap().revision;
    write(store, &last_write("1", 1)).await;
    assert_eq!(services_with_rollout(store).await, [""; 0], "the services with a rollout after its end");
    let later = store.load(before).await.unwrap();
    assert_eq!(later.revision, before + 1, "the end of a rollout increments the revision");
    assert_eq!(later.splits.len(), 1, "its service is loaded again");
    let rollouts = rollouts_of(store);
    assert!(rollouts.rollout("1").await.unwrap().unwrap().is_over(), "the rollout after its end");
    let again = rollouts.write_rollout(&last_write("1", 2)).await.unwrap();
    assert_eq!(again, RolloutWritten::Overtaken, "a write to a rollout that is over");
}

/// A rollout starts with an id of its own, for a service that exists and is at the expected generation.
///
/// See the [module docs](super) for an example.
pub async fn rollout_start_is_refused(store: &dyn RouteStore) {
    let rollouts = rollouts_of(store);
    let split = two_versions(store).await;
    let mut unknown = new_rollout("1", &split);
    unknown.service = "unknown".parse().unwrap();
    let refused = rollouts.start_rollout(&unknown).await.unwrap_err();
    assert!(matches!(refused, StoreError::UnknownService(_)), "an unknown service: {refused:?}");
    store.commit(split.service(), &by_alice(set_weight("v1.1", "1"))).await.unwrap();
    let refused = rollouts.start_rollout(&new_rollout("1", &split)).await.unwrap_err();
    let is_conflict = matches!(refused, StoreError::GenerationConflict { expected: 2, found: 3 });
    assert!(is_conflict, "another generation: {refused:?}");
    assert_eq!(rollouts.rollouts(split.service(), None, 10).await.unwrap(), [], "nothing was stored");
    assert_id_is_used_once(store).await;
}

/// Asserts that a rollout of another service cannot start with an id that is in use.
async fn assert_id_is_used_once(store: &dyn RouteStore) {
    let rollouts = rollouts_of(store);
    let mut started = Vec::new();
    for service in ["one", "other"] {
        for version in ["v1.0", "v1.1"] {
            store.commit(&service.parse().unwrap(), &by_alice(register(version))).await.unwrap();
        }
        let split =
            store.load(0).await.unwrap().splits.into_iter().find(|split| split.service().as_str() == service);
        started.push(rollouts.start_rollout(&new_rollout("1", &split.unwrap())).await);
    }
    assert!(
        matches!(&started[..], [Ok(_), Err(StoreError::Broken(_))]),
        "an id of two rollouts: {started:?}"
    );
    assert_eq!(services_with_rollout(store).await, ["one"], "the services with a rollout");
    let found = rollouts.rollout("1").await.unwrap();
    assert_eq!(found.as_ref(), started[0].as_ref().ok(), "the rollout that was started first");
}

/// Of two writes that expect the same turn, the first is made and the second is overtaken.
///
/// See the [module docs](super) for an example.
pub async fn rollout_turn_fences_writers(store: &dyn RouteStore) {
    let split = two_versions(store).await;
    let rollouts = rollouts_of(store);
    rollouts.start_rollout(&new_rollout("1", &split)).await.unwrap();
    let first =
        step_write("1", 1, &split).with_events(vec![NewRolloutEvent::new("step", 1, None, "5 percent")]);
    let RolloutWritten::Written { applied, revision } = rollouts.write_rollout(&first).await.unwrap() else {
        panic!("the first write was overtaken")
    };
    assert_eq!((applied.len(), applied[0].after.generation(), applied[0].revision), (1, 3, revision));
    assert_eq!(store.load(0).await.unwrap().splits, [applied[0].after.clone()], "the split was changed");
    assert_overtaken(store, &first).await;
    let history = store.history(split.service(), None, 10).await.unwrap();
    assert_eq!((history.len(), &*history[0].actor), (3, "rollout:1"), "the history has the step once");
    assert_eq!(history[0].actor_kind, Some(ActorKind::Rollout));
}

/// Asserts that the write is overtaken and stores nothing.
async fn assert_overtaken(store: &dyn RouteStore, write: &RolloutWrite) {
    let before = everything(store).await;
    let written = rollouts_of(store).write_rollout(write).await.unwrap();
    assert_eq!(written, RolloutWritten::Overtaken, "the second write of a turn");
    assert_eq!(everything(store).await, before, "an overtaken write stores nothing");
}

/// Each value that is written is stored, and the evidence stays if none is written. Several changes are several generations.
///
/// See the [module docs](super) for an example.
pub async fn rollout_write_stores_all_values(store: &dyn RouteStore) {
    let split = two_versions(store).await;
    let rollouts = rollouts_of(store);
    rollouts.start_rollout(&new_rollout("1", &split)).await.unwrap();
    let columns = RolloutColumns::new("{\"n\": 1}", "holding").with_evidence(Some("[1]".into()));
    let columns = columns.with_step(1, Duration::from_millis(1_234)).with_why(Some("watched"));
    let changes = vec![by_rollout("5"), by_rollout("5"), by_rollout("10")];
    let written = RolloutWrite { columns, ..step_write("1", 1, &split) }.with_changes(2, changes);
    write(store, &written).await;
    let found = rollouts.rollout("1").await.unwrap().unwrap();
    assert_eq!((&*found.state, &*found.phase, found.step), ("{\"n\": 1}", "holding", 1));
    assert_eq!((found.held, found.why.as_deref()), (Duration::from_millis(1_234), Some("watched")));
    let revision = store.load(0).await.unwrap().revision;
    let numbers = (found.turn, found.generation, found.start_generation, found.service_revision, revision);
    assert_eq!(numbers, (2, 4, 2, 5, 5), "each change increments the generation and the revisions");
    let history = store.history(split.service(), None, 10).await.unwrap();
    assert_eq!(history.iter().map(|entry| entry.generation).collect::<Vec<_>>(), [4, 3, 2, 1]);
    assert_evidence_stays(store, &split).await;
}

/// Writes once more without evidence, and asserts that the evidence, the generation and the revision of the service
/// stay.
async fn assert_evidence_stays(store: &dyn RouteStore, split: &Split) {
    let later = RolloutWrite::new("1", split.service().clone(), 2, RolloutColumns::new("{}", "gated"));
    write(store, &later).await;
    let found = rollouts_of(store).rollout("1").await.unwrap().unwrap();
    assert_eq!((found.evidence.as_deref(), found.why), (Some("[1]"), None), "what a later write leaves");
    assert_eq!((found.turn, found.generation, found.service_revision), (3, 4, 5));
}

/// The split after a write with several changes is loaded as it was decided. Each entry of the history has the time of
/// its change.
///
/// See the [module docs](super) for an example.
pub async fn rollout_write_is_loaded_as_decided(store: &dyn RouteStore) {
    let split = two_versions(store).await;
    let rollouts = rollouts_of(store);
    rollouts.start_rollout(&new_rollout("1", &split)).await.unwrap();
    let registrations = ["z", "a"].map(|name| by_alice(register(name)));
    let changes = [&registrations[..], &[by_rollout("5")]].concat();
    let write = step_write("1", 1, &split).with_changes(2, changes);
    let RolloutWritten::Written { applied, .. } = rollouts.write_rollout(&write).await.unwrap() else {
        panic!("the write was overtaken")
    };
    let loaded = store.load(0).await.unwrap().splits;
    assert_eq!(loaded, [applied[2].after.clone()], "the split after the last change");
    let mut history = store.history(split.service(), None, 3).await.unwrap();
    history.reverse();
    let recorded: Vec<_> = history.iter().map(|entry| Some(entry.at)).collect();
    let decided: Vec<_> = applied.iter().map(|one| one.after.last_change().map(|last| last.at)).collect();
    assert_eq!(recorded, decided, "the times of the changes, in the history and in the splits");
}

/// A write whose change is refused stores nothing: neither state nor events, nor the changes before it.
///
/// See the [module docs](super) for an example.
pub async fn refused_rollout_write_stores_nothing(store: &dyn RouteStore) {
    let split = two_versions(store).await;
    let rollouts = rollouts_of(store);
    rollouts.start_rollout(&new_rollout("1", &split)).await.unwrap();
    let before = everything(store).await;
    let event = vec![NewRolloutEvent::new("step", 1, None, "5 percent")];
    let uncleared = ChangeRequest::new(set_weight("v1.1", "5"), "rollout:1");
    let uncleared = step_write("1", 1, &split).with_changes(2, vec![uncleared]);
    let other = step_write("1", 1, &split).with_changes(7, vec![by_rollout("5")]);
    let unknown = by_alice(set_weight("v9", "5"));
    let second = step_write("1", 1, &split).with_changes(2, vec![by_rollout("5"), unknown]);
    let mut refusals = Vec::new();
    for write in [uncleared, other, second] {
        let refused = rollouts.write_rollout(&write.with_events(event.clone())).await;
        refusals.push(refused.unwrap_err());
    }
    let are_right = matches!(
        &refusals[..],
        [StoreError::NotCleared { .. }, StoreError::GenerationConflict { .. }, StoreError::Refused(_)]
    );
    let cases = "a version without a check, another generation, a second change that is refused";
    assert!(are_right, "{cases}: {refusals:?}");
    assert_eq!(everything(store).await, before, "refused writes store nothing");
}

/// The lease is kept by its leader, refused to others, and free after its end. An operator writes without it.
///
/// See the [module docs](super) for an example.
pub async fn rollout_lease_has_one_leader(store: &dyn RouteStore) {
    let split = two_versions(store).await;
    let rollouts = rollouts_of(store);
    rollouts.start_rollout(&new_rollout("1", &split)).await.unwrap();
    write(store, &waiting_write(1).with_claim("a", LONG)).await;
    let led = rollouts.live().await.unwrap();
    assert_eq!(led.rollouts[0].leader.as_deref(), Some("a"));
    let may_lead = ["a", "b"].map(|replica| led.rollouts[0].may_be_led_by(replica, led.now, LONG));
    assert_eq!(may_lead, [true, false], "the leader, and another replica");
    let refused = rollouts.write_rollout(&waiting_write(2).with_claim("b", LONG)).await.unwrap();
    assert_eq!(refused, RolloutWritten::Overtaken, "a claim of another replica");
    write(store, &waiting_write(2)).await;
    assert_lease_ends(store).await;
}

/// Lets the lease of `a` on the rollout `1` end, which is at turn 3, and asserts that another replica gets it.
async fn assert_lease_ends(store: &dyn RouteStore) {
    let rollouts = rollouts_of(store);
    write(store, &waiting_write(3).with_claim("a", Duration::from_millis(1))).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let free = rollouts.live().await.unwrap();
    assert!(free.rollouts[0].may_be_led_by("b", free.now, LONG), "the lease has ended");
    write(store, &waiting_write(4).with_claim("b", LONG)).await;
    let taken = rollouts.rollout("1").await.unwrap().unwrap();
    assert_eq!((taken.leader.as_deref(), taken.turn), (Some("b"), 5), "another replica leads");
    assert!(taken.lease_until > Some(taken.ticked_at));
}

/// Rollouts are listed in pages by their numbers, events in their order, and the last 50 that are over are kept.
///
/// See the [module docs](super) for an example.
pub async fn last_50_rollouts_are_stored(store: &dyn RouteStore) {
    let split = two_versions(store).await;
    let rollouts = rollouts_of(store);
    for id in 1..=52 {
        let id = id.to_string();
        let events = ["started", "step"].map(|kind| NewRolloutEvent::new(kind, 0, None, &id));
        let new = new_rollout(&id, &split).with_events(events.to_vec());
        rollouts.start_rollout(&new).await.unwrap();
        let end = NewRolloutEvent::new("completed", 0, None, &id);
        write(store, &last_write(&id, 1).with_events(vec![end])).await;
    }
    rollouts.start_rollout(&new_rollout("53", &split)).await.unwrap();
    let all = rollouts.rollouts(split.service(), None, 100).await.unwrap();
    assert_eq!(all.len(), 51, "the last 50 that are over, and one that is not");
    assert_eq!((&*all[0].id, &*all[50].id), ("53", "3"));
    let page = rollouts.rollouts(split.service(), Some(all[1].number), 2).await.unwrap();
    assert_eq!(page, &all[2..4], "a page of two");
    assert_events_are_kept(rollouts).await;
}

/// Asserts that the events of the rollout `3` are kept, and those of the rollout before are not.
async fn assert_events_are_kept(rollouts: &dyn RolloutStore) {
    assert_eq!(rollouts.rollout_events("2", 10).await.unwrap(), [], "events are deleted with their rollout");
    let events = rollouts.rollout_events("3", 10).await.unwrap();
    let places: Vec<_> = events.iter().map(|event| (event.turn, event.position, &*event.kind)).collect();
    assert_eq!(places, [(1, 0, "started"), (1, 1, "step"), (2, 0, "completed")], "the events in order");
    assert_eq!(rollouts.rollout_events("3", 2).await.unwrap(), &events[..2], "the first two events");
}

/// Texts that are too long, or that contain a NUL, are refused and nothing is stored.
///
/// See the [module docs](super) for an example.
pub async fn rollout_texts_are_limited(store: &dyn RouteStore) {
    let split = two_versions(store).await;
    let rollouts = rollouts_of(store);
    let long = "\u{1f426}".repeat(MAX_REASON + 1);
    let fits = RolloutColumns::new("{}", "waiting").with_why(Some(&long));
    assert_eq!(fits.why.as_deref().map(|why| why.chars().count()), Some(MAX_REASON), "it is truncated");
    let new = new_rollout("1", &split);
    for refused in [
        NewRollout { id: "x".repeat(37), ..new.clone() },
        NewRollout { plan: "\0".into(), ..new.clone() },
        new.clone().with_reason(Some(long.clone())),
        NewRollout { columns: RolloutColumns::new("{}", "x".repeat(17)), ..new.clone() },
    ] {
        let error = rollouts.start_rollout(&refused).await.unwrap_err();
        assert!(matches!(error, StoreError::TextRefused { .. }), "{error:?}");
    }
    rollouts.start_rollout(&NewRollout { columns: fits, ..new }).await.unwrap();
    assert_event_is_limited(store, long).await;
}

/// Asserts that an event of the rollout `1` is truncated when it is created, and that one with a text that is too `long`
/// is refused.
async fn assert_event_is_limited(store: &dyn RouteStore, long: String) {
    let mut event = NewRolloutEvent::new("step", 1, Some("alice"), &long);
    write(store, &waiting_write(1).with_events(vec![event.clone()])).await;
    let before = everything(store).await;
    event.text = long;
    let with_long_text = waiting_write(2).with_events(vec![event]);
    let refused = rollouts_of(store).write_rollout(&with_long_text).await.unwrap_err();
    assert!(matches!(refused, StoreError::TextRefused { .. }), "{refused:?}");
    assert_eq!(everything(store).await, before, "a refused write stores nothing");
}

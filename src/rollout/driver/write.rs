//! What a transition writes.

use std::time::Duration;

use super::error::RolloutError;
use super::view::RolloutView;
use crate::rollout::{Event, EventKind, Evidence, Outcome, Phase, Return, Transition};
use crate::store::{ActorKind, ChangeRequest, MAX_REASON, NewRolloutEvent, RolloutColumns, RolloutWrite};

/// How long a lease lasts: a leader that ends is replaced a second after that, in all within 20 seconds even where a database
/// or a processor is slow.
pub(super) const LEASE: Duration = Duration::from_secs(13);

/// Composes the write of `transition`, without a lease. `evidence` is the evidence after it, if that is to be stored.
pub(super) fn compose(
    rollout: &RolloutView,
    transition: &Transition,
    evidence: Option<&Evidence>,
) -> Result<RolloutWrite, RolloutError> {
    let stored = &rollout.stored;
    let columns = columns(stored.why.as_deref(), transition, evidence)?;
    let changes = transition.changes.iter().map(|change| {
        let actor = format!("rollout:{}", stored.id);
        let request = ChangeRequest::new(change.clone(), actor)
            .with_actor_kind(ActorKind::Rollout)
            .with_reason(reason(rollout, transition));
        if transition.forced { request.without_check() } else { request }
    });
    let write = RolloutWrite::new(&stored.id, stored.service.clone(), transition.expected_turn, columns);
    Ok(write
        .with_changes(transition.expected_generation, changes.collect())
        .with_events(transition.events.iter().map(event).collect()))
}

/// Returns the columns of the state after `transition`. `before` is why the rollout was in its phase until now.
pub(super) fn columns(
    before: Option<&str>,
    transition: &Transition,
    evidence: Option<&Evidence>,
) -> Result<RolloutColumns, RolloutError> {
    let state = &transition.state;
    let evidence = evidence.map(serde_json::to_string).transpose().map_err(|error| unwritable(&error))?;
    let text = serde_json::to_string(state).map_err(|error| unwritable(&error))?;
    let why = match state.phase() {
        Phase::Paused { why, .. } => Some(why.to_string()),
        Phase::Returning(Return { outcome, .. }) | Phase::Over { outcome } => {
            cause(*outcome, &transition.events).or(before).map(str::to_owned)
        }
        _ => None,
    };
    Ok(RolloutColumns::new(text, state.phase().as_str())
        .with_step(step(state.number()), state.held())
        .with_outcome(state.phase().outcome().map(|outcome| outcome.as_str().to_owned()))
        .with_why(why.as_deref())
        .with_evidence(evidence))
}

/// Creates the error for a state without a JSON form. No state of the machine is one.
fn unwritable(error: &serde_json::Error) -> RolloutError {
    RolloutError::Broken(error.to_string())
}

/// Returns the text of the event that led to `outcome`, or to the way back that ends with it. `None`: an earlier
/// transition has it.
///
/// A finding counts for a rollback alone, and before what followed from it. A plan that only records findings may
/// complete in the same transition.
fn cause(outcome: Outcome, events: &[Event]) -> Option<&str> {
    use EventKind::{Aborted, Completed, Failed, Inconclusive, Returning};
    let causes = match outcome {
        Outcome::RolledBack => [Failed, Inconclusive, Returning],
        Outcome::Completed | Outcome::Aborted | Outcome::Returned => [Returning, Aborted, Completed],
    };
    let event = causes.iter().find_map(|kind| events.iter().find(|event| event.kind == *kind));
    event.map(|event| event.text.as_str())
}

/// Returns the reason of the changes, for the history of the split: the events, the person, and the figures so far
/// with the strongest evidence, at most [`MAX_REASON`] characters.
fn reason(rollout: &RolloutView, transition: &Transition) -> String {
    let events = transition.events.iter().filter(|event| event.kind != EventKind::Leader);
    let texts: Vec<&str> = events.map(|event| event.text.as_str()).collect();
    let mut reason = texts.join("; ");
    if let Some(actor) = transition.events.iter().find_map(|event| event.actor.as_deref()) {
        reason.push_str(&format!("; by {actor}"));
    }
    let totals = rollout.evidence.totals();
    let guard = rollout.guard();
    if totals.windows > 0 {
        let odds = guard.measures().iter().map(|measure| guard.odds(&rollout.evidence, *measure));
        let worst = odds.max_by(|one, other| one.ln().total_cmp(&other.ln()));
        let evidence = worst.map_or_else(String::new, |odds| format!(", evidence {odds}"));
        reason.push_str(&format!("; failed {}, others {}{evidence}", totals.canary, totals.stable));
    }
    reason.chars().filter(|c| *c != '\0').take(MAX_REASON).collect()
}

/// Returns the event as it is stored.
pub(super) fn event(event: &Event) -> NewRolloutEvent {
    NewRolloutEvent::new(event.kind.as_str(), step(event.number), event.actor.as_deref(), &event.text)
}

/// Converts the number of a stage. A plan has at most 20 steps and a bake.
fn step(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::cause;
    use crate::rollout::{Event, EventKind, Outcome};

    #[test]
    fn finding_is_the_cause_of_a_rollback_alone() {
        let finding = (EventKind::Failed, "failed: 20 % of 250");
        let end = (EventKind::Completed, "the plan is complete");
        let way_back = (EventKind::Returning, "the canary failed");
        let events = [finding, way_back, end].map(|(kind, text)| Event {
            kind,
            number: 2,
            actor: None,
            text: text.to_owned(),
        });
        assert_eq!(cause(Outcome::RolledBack, &events), Some(finding.1));
        assert_eq!(cause(Outcome::Returned, &events), Some(way_back.1));
        assert_eq!(cause(Outcome::Completed, &[events[0].clone(), events[2].clone()]), Some(end.1));
    }
}

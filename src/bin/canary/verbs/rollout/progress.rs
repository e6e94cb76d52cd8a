//! A rollout in a word, in a line, and in the moving line of a watch. Pure functions.

use std::time::Duration;

use tower_canary::api::{RolloutDetails, RolloutSummary, RolloutTallyView};

use crate::escape::escape;
use crate::exit::Exit;
use crate::output::Cell;
use crate::output::figures::{NONE, count, percent, time, weight};

/// The number of characters of the bar.
const BAR: u64 = 16;

/// Returns the first part of an id, which is enough for a person.
pub(super) fn short(id: &str) -> &str {
    id.split('-').next().unwrap_or(id)
}

/// Returns the phase, or the outcome of a rollout that is over.
pub(super) fn state(rollout: &RolloutSummary) -> Cell {
    match (rollout.phase.as_str(), rollout.outcome.as_deref()) {
        ("over", Some("completed")) => Cell::good("completed"),
        ("over", Some(outcome)) => Cell::bad(outcome),
        ("paused", _) => {
            let reason = rollout.pause.as_ref().map_or("paused", |pause| pause.reason.as_str());
            Cell::watch(&format!("paused: {reason}"))
        }
        ("returning", _) => Cell::bad("returning"),
        (phase, _) => Cell::good(phase),
    }
}

/// Returns a line about a rollout.
pub(super) fn summary(rollout: &RolloutSummary) -> String {
    let service = Cell::name(&rollout.service).render();
    let version = Cell::name(&rollout.version).render();
    let state = state(rollout).render();
    let weight = weight(rollout.weight);
    let why = rollout.why.as_ref().map_or(String::new(), |why| format!("  {}", escape(why)));
    let id = short(&rollout.id);
    let step = format!("step {} of {}", rollout.step, rollout.steps);
    format!("{service}  {version}  rollout {id}  {state}  {step}  {weight}{why}")
}

/// Returns how a rollout ends the program that waits for it. `None`: it goes on.
pub(super) fn exit(rollout: &RolloutSummary) -> Option<Exit> {
    match (rollout.phase.as_str(), rollout.outcome.as_deref()) {
        ("over", Some("rolled-back" | "aborted")) => Some(Exit::RolledBack),
        ("over", _) => Some(Exit::Done),
        ("paused", _) => Some(Exit::Paused),
        _ => None,
    }
}

/// Returns the moving line of a watch.
pub(super) fn line(details: &RolloutDetails) -> String {
    let rollout = &details.summary;
    let weight = weight(rollout.weight);
    let position = format!("step {} of {}, {weight}", rollout.step, rollout.steps);
    let middle = match rollout.phase.as_str() {
        "holding" => watched(rollout),
        "gated" => format!("waits for {}", obstacles(details)),
        "waiting" => format!("has not begun: waits for {}", obstacles(details)),
        phase => phase.to_owned(),
    };
    format!("{}  {position}  {middle}{}", rollout.version, figures(details))
}

/// Returns the bar with the time that was watched.
fn watched(rollout: &RolloutSummary) -> String {
    let hold = rollout.hold_ms.unwrap_or(0);
    let done = (rollout.watched_ms.min(hold) * BAR).checked_div(hold).unwrap_or(BAR);
    let bar: String = (0..BAR).map(|at| if at < done { '━' } else { '╌' }).collect();
    let times = [rollout.watched_ms, hold].map(|millis| time(Duration::from_millis(millis)));
    let open = rollout.verdict.as_ref().and_then(|verdict| verdict.why.as_deref());
    let why =
        open.filter(|_| rollout.watched_ms >= hold).map_or(String::new(), |why| format!(", {}", escape(why)));
    format!("{bar} {} of {}{why}", times[0], times[1])
}

/// Returns what must happen before the next step.
pub(super) fn obstacles(details: &RolloutDetails) -> String {
    let gates = details.gates.iter().filter(|gate| !gate.open).map(|gate| match gate.gate.as_str() {
        "approval" => {
            let rollout = &details.summary;
            format!("approval (`canary rollout approve {} {}`)", escape(&rollout.service), rollout.step)
        }
        other => format!("the gate {}", escape(other)),
    });
    let mut obstacles: Vec<String> = gates.collect();
    if !details.window_open {
        obstacles.push("its window of time".into());
    }
    if !details.calm {
        obstacles.push("the other versions, whose requests fail as well".into());
    }
    if obstacles.is_empty() { "the next tick".into() } else { obstacles.join(" and ") }
}

/// Returns the figures of the present step and the evidence.
pub(super) fn figures(details: &RolloutDetails) -> String {
    let step = &details.requests.step;
    if step.canary.requests == 0 {
        return String::new();
    }
    let odds = details
        .measures
        .iter()
        .map(|measure| format!("{} {}", escape(&measure.measure), escape(&measure.odds)));
    let evidence = odds.collect::<Vec<_>>().join(", ");
    let stable = failed(&step.stable);
    format!(
        "  failed {} of {} ({stable} beside it)  evidence {evidence}",
        failed(&step.canary),
        count(step.canary.requests)
    )
}

/// Returns the part that failed.
fn failed(tally: &RolloutTallyView) -> String {
    if tally.requests == 0 {
        return NONE.into();
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate is rounded to two decimals")]
    percent(tally.bad as f64 * 100.0 / tally.requests as f64)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tower_canary::api::RolloutDetails;

    use super::{exit, line};

    /// A rollout in its second step, with other values for some fields.
    fn details(changes: &Value) -> RolloutDetails {
        let mut details: Value = serde_json::from_str(include_str!("rollout.json")).unwrap();
        let changes = changes.as_object().unwrap().clone();
        details.as_object_mut().unwrap().extend(changes);
        serde_json::from_value(details).unwrap()
    }

    #[test]
    fn holding_shows_the_time_and_the_evidence() {
        let expected = "v2.4.0  step 2 of 5, 10 %  ━━━━━━━━━━╌╌╌╌╌╌ 3m 22s of 5m  failed 0.25 % of 812 \
                        (0.16 % beside it)  evidence errors 1 : 40, latency none yet";
        assert_eq!(line(&details(&json!({}))), expected);
    }

    #[test]
    fn full_hold_shows_what_the_guard_lacks() {
        let verdict =
            json!({"verdict": "open", "why": "the canary has 120 of 200 requests", "unguarded": false});
        let text = line(&details(&json!({"watchedMs": 301_000, "verdict": verdict})));
        assert!(text.contains("━━━━━━━━━━━━━━━━ 5m 1s of 5m, the canary has 120 of 200 requests"), "{text}");
    }

    #[test]
    fn gated_names_the_order_that_opens_it() {
        let text = line(&details(&json!({"phase": "gated", "calm": false})));
        let expected = "waits for approval (`canary rollout approve checkout 2`) and the other versions, whose requests fail as well";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn ends_have_their_codes() {
        let ends = [
            (json!({}), None),
            (json!({"phase": "gated"}), None),
            (json!({"phase": "returning"}), None),
            (json!({"phase": "over", "outcome": "completed"}), Some(0)),
            (json!({"phase": "over", "outcome": "returned"}), Some(0)),
            (json!({"phase": "over", "outcome": "rolled-back"}), Some(6)),
            (json!({"phase": "over", "outcome": "aborted"}), Some(6)),
            (json!({"phase": "paused", "pause": {"reason": "changed", "from": "holding"}}), Some(7)),
        ];
        for (changes, code) in ends {
            let ended = exit(&details(&changes).summary).map(crate::exit::Exit::code);
            assert_eq!(ended, code, "{changes}");
        }
    }
}

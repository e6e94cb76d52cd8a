//! A rollout with its stages, a line each.

use std::time::Duration;

use tower_canary::api::{RolloutDetails, RolloutEventView, RolloutStageView};

use super::progress;
use crate::escape::escape;
use crate::output::figures::{moment, time};

/// Returns the title, the stages and the replicas.
pub(super) fn text(details: &RolloutDetails) -> String {
    let mut lines = vec![progress::summary(&details.summary), replicas(details)];
    lines.extend(details.stages.iter().map(|stage| self::stage(details, stage)));
    lines.extend(next(details));
    lines.join("\n") + "\n"
}

/// Returns what the next step waits for. `None`: there is no next step, or a person decides.
fn next(details: &RolloutDetails) -> Option<String> {
    match details.summary.phase.as_str() {
        "gated" | "waiting" => Some(format!("the next step waits for {}", progress::obstacles(details))),
        "holding" => {
            let verdict = details.summary.verdict.as_ref()?;
            let why = verdict.why.as_ref().map_or(String::new(), |why| format!(": {}", escape(why)));
            Some(format!("the guard says {}{why}", escape(&verdict.verdict)))
        }
        _ => None,
    }
}

/// Returns how many gateways serve the present split, and which one drives.
pub(super) fn replicas(details: &RolloutDetails) -> String {
    let serving = details.replicas.iter().filter(|replica| replica.serves).count();
    let all = details.replicas.len();
    let leader = details.leader.as_ref().and_then(|leader| leader.name.as_deref());
    let driver =
        leader.map_or_else(|| "nobody drives it yet".into(), |name| format!("driven by {}", escape(name)));
    format!("gateways {serving} of {all}, {driver}")
}

/// Returns a stage: passed, present, given up or to come.
fn stage(details: &RolloutDetails, stage: &RolloutStageView) -> String {
    let rollout = &details.summary;
    let hold = time(Duration::from_millis(stage.hold_ms));
    let bake = if stage.is_bake { "  the end" } else { "" };
    let start = format!("{:>6} %", stage.weight.to_string());
    let gates = if stage.gates.is_empty() {
        String::new()
    } else {
        format!("  gates {}", escape(&stage.gates.join(", ")))
    };
    let is_over = rollout.phase == "over";
    let is_completed = rollout.outcome.as_deref() == Some("completed");
    if stage.step < rollout.step || (is_completed && stage.step == rollout.step) {
        return format!(" ✓ {start}  watched{gates}{bake}");
    }
    if stage.step > rollout.step {
        return format!(" ○ {start}  for {hold}{gates}{bake}");
    }
    let mark = if is_over { '✗' } else { '◌' };
    let watched = time(Duration::from_millis(rollout.watched_ms));
    format!(" {mark} {start}  {watched} of {hold}{gates}{bake}{}", progress::figures(details))
}

/// Returns a line about an event.
pub(super) fn event(event: &RolloutEventView) -> String {
    let actor = event.actor.as_ref().map_or(String::new(), |actor| format!("  by {}", escape(actor)));
    format!("{}  {}  {}{actor}", moment(event.at), escape(&event.kind), escape(&event.text))
}

//! Exports rollouts.

use std::sync::{Arc, Mutex};

use metrics::{Label, Unit, counter, describe_counter, describe_gauge, gauge};

use super::labels::label;
use crate::common::lock::lock;
use crate::rollout::{Measure, Outcome, Phase, RolloutStatus, Rollouts};

const PHASE: &str = "canary_rollout_phase";
const STEP: &str = "canary_rollout_step";
const EVIDENCE: &str = "canary_rollout_evidence";
const LEADER: &str = "canary_rollout_leader";
const TICK_AGE: &str = "canary_rollout_tick_age_seconds";
const ENDED: &str = "canary_rollouts_total";

/// Exports rollouts to the recorder of the `metrics` facade. Clones share the record of exported rollouts.
///
/// ```
/// use tower_canary::metrics::RolloutMetrics;
/// use tower_canary::rollout::Rollouts;
/// use tower_canary::{Deployments, Draw};
///
/// let deployments = Deployments::in_memory(Draw::Exact);
/// let metrics = RolloutMetrics::new(Rollouts::new(deployments.clone()));
/// // Every five seconds, beside the metrics of the deployments:
/// deployments.record_metrics();
/// metrics.record();
/// ```
#[derive(Clone, Debug)]
pub struct RolloutMetrics {
    rollouts: Rollouts,
    /// The rollouts of the last export. The series of those that are over by the next export end with it.
    exported: Arc<Mutex<Vec<RolloutStatus>>>,
}

impl RolloutMetrics {
    /// Creates an exporter of `rollouts`, which must be those whose [`run`](Rollouts::run) the application awaits, or a clone.
    #[must_use]
    pub fn new(rollouts: Rollouts) -> Self {
        Self { rollouts, exported: Arc::default() }
    }

    /// Exports what this process has seen of each rollout. It makes no call of the store.
    pub fn record(&self) {
        describe();
        let statuses = self.rollouts.statuses();
        let mut exported = lock(&self.exported);
        for before in exported.iter() {
            match statuses.iter().find(|live| live.service == before.service) {
                Some(live) => end_measures_not_in(live, before),
                None => end(before),
            }
        }
        statuses.iter().for_each(export);
        *exported = statuses;
        for (service, outcome, count) in self.rollouts.ended() {
            counter!(ENDED, "service" => service.to_string(), "outcome" => outcome.as_str()).absolute(count);
        }
    }
}

/// Exports a rollout that is not over. The counters of its service exist at 0 before it ends.
fn export(status: &RolloutStatus) {
    set_phase(status, Some(status.phase));
    #[expect(clippy::cast_precision_loss, reason = "a plan has at most 21 stages")]
    gauge!(STEP, of_service(status)).set(status.step as f64);
    for (measure, odds) in &status.odds {
        let evidence = Some(odds.log10()).filter(|evidence| evidence.is_finite());
        gauge!(EVIDENCE, with(status, "measure", measure.as_str())).set(evidence.unwrap_or(f64::NAN));
    }
    gauge!(LEADER, of_service(status)).set(if status.leads { 1.0 } else { 0.0 });
    gauge!(TICK_AGE, of_service(status)).set(status.tick_age.as_secs_f64());
    for outcome in Outcome::ALL {
        counter!(ENDED, with(status, "outcome", outcome.as_str())).increment(0);
    }
}

/// Ends the evidence of `before` by the measures that `live`, the present rollout of the service, does not have. It is
/// another rollout then, with another plan.
fn end_measures_not_in(live: &RolloutStatus, before: &RolloutStatus) {
    for (measure, _) in &before.odds {
        if !live.odds.iter().any(|(exported, _)| exported == measure) {
            end_measure(before, *measure);
        }
    }
}

/// Ends the series of a rollout that is over. The facade cannot remove a series, and any number would be that of a rollout
/// that does not exist.
fn end(status: &RolloutStatus) {
    set_phase(status, None);
    gauge!(STEP, of_service(status)).set(f64::NAN);
    for (measure, _) in &status.odds {
        end_measure(status, *measure);
    }
    gauge!(LEADER, of_service(status)).set(f64::NAN);
    gauge!(TICK_AGE, of_service(status)).set(f64::NAN);
}

/// Ends the evidence by one measure.
fn end_measure(status: &RolloutStatus, measure: Measure) {
    gauge!(EVIDENCE, with(status, "measure", measure.as_str())).set(f64::NAN);
}

/// Sets the gauge of the present phase to 1, and those of the other phases to 0. `current` is `None` after the end.
fn set_phase(status: &RolloutStatus, current: Option<&str>) {
    for phase in Phase::LIVE {
        gauge!(PHASE, with(status, "phase", phase)).set(if current == Some(phase) { 1.0 } else { 0.0 });
    }
}

/// Returns the label of the service.
fn of_service(status: &RolloutStatus) -> Vec<Label> {
    vec![label("service", status.service.as_str())]
}

/// Returns the label of the service, and one more with this name and value.
fn with(status: &RolloutStatus, name: &'static str, value: &'static str) -> Vec<Label> {
    vec![label("service", status.service.as_str()), Label::from_static_parts(name, value)]
}

/// Describes the metrics of rollouts. A recorder ignores a repeated description.
fn describe() {
    describe_gauge!(PHASE, Unit::Count, "Whether the rollout of the service is in the phase.");
    describe_gauge!(STEP, Unit::Count, "Number of the stage of the rollout, from 1. 0 before the first one.");
    describe_gauge!(EVIDENCE, Unit::Count, "Decimal logarithm of the odds against the canary, by measure.");
    describe_gauge!(LEADER, Unit::Count, "Whether this gateway leads the rollout of the service.");
    describe_gauge!(TICK_AGE, Unit::Seconds, "Time since a gateway drove the rollout of the service.");
    describe_counter!(ENDED, Unit::Count, "Rollouts that this gateway has ended, by outcome.");
}

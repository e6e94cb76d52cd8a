//! All about a rollout.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::evidence::{RolloutMeasureView, RolloutRequestsView};
use super::summary::RolloutSummary;
use crate::api::figures::ObservedShareView;
use crate::api::percent::Percent;
use crate::api::replicas::milliseconds;
use crate::api::timestamp::Timestamp;
use crate::rollout::{EventKind, GateName, Plan, RolloutReplica, RolloutView, Stage};
use crate::routing::Split;
use crate::store::StoredRolloutEvent;
use crate::traffic::ObservedShare;

/// All about a rollout: the response of `GET /deployment/services/{service}/rollouts/{rollout}`, and the data of each event
/// of its stream.
///
/// ```
/// use tower_canary::api::RolloutDetails;
///
/// /// Describes the evidence against the canary.
/// fn describe(rollout: &RolloutDetails) -> String {
///     let measures = rollout.measures.iter().map(|measure| format!("{} {}", measure.measure, measure.odds));
///     measures.collect::<Vec<_>>().join(", ")
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RolloutDetails {
    /// The rollout in a few fields. In JSON they stand beside the others.
    #[serde(flatten)]
    pub summary: RolloutSummary,
    /// The name under which this gateway reports. `null`: it does not report.
    #[cfg_attr(feature = "admin", schema(example = "gateway-1"))]
    pub replica: Option<String>,
    /// When this gateway read the rollout.
    #[cfg_attr(feature = "admin", schema(value_type = String, format = "date-time"))]
    pub at: Timestamp,
    /// The plan with its defaults.
    #[cfg_attr(feature = "admin", schema(value_type = Object))]
    pub plan: Plan,
    /// The stages: the steps, then the bake if the plan has one.
    pub stages: Vec<RolloutStageView>,
    /// The weights that this gateway serves, by version. Empty: it does not serve the service.
    #[cfg_attr(feature = "admin", schema(example = json!({"v2.3.1": 90, "v2.4.0": 10})))]
    pub weights: BTreeMap<String, Percent>,
    /// The canary's share of the requests of this stage, over all gateways. `null`: there was none yet.
    pub observed: Option<ObservedShareView>,
    /// The gates before the next stage.
    pub gates: Vec<RolloutGateView>,
    /// Whether the stage counts as passed and its gates as open although it was inconclusive: a person resumed it, or the plan
    /// says so.
    pub accepted: bool,
    /// Whether a window of time is open. `true` if the plan has none.
    pub window_open: bool,
    /// Whether the other versions work well enough for the next stage.
    pub calm: bool,
    /// The evidence against the canary by each measure of the plan.
    pub measures: Vec<RolloutMeasureView>,
    /// The requests that were compared.
    pub requests: RolloutRequestsView,
    /// Whether all gateways serve the present split. Only then a hold counts. `false` if no gateway is known.
    pub converged: bool,
    /// The gateway that drives the rollout. `null`: none did yet.
    pub leader: Option<RolloutLeaderView>,
    /// The gateways that share the store, in the order of their names.
    pub replicas: Vec<RolloutReplicaView>,
    /// The first 1,000 events, oldest first.
    pub events: Vec<RolloutEventView>,
}

/// A stage of a rollout with its defaults.
///
/// See [`RolloutDetails`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RolloutStageView {
    /// The number of the stage, from 1 on.
    pub step: usize,
    /// The weight of the canary.
    pub weight: Percent,
    /// The time that it must be watched, in milliseconds.
    pub hold_ms: u64,
    /// The time by which it must have passed, in milliseconds.
    pub deadline_ms: u64,
    /// The gates that must be open before the next stage.
    #[cfg_attr(feature = "admin", schema(example = json!(["approval"])))]
    pub gates: Vec<String>,
    /// The share of requests that are copied to the canary.
    pub mirror: Percent,
    /// Whether it is the bake.
    pub is_bake: bool,
}

/// A gate before the next stage.
///
/// See [`RolloutDetails`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RolloutGateView {
    /// The name of the gate. `approval` is opened by a person.
    #[cfg_attr(feature = "admin", schema(example = "approval"))]
    pub gate: String,
    /// Whether it is open.
    pub open: bool,
    /// Who approved. `null`: it is not open, or the application opened it.
    #[cfg_attr(feature = "admin", schema(example = "alice"))]
    pub by: Option<String>,
}

/// The gateway that drives a rollout.
///
/// See [`RolloutDetails`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RolloutLeaderView {
    /// The identity of the process.
    pub id: String,
    /// The name under which it reports. `null`: it is gone, and another one takes over.
    #[cfg_attr(feature = "admin", schema(example = "gateway-2"))]
    pub name: Option<String>,
    /// Whether it is the gateway that sent this response.
    pub is_this: bool,
}

/// A gateway as it contributes to a rollout.
///
/// See [`RolloutDetails`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RolloutReplicaView {
    /// The identity of the process.
    pub id: String,
    /// The name under which it reports.
    #[cfg_attr(feature = "admin", schema(example = "gateway-1"))]
    pub name: String,
    /// Whether it serves the present split of the service.
    pub serves: bool,
    /// Whether it reported figures of the service. Without them its requests count for nothing.
    pub reports: bool,
    /// Whether it is the gateway that sent this response.
    pub is_this: bool,
}

/// Something that happened to a rollout. Turn and position together name it.
///
/// See [`RolloutDetails`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RolloutEventView {
    /// The number of the write that recorded it.
    pub turn: u64,
    /// Its place among the events of that write, from 0 on.
    pub position: u32,
    /// When it was recorded, by the clock of the store.
    #[cfg_attr(feature = "admin", schema(value_type = String, format = "date-time"))]
    pub at: Timestamp,
    /// The kind.
    #[cfg_attr(feature = "admin", schema(example = "step"))]
    pub kind: String,
    /// The number of the stage. 0 before the first one.
    pub step: u32,
    /// The person who caused it. `null`: the rollout itself.
    #[cfg_attr(feature = "admin", schema(example = "alice"))]
    pub actor: Option<String>,
    /// What happened, in words.
    pub text: String,
}

impl RolloutDetails {
    /// Shows a rollout, which was read at the time `at`, with the split that this gateway serves then, and without gateways and
    /// events.
    #[must_use]
    pub fn new(rollout: &RolloutView, split: Option<&Split>, at: SystemTime) -> Self {
        let RolloutView { plan, state, evidence, .. } = rollout;
        let versions = split.into_iter().flat_map(Split::versions);
        let canary = versions.clone().find(|version| version.id == state.canary());
        let step = evidence.step_totals();
        let requests = step.canary.requests.saturating_add(step.stable.requests);
        let observed = ObservedShare::new(step.canary.requests, requests);
        Self {
            summary: RolloutSummary::new(rollout, canary.map(|version| version.weight)),
            replica: None,
            at: at.into(),
            plan: plan.clone(),
            stages: RolloutStageView::all(plan),
            weights: versions.map(|version| (version.name.to_string(), version.weight.into())).collect(),
            observed: observed.map(ObservedShareView::from),
            gates: state.gates(plan).iter().map(|gate| gate_view(gate, state.is_open(gate))).collect(),
            accepted: state.is_accepted(),
            window_open: plan.is_window_open(at),
            calm: rollout.guard().is_calm(evidence),
            measures: RolloutMeasureView::all(rollout),
            requests: RolloutRequestsView::new(rollout),
            converged: false,
            leader: None,
            replicas: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Adds the gateways, as the one with the id `this` sees them.
    #[must_use]
    pub fn with_replicas(
        self,
        leader: Option<&str>,
        replicas: &[RolloutReplica],
        this: Option<&str>,
    ) -> Self {
        let leader = leader.map(|id| RolloutLeaderView {
            id: id.to_owned(),
            name: replicas.iter().find(|replica| replica.id == id).map(|replica| replica.name.clone()),
            is_this: Some(id) == this,
        });
        let views = replicas.iter().map(|replica| RolloutReplicaView {
            id: replica.id.clone(),
            name: replica.name.clone(),
            serves: replica.serves,
            reports: replica.reports,
            is_this: Some(replica.id.as_str()) == this,
        });
        let converged = !replicas.is_empty() && replicas.iter().all(|replica| replica.serves);
        Self { converged, leader, replicas: views.collect(), ..self }
    }

    /// Adds the events, oldest first, and who approved the present stage.
    #[must_use]
    pub fn with_events(mut self, events: Vec<StoredRolloutEvent>) -> Self {
        self.events = events.into_iter().map(RolloutEventView::from).collect();
        let approval = self.events.iter().rev().find(|event| {
            event.kind == EventKind::Approved.as_str() && event.step as usize == self.summary.step
        });
        let by = approval.and_then(|event| event.actor.clone());
        for gate in self.gates.iter_mut().filter(|gate| gate.open && gate.gate == GateName::APPROVAL) {
            gate.by.clone_from(&by);
        }
        self
    }
}

impl RolloutStageView {
    /// Shows all stages of a plan.
    pub(super) fn all(plan: &Plan) -> Vec<Self> {
        let stages = (1..=plan.stages()).filter_map(|number| Some((number, plan.stage(number)?)));
        stages.map(|(number, stage)| Self::new(number, &stage)).collect()
    }

    fn new(step: usize, stage: &Stage<'_>) -> Self {
        Self {
            step,
            weight: stage.weight.into(),
            hold_ms: milliseconds(stage.hold),
            deadline_ms: milliseconds(stage.deadline),
            gates: stage.gates.iter().map(GateName::to_string).collect(),
            mirror: stage.mirror.into(),
            is_bake: stage.is_bake,
        }
    }
}

/// Returns a gate of which it is not known who opened it.
fn gate_view(gate: &GateName, open: bool) -> RolloutGateView {
    RolloutGateView { gate: gate.to_string(), open, by: None }
}

impl From<StoredRolloutEvent> for RolloutEventView {
    fn from(event: StoredRolloutEvent) -> Self {
        Self {
            turn: event.turn,
            position: event.position,
            at: event.at.into(),
            kind: event.kind,
            step: event.step,
            actor: event.actor,
            text: event.text,
        }
    }
}

//! A rollout in a few fields.

use serde::{Deserialize, Serialize};

use crate::api::percent::Percent;
use crate::api::replicas::milliseconds;
use crate::api::timestamp::Timestamp;
use crate::rollout::{Phase, Resumable, Return, RolloutView, Verdict};
use crate::routing::Weight;
use crate::store::ActorKind;

/// A rollout in a few fields: the response to a start and to each order, and an entry of the lists.
///
/// ```
/// use tower_canary::api::RolloutSummary;
///
/// let json = r#"{
///     "id": "7f3a2c1e-5b0d-4e8a-9c41-2d6f0b7a1e35", "number": 12, "service": "checkout", "version": "v2.4.0",
///     "phase": "holding", "why": null, "pause": null, "returning": null, "outcome": null,
///     "step": 2, "steps": 5, "weight": 10, "watchedMs": 202000, "holdMs": 300000, "timeLeftMs": 3398000,
///     "verdict": {"verdict": "open", "why": "the hold is not over", "unguarded": false},
///     "actor": "alice", "actorKind": "person", "reason": "release 2.4",
///     "createdAt": "2026-01-05T10:00:00.000Z", "tickedAt": "2026-01-05T10:08:25.000Z", "overAt": null
/// }"#;
/// let rollout: RolloutSummary = serde_json::from_str(json)?;
/// assert_eq!((rollout.phase.as_str(), rollout.step), ("holding", 2));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RolloutSummary {
    /// The id of the rollout.
    #[cfg_attr(feature = "admin", schema(example = "7f3a2c1e-5b0d-4e8a-9c41-2d6f0b7a1e35"))]
    pub id: String,
    /// The place of the rollout among all: a later one has a greater number.
    pub number: u64,
    /// The name of the service.
    #[cfg_attr(feature = "admin", schema(example = "checkout"))]
    pub service: String,
    /// The name of the canary.
    #[cfg_attr(feature = "admin", schema(example = "v2.4.0"))]
    pub version: String,
    /// The phase: `waiting`, `holding`, `gated`, `returning`, `paused` or `over`.
    #[cfg_attr(feature = "admin", schema(example = "holding"))]
    pub phase: String,
    /// Why it pauses, goes back or is over. `null` in other phases.
    pub why: Option<String>,
    /// The pause. `null`: it does not pause.
    pub pause: Option<RolloutPauseView>,
    /// The way back. `null`: it does not go back.
    pub returning: Option<RolloutReturnView>,
    /// The end: `completed`, `rolled-back`, `aborted` or `returned`. `null`: it is not over.
    pub outcome: Option<String>,
    /// The number of the stage. 0 before the first one.
    pub step: usize,
    /// The number of stages: the steps, and the bake as the last one if the plan has one.
    pub steps: usize,
    /// The present weight of the canary at this gateway. `null`: the gateway does not serve the canary, for example because it
    /// was removed.
    pub weight: Option<Percent>,
    /// How long the stage was watched, in milliseconds. While the rollout goes back, the time since the last step.
    pub watched_ms: u64,
    /// The time that the stage must be watched, in milliseconds. `null` before the first stage.
    pub hold_ms: Option<u64>,
    /// The time until the deadline of the stage, in milliseconds. It passes only while a gateway drives the rollout,
    /// in the phases `waiting`, `holding` and `gated`, and in `waiting` and `gated` only while a window of time is
    /// open. 0: the deadline has passed. `null`: the rollout is over.
    pub time_left_ms: Option<u64>,
    /// The verdict of the guard. `null` before the first stage.
    pub verdict: Option<RolloutVerdictView>,
    /// Who started the rollout.
    #[cfg_attr(feature = "admin", schema(example = "alice"))]
    pub actor: String,
    /// The kind of the actor: `person` or `application`. `null`: a later release knows the kind.
    #[cfg_attr(feature = "admin", schema(example = "person"))]
    pub actor_kind: Option<String>,
    /// Why it was started. `null`: no reason was given.
    pub reason: Option<String>,
    /// When it was started, by the clock of the store.
    #[cfg_attr(feature = "admin", schema(value_type = String, format = "date-time"))]
    pub created_at: Timestamp,
    /// When a gateway drove it last, by the clock of the store. Nobody drives a rollout of which this is older than 20 seconds.
    #[cfg_attr(feature = "admin", schema(value_type = String, format = "date-time"))]
    pub ticked_at: Timestamp,
    /// When it was over, by the clock of the store. `null`: it is not over.
    #[cfg_attr(feature = "admin", schema(value_type = Option<String>, format = "date-time"))]
    pub over_at: Option<Timestamp>,
}

/// Why a rollout pauses.
///
/// See [`RolloutSummary`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RolloutPauseView {
    /// The reason: `by-hand`, `inconclusive`, `failed`, `changed` or `replaced`.
    #[cfg_attr(feature = "admin", schema(example = "inconclusive"))]
    pub reason: String,
    /// The phase before: `waiting`, `holding`, `gated` or `returning`.
    #[cfg_attr(feature = "admin", schema(example = "holding"))]
    pub from: String,
}

/// The way back of a rollout.
///
/// See [`RolloutSummary`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RolloutReturnView {
    /// The outcome once it is over: `rolled-back`, `aborted` or `returned`.
    #[cfg_attr(feature = "admin", schema(example = "rolled-back"))]
    pub outcome: String,
    /// Whether the next change waits for a probe of the versions that get traffic again.
    pub pending: bool,
}

/// The verdict of the guard about the present stage.
///
/// See [`RolloutSummary`] for an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RolloutVerdictView {
    /// The verdict: `open`, `pass`, `fail` or `inconclusive`.
    #[cfg_attr(feature = "admin", schema(example = "open"))]
    pub verdict: String,
    /// What the stage lacks, or the evidence against the canary. `null`: the stage passes.
    #[cfg_attr(feature = "admin", schema(example = "the canary has 120 of 200 requests"))]
    pub why: Option<String>,
    /// Whether the stage passes although nothing was compared. `false` for the other verdicts.
    pub unguarded: bool,
}

impl RolloutSummary {
    /// Shows a rollout whose canary has this weight at the gateway that responds. `None`: it does not serve the canary.
    #[must_use]
    pub fn new(rollout: &RolloutView, weight: Option<Weight>) -> Self {
        let RolloutView { stored, plan, state, .. } = rollout;
        let phase = state.phase();
        Self {
            id: stored.id.clone(),
            number: stored.number,
            service: stored.service.to_string(),
            version: stored.canary.to_string(),
            phase: phase.as_str().to_owned(),
            why: stored.why.clone(),
            pause: RolloutPauseView::from_phase(phase),
            returning: RolloutReturnView::from_phase(phase),
            outcome: phase.outcome().map(|outcome| outcome.as_str().to_owned()),
            step: state.number(),
            steps: plan.stages(),
            weight: weight.map(Percent::from),
            watched_ms: milliseconds(state.held()),
            hold_ms: plan.stage(state.number()).map(|stage| milliseconds(stage.hold)),
            time_left_ms: (!state.is_over()).then(|| milliseconds(state.time_left())),
            verdict: rollout.verdict().as_ref().map(RolloutVerdictView::from),
            actor: stored.actor.clone(),
            actor_kind: stored.actor_kind.map(ActorKind::as_str).map(str::to_owned),
            reason: stored.reason.clone(),
            created_at: stored.created_at.into(),
            ticked_at: stored.ticked_at.into(),
            over_at: stored.over_at.map(Timestamp::from),
        }
    }
}

impl RolloutPauseView {
    /// Returns the pause of a rollout in this phase. `None`: it does not pause.
    fn from_phase(phase: &Phase) -> Option<Self> {
        let Phase::Paused { from, why } = phase else { return None };
        Some(Self { reason: why.as_str().to_owned(), from: Phase::from(*from).as_str().to_owned() })
    }
}

impl RolloutReturnView {
    /// Returns the way back of a rollout in this phase, also of one that pauses on it. `None`: it does not go back.
    fn from_phase(phase: &Phase) -> Option<Self> {
        let (Phase::Returning(back) | Phase::Paused { from: Resumable::Returning(back), .. }) = phase else {
            return None;
        };
        let Return { outcome, pending, .. } = back;
        Some(Self { outcome: outcome.as_str().to_owned(), pending: *pending })
    }
}

impl From<&Verdict> for RolloutVerdictView {
    fn from(verdict: &Verdict) -> Self {
        let why = match verdict {
            Verdict::Open(lack) | Verdict::Inconclusive(lack) => Some(lack.to_string()),
            Verdict::Fail(finding) => Some(finding.to_string()),
            Verdict::Pass { .. } => None,
        };
        let unguarded = matches!(verdict, Verdict::Pass { unguarded: true });
        Self { verdict: verdict.as_str().to_owned(), why, unguarded }
    }
}

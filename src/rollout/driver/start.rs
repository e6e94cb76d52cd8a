//! The start of a rollout.

use super::engine::{Engine, log};
use super::error::RolloutError;
use super::orders::ATTEMPTS;
use super::view::RolloutView;
use super::write::{columns, event};
use crate::deployments::DeployError;
use crate::rollout::{Plan, StartRefused, State, Transition};
use crate::routing::{Reason, ServiceName, Split};
use crate::store::{ActorKind, NewRollout, StoreError, StoredRollout};

/// The person or program that starts a rollout. See [`Rollouts`](super::Rollouts) for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RolloutActor {
    /// The person or program.
    pub name: String,
    /// What kind of sender it is.
    pub kind: ActorKind,
    /// Why.
    pub reason: Option<String>,
}

impl RolloutActor {
    /// Creates an actor of the kind [`ActorKind::Application`].
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), kind: ActorKind::default(), reason: None }
    }

    /// Sets what kind of sender it is.
    #[must_use]
    pub fn with_kind(self, kind: ActorKind) -> Self {
        Self { kind, ..self }
    }

    /// Sets the reason.
    #[must_use]
    pub fn with_reason(self, reason: Option<String>) -> Self {
        Self { reason, ..self }
    }
}

/// The result of a start. See [`Rollouts::start`](super::Rollouts::start).
///
/// Starting the same plan twice is safe: a program that did not see the response of its first attempt finds
/// its rollout running.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Started {
    /// The rollout began.
    New(RolloutView),
    /// A rollout by the same plan was under way already.
    Running(RolloutView),
}

/// What a start does, before it is stored.
pub(super) enum Opening {
    /// It begins a rollout.
    New {
        /// The split at the start.
        split: Split,
        /// The first state.
        transition: Box<Transition>,
    },
    /// It finds a rollout by the same plan.
    Running(Box<RolloutView>),
}

impl Engine {
    /// Starts a rollout. It tries again if the split changed between the check of the plan and the write.
    pub(super) async fn start(
        &self,
        service: &ServiceName,
        plan: &Plan,
        actor: &RolloutActor,
    ) -> Result<Started, RolloutError> {
        for _ in 0..ATTEMPTS {
            let (split, transition) = match self.open(service, plan, &actor.name).await? {
                Opening::New { split, transition } => (split, transition),
                Opening::Running(rollout) => return Ok(Started::Running(*rollout)),
            };
            match self.store()?.start_rollout(&new_rollout(&split, plan, actor, &transition)?).await {
                Ok(stored) => return self.started(stored, &transition).await,
                Err(StoreError::RolloutActive { .. } | StoreError::GenerationConflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(DeployError::Unsettled.into())
    }

    /// Decides about a start of a rollout by `plan`: begins one, or finds the one by the same plan. Nothing is
    /// written.
    pub(super) async fn open(
        &self,
        service: &ServiceName,
        plan: &Plan,
        actor: &str,
    ) -> Result<Opening, RolloutError> {
        self.replica()?;
        self.check_plan(plan)?;
        let live = self.store()?.live().await?;
        if let Some(running) = live.rollouts.into_iter().find(|rollout| rollout.service == *service) {
            return running_by(plan, running);
        }
        self.deployments.refresh().await?;
        let split = self.split(service, 0).await?;
        if split.versions().is_empty() {
            return Err(StoreError::UnknownService(service.clone()).into());
        }
        let transition = Box::new(State::start(plan, &split, live.now, actor)?);
        Ok(Opening::New { split, transition })
    }

    /// Logs and records the start after it is stored. The refresh shows the rollout to the driver of this
    /// gateway at once.
    async fn started(&self, stored: StoredRollout, transition: &Transition) -> Result<Started, RolloutError> {
        let rollout = RolloutView::read(stored)?;
        log(&rollout, &transition.events);
        self.board.record_write(&rollout, self.replica()?);
        // The driver learns of the rollout by it, or by the next refresh if this one fails.
        let _ = self.deployments.refresh().await;
        Ok(Started::New(rollout))
    }

    /// Refuses a plan with a gate that this gateway does not have, or with a mirror if it copies no requests.
    fn check_plan(&self, plan: &Plan) -> Result<(), RolloutError> {
        let mut gates = plan.gates().filter(|(_, gate)| !gate.is_approval());
        if let Some((pointer, gate)) = gates.find(|(_, gate)| !self.gates.contains_key(*gate)) {
            return Err(RolloutError::UnknownGate { pointer, gate: gate.clone() });
        }
        let mut steps = plan.steps().iter().enumerate();
        let has_mirror = self.deployments.handle().has_rule(Reason::Mirror);
        match steps.find(|(_, step)| step.mirror.is_some() && !has_mirror) {
            Some((i, _)) => Err(RolloutError::NoMirror { pointer: format!("/steps/{i}/mirror") }),
            None => Ok(()),
        }
    }
}

/// Returns the rollout that is under way if it has the same plan, and otherwise [`StoreError::RolloutActive`].
fn running_by(plan: &Plan, running: StoredRollout) -> Result<Opening, RolloutError> {
    let id = running.id.clone();
    let running = RolloutView::read(running)?;
    if running.plan == *plan {
        return Ok(Opening::Running(Box::new(running)));
    }
    Err(StoreError::RolloutActive { id }.into())
}

/// Creates the values to store: the plan with all its defaults, so that a later release with other defaults
/// does not change a rollout that is under way.
fn new_rollout(
    split: &Split,
    plan: &Plan,
    actor: &RolloutActor,
    transition: &Transition,
) -> Result<NewRollout, RolloutError> {
    let canary = split.version(plan.version().as_str());
    let canary = canary.ok_or_else(|| StartRefused::UnknownVersion(plan.version().clone()))?;
    let text = serde_json::to_string(plan).map_err(|error| RolloutError::Broken(error.to_string()))?;
    let columns = columns(None, transition, None)?;
    Ok(NewRollout::new(random_id(), split, canary, text, columns, &actor.name)
        .with_actor_kind(actor.kind)
        .with_reason(actor.reason.clone())
        .with_events(transition.events.iter().map(event).collect()))
}

/// Returns a random UUID, version 4 of RFC 9562.
fn random_id() -> String {
    let random: u128 = rand::random();
    let marked = (random & !(0xF << 76) & !(0b11 << 62)) | (4 << 76) | (0b10 << 62);
    let hex = format!("{marked:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

//! Orders of people.

use std::time::SystemTime;

use super::engine::Engine;
use super::error::RolloutError;
use super::lead::is_pending;
use super::view::RolloutView;
use crate::deployments::DeployError;
use crate::rollout::{Input, Order, Phase, Tick, Verb};
use crate::routing::ServiceName;
use crate::store::{LeaseUse, StoreError};

/// How often an order or a start is decided at most, if others write in between each time.
pub(super) const ATTEMPTS: usize = 5;

/// The rollout after an input.
struct StepResult {
    rollout: RolloutView,
    /// As [`Transition::interfered`](crate::rollout::Transition::interfered).
    interfered: bool,
}

impl StepResult {
    /// Returns [`RolloutError::Interfered`] if the order was not carried out, unless the rollout is as the order
    /// wants it: a paused one, or for an abort one that is over.
    fn check(&self, verb: Verb) -> Result<(), RolloutError> {
        let phase = self.rollout.state.phase();
        match (verb, phase) {
            _ if !self.interfered => Ok(()),
            (Verb::Abort { .. }, _) | (Verb::Pause, Phase::Paused { .. }) => Ok(()),
            _ => Err(RolloutError::Interfered { phase: phase.as_str() }),
        }
    }
}

impl Engine {
    /// Carries out an order about the rollout `id` of `service`, or about the one that is not over. It decides again,
    /// up to [`ATTEMPTS`] times in all, if others wrote in between.
    pub(super) async fn order(
        &self,
        service: &ServiceName,
        id: Option<&str>,
        order: &Order,
    ) -> Result<RolloutView, RolloutError> {
        self.replica()?;
        for _ in 0..ATTEMPTS {
            let (rollout, now) = self.find(service, id).await?;
            let input = Input::order(now, order.clone());
            let Some(result) = self.step(rollout, input).await? else { continue };
            result.check(order.verb)?;
            return Ok(self.begin_return(result.rollout, now).await);
        }
        Err(DeployError::Unsettled.into())
    }

    /// Returns the rollout `id` of `service`.
    pub(super) async fn read(&self, service: &ServiceName, id: &str) -> Result<RolloutView, RolloutError> {
        let found = self.store()?.rollout(id).await?.filter(|rollout| rollout.service == *service);
        RolloutView::read(found.ok_or(RolloutError::UnknownRollout)?)
    }

    /// Returns the rollout `id` of `service`, or the one that is not over, and the time of the store's clock.
    pub(super) async fn find(
        &self,
        service: &ServiceName,
        id: Option<&str>,
    ) -> Result<(RolloutView, SystemTime), RolloutError> {
        let store = self.store()?;
        let live = store.live().await?;
        let mut rollouts = live.rollouts.into_iter().filter(|rollout| rollout.service == *service);
        let found = rollouts.find(|rollout| id.is_none_or(|id| id == rollout.id));
        let found = match (found, id) {
            (None, Some(id)) => store.rollout(id).await?.filter(|rollout| rollout.service == *service),
            (found, _) => found,
        };
        let stored = found.ok_or(RolloutError::UnknownRollout)?;
        Ok((RolloutView::read(stored)?, live.now))
    }

    /// Writes what `input` does. `None`: nothing was written, since others wrote in between.
    async fn step(&self, rollout: RolloutView, input: Input) -> Result<Option<StepResult>, RolloutError> {
        let split = self.split(&rollout.stored.service, rollout.stored.generation).await?;
        let transition = rollout.state.step(&rollout.plan, &split, &self.with_pins(input))?;
        let interfered = transition.interfered;
        match self.write(rollout, transition, false, LeaseUse::Keep).await {
            Err(RolloutError::Store(StoreError::GenerationConflict { .. })) => {
                self.deployments.refresh().await?;
                Ok(None)
            }
            written => Ok(written?.map(|rollout| StepResult { rollout, interfered })),
        }
    }

    /// Makes the first change of a way back that waits for a probe, and returns the rollout after it. If that fails,
    /// returns the rollout as it was and leaves the change to the leader: the order itself is carried out.
    async fn begin_return(&self, rollout: RolloutView, now: SystemTime) -> RolloutView {
        if !is_pending(&rollout) {
            return rollout;
        }
        // In a box: seldom needed, and as large as the rest of an order.
        match Box::pin(self.try_first_change(rollout.clone(), now)).await {
            Ok(Some(returned)) => returned.rollout,
            Ok(None) | Err(_) => rollout,
        }
    }

    /// Probes the versions that get traffic by the first change of a way back, and makes it. `None`: others wrote in
    /// between.
    async fn try_first_change(
        &self,
        rollout: RolloutView,
        now: SystemTime,
    ) -> Result<Option<StepResult>, RolloutError> {
        let split = self.split(&rollout.stored.service, rollout.stored.generation).await?;
        let target_usable = Some(self.are_targets_usable(&rollout, &split).await?);
        let tick = Tick { target_usable, ..Tick::default() };
        self.step(rollout, Input::tick(now, tick)).await
    }
}

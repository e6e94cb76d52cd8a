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

/// How often an order is decided again after others wrote in between.
pub(super) const ATTEMPTS: usize = 5;

/// A rollout after an order.
struct Stepped {
    rollout: RolloutView,
    /// Whether a change of others paused or ended it. Then that is all that happened, except for an abort.
    interfered: bool,
}

impl Stepped {
    /// Refuses an order that was not carried out, unless the rollout is as it wants.
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
    /// Carries out an order about the rollout `id` of `service`, or about the one that is not over.
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
            let Some(stepped) = self.step(rollout, input).await? else { continue };
            stepped.check(order.verb)?;
            return self.begin_return(stepped.rollout, now).await;
        }
        Err(DeployError::Unsettled.into())
    }

    /// Returns the rollout `id` of `service`.
    pub(super) async fn read(&self, service: &ServiceName, id: &str) -> Result<RolloutView, RolloutError> {
        let found = self.store()?.rollout(id).await?.filter(|rollout| rollout.service == *service);
        RolloutView::read(found.ok_or(RolloutError::UnknownRollout)?)
    }

    /// Returns the rollout and the time of the store's clock.
    pub(super) async fn find(
        &self,
        service: &ServiceName,
        id: Option<&str>,
    ) -> Result<(RolloutView, SystemTime), RolloutError> {
        let store = self.store()?;
        let live = store.live().await?;
        let is_meant = |id: Option<&str>, stored: &str| id.is_none_or(|id| id == stored);
        let mut rollouts = live.rollouts.into_iter();
        let found = rollouts.find(|rollout| rollout.service == *service && is_meant(id, &rollout.id));
        let found = match (found, id) {
            (None, Some(id)) => store.rollout(id).await?.filter(|rollout| rollout.service == *service),
            (found, _) => found,
        };
        let stored = found.ok_or(RolloutError::UnknownRollout)?;
        Ok((RolloutView::read(stored)?, live.now))
    }

    /// Writes what `input` does. `None`: others wrote in between.
    async fn step(&self, rollout: RolloutView, input: Input) -> Result<Option<Stepped>, RolloutError> {
        let split = self.split(&rollout.stored.service, rollout.stored.generation).await?;
        let transition = rollout.state.step(&rollout.plan, &split, &self.with_pins(input))?;
        let interfered = rollout.state.phase_after(&rollout.plan, &split) != *rollout.state.phase();
        match self.write(rollout, transition, false, LeaseUse::Keep).await {
            Err(RolloutError::Store(StoreError::GenerationConflict { .. })) => {
                self.deployments.refresh().await?;
                Ok(None)
            }
            written => Ok(written?.map(|rollout| Stepped { rollout, interfered })),
        }
    }

    /// Makes the first change of a way back that waits for a probe. If that fails, the leader goes on.
    async fn begin_return(&self, rollout: RolloutView, now: SystemTime) -> Result<RolloutView, RolloutError> {
        if !is_pending(&rollout) {
            return Ok(rollout);
        }
        let split = self.split(&rollout.stored.service, rollout.stored.generation).await?;
        let target_usable = Some(self.are_targets_usable(&rollout, &split).await?);
        let tick = Tick { target_usable, ..Tick::default() };
        match self.step(rollout.clone(), Input::tick(now, tick)).await {
            Ok(Some(returned)) => Ok(returned.rollout),
            Ok(None) | Err(_) => Ok(rollout),
        }
    }
}

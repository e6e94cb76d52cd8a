//! One tick of one rollout, by the gateway that leads it.

use super::engine::Engine;
use super::error::RolloutError;
use super::facts::Facts;
use super::view::RolloutView;
use super::watch::Watch;
use super::write::LEASE;
use crate::deployments::{DeployError, VersionProbe};
use crate::rollout::{GateName, Input, Phase, Question, Return, Tick};
use crate::routing::{Split, Weight};
use crate::store::{LeaseUse, StoreError};

impl Engine {
    /// Drives a rollout that this process leads or may lead by one tick. A tick that is overtaken changes nothing:
    /// the next one decides again.
    pub(super) async fn lead(
        &self,
        rollout: RolloutView,
        watch: &mut Watch,
        facts: &Facts,
    ) -> Result<(), RolloutError> {
        let generation = rollout.stored.generation;
        let Some(rollout) = self.tick(rollout, watch, facts).await? else { return Ok(()) };
        watch.has_changed = rollout.stored.generation != generation;
        // The way back begins with a probe: it is made at once, and once.
        if is_pending(&rollout) {
            self.tick(rollout, watch, facts).await?;
        }
        Ok(())
    }

    /// Makes one tick: observes the figures, asks the gates that are due, lets the machine decide, and writes the
    /// decision with the lease.
    ///
    /// Returns the rollout as it is stored afterwards. `None`: nothing was written, since another gateway wrote in
    /// between, the split has changed, or a version that would get traffic is not healthy, which the next tick takes
    /// into account.
    async fn tick(
        &self,
        mut rollout: RolloutView,
        watch: &mut Watch,
        facts: &Facts,
    ) -> Result<Option<RolloutView>, RolloutError> {
        let split = self.split(&rollout.stored.service, rollout.stored.generation).await?;
        let converged = facts.all_serve(rollout.stored.service_revision);
        let observed = match &facts.figures {
            Some(figures) => watch.observe(&mut rollout, &split, converged, figures),
            None => false,
        };
        let tick = self.gather_tick(&rollout, &split, watch, converged).await?;
        let input = self.with_pins(Input::tick(facts.now, tick));
        let transition = rollout.state.step(&rollout.plan, &split, &input)?;
        let lease = LeaseUse::Claim { replica: self.replica()?.to_owned(), length: LEASE };
        match self.write(rollout, transition, observed, lease).await {
            Err(RolloutError::Deploy(error @ DeployError::Unhealthy { .. })) => {
                watch.unhealthy = Some(error.to_string());
                Ok(None)
            }
            Err(RolloutError::Store(StoreError::GenerationConflict { .. })) => {
                self.deployments.refresh().await?;
                Ok(None)
            }
            written => written,
        }
    }

    /// Gathers what the machine needs to know, and asks the gates that are due. The versions that wait for a probe
    /// are probed.
    async fn gather_tick(
        &self,
        rollout: &RolloutView,
        split: &Split,
        watch: &mut Watch,
        converged: bool,
    ) -> Result<Tick, RolloutError> {
        let guard = rollout.guard();
        self.ask_gates(rollout, split, watch);
        let mut tick = Tick {
            verdict: guard.verdict(&rollout.evidence),
            calm: guard.is_calm(&rollout.evidence),
            converged,
            unmeasured: watch.unmeasured.clone(),
            answers: watch.asks.take(),
            ..Tick::default()
        };
        if is_pending(rollout) {
            let was_refused = watch.unhealthy.take().is_some();
            tick.target_usable = Some(!was_refused && self.are_targets_usable(rollout, split).await?);
        } else if let Some(why) = watch.unhealthy.take() {
            let probes = self.deployments.check(split.service(), rollout.plan.version()).await;
            let is_healthy = probes.is_ok_and(|probes| VersionProbe::suffice(&probes));
            watch.unhealthy = (!is_healthy).then_some(why);
            tick.canary_unusable.clone_from(&watch.unhealthy);
        }
        Ok(tick)
    }

    /// Asks the gates of the present stage whose pause has passed. The answers come with a later tick.
    fn ask_gates(&self, rollout: &RolloutView, split: &Split, watch: &mut Watch) {
        watch.asks.begin_stage(rollout.state.number());
        for gate in rollout.state.gates_to_ask(&rollout.plan) {
            if watch.asks.is_due(gate) {
                watch.asks.ask(self.gates.get(gate), question(gate, rollout, split));
            }
        }
    }
}

/// Creates the question for a gate, with the weight that the canary has now and the requests that the guard has
/// observed in the stage.
fn question(gate: &GateName, rollout: &RolloutView, split: &Split) -> Question {
    let version = rollout.plan.version();
    let weight = split.version(version.as_str()).map_or(Weight::ZERO, |version| version.weight);
    let totals = rollout.evidence.step_totals();
    Question::new(gate.clone(), split.service().clone(), version.clone(), weight)
        .with_step(rollout.state.number(), rollout.plan.stages())
        .with_requests(totals.canary, totals.stable)
}

/// Returns whether the next change of the way back waits for a probe.
pub(super) const fn is_pending(rollout: &RolloutView) -> bool {
    matches!(rollout.state.phase(), Phase::Returning(Return { pending: true, .. }))
}

//! Reads a rollout, or all that are under way, once or for a stream of events.

use std::time::{Duration, SystemTime};

use tokio::time::sleep;

use super::events::EventSource;
use crate::api::{RolloutDetails, RolloutList, RolloutSummary};
use crate::deployments::Deployments;
use crate::rollout::{RolloutError, RolloutView, Rollouts};
use crate::routing::{ServiceName, Weight};

/// The largest number of events that are shown.
const MAX_EVENTS: u32 = 1_000;

/// The time after which a stream reads again from a store that could not be read.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Shows a rollout in a few fields, with the weight that the canary has at this gateway.
pub(super) fn summary(rollouts: &Rollouts, rollout: &RolloutView) -> RolloutSummary {
    RolloutSummary::new(rollout, canary_weight(rollouts.deployments(), rollout))
}

/// Returns the weight of the canary as this gateway serves it. `None`: it does not serve the canary, which may be removed.
fn canary_weight(deployments: &Deployments, rollout: &RolloutView) -> Option<Weight> {
    let route = deployments.handle().route(rollout.stored.service.as_str())?;
    let mut versions = route.split().versions().iter();
    versions.find(|version| version.id == rollout.state.canary()).map(|version| version.weight)
}

/// Shows all about a rollout.
pub(super) async fn details(
    rollouts: &Rollouts,
    rollout: &RolloutView,
) -> Result<RolloutDetails, RolloutError> {
    let replicas = rollouts.replicas(rollout).await?;
    let events = rollouts.events(&rollout.stored.id, MAX_EVENTS).await?;
    let deployments = rollouts.deployments();
    let route = deployments.handle().route(rollout.stored.service.as_str());
    let split = route.as_deref().map(|route| route.split());
    let leader = rollout.stored.leader.as_deref();
    let mut details = RolloutDetails::new(rollout, split, SystemTime::now())
        .with_replicas(leader, &replicas, deployments.replica_id())
        .with_events(events);
    details.replica = deployments.replica_name().map(ToOwned::to_owned);
    Ok(details)
}

/// Shows the rollouts of all services that are under way.
pub(super) async fn live_list(rollouts: &Rollouts) -> Result<RolloutList, RolloutError> {
    let live = rollouts.live().await?;
    let summaries = live.iter().map(|rollout| summary(rollouts, rollout)).collect();
    let replica = rollouts.deployments().replica_name().map(ToOwned::to_owned);
    Ok(RolloutList::new(replica, SystemTime::now(), summaries))
}

/// The source of a stream about one rollout. It ends after the event that shows that the rollout is over, and if the rollout
/// cannot be read. While the store fails, it waits.
pub(super) struct RolloutEvents {
    rollouts: Rollouts,
    service: ServiceName,
    id: String,
    /// Whether the last event showed that the rollout is over.
    is_over: bool,
}

/// The source of a stream about the rollouts of all services. While the store fails, it waits.
pub(super) struct LiveRolloutEvents(pub(super) Rollouts);

impl RolloutEvents {
    /// Creates the stream of one rollout, which ends with it.
    pub(super) const fn new(rollouts: Rollouts, service: ServiceName, id: String) -> Self {
        Self { rollouts, service, id, is_over: false }
    }

    /// Reads the rollout with its events and its evidence.
    async fn read(&self) -> Result<RolloutDetails, RolloutError> {
        let rollout = self.rollouts.find(&self.service, Some(&self.id)).await?;
        details(&self.rollouts, &rollout).await
    }
}

impl EventSource for RolloutEvents {
    const NAME: &'static str = "rollout";

    type Data = RolloutDetails;

    async fn next(&mut self) -> Option<RolloutDetails> {
        if self.is_over {
            return None;
        }
        loop {
            match self.read().await {
                Ok(details) => {
                    self.is_over = details.summary.outcome.is_some();
                    return Some(details);
                }
                Err(RolloutError::Store(_)) => sleep(RETRY_AFTER).await,
                Err(_) => return None,
            }
        }
    }
}

impl EventSource for LiveRolloutEvents {
    const NAME: &'static str = "rollouts";

    type Data = RolloutList;

    async fn next(&mut self) -> Option<RolloutList> {
        loop {
            match live_list(&self.0).await {
                Ok(list) => return Some(list),
                Err(RolloutError::Store(_)) => sleep(RETRY_AFTER).await,
                Err(_) => return None,
            }
        }
    }
}

//! The facade: starts, follows and drives rollouts.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;

use super::board::RolloutStatus;
use super::duty::DriveRollouts;
use super::engine::Engine;
use super::error::RolloutError;
use super::gate::Gate;
use super::preview::StartPreview;
use super::replicas::RolloutReplica;
use super::start::{RolloutActor, Started};
use super::view::RolloutView;
use crate::deployments::Deployments;
use crate::rollout::{GateName, InvalidGateName, Order, Outcome, Plan};
use crate::routing::ServiceName;
use crate::store::StoredRolloutEvent;

/// Starts, follows and drives rollouts. Clones share everything.
///
/// The application awaits [`run`](Self::run) on every gateway, beside [`Deployments::run`]. Each gateway needs a
/// [replica name](crate::deployments::Builder::with_replica_name): a rollout is judged by the requests of all of them.
///
/// ```
/// use tower_canary::rollout::{Order, Plan, RolloutActor, Rollouts, Started, Verb};
/// use tower_canary::routing::Registration;
/// use tower_canary::store::MemoryStore;
/// use tower_canary::{Deployments, NoVersionCheck, ServiceName};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let store = MemoryStore::new();
/// let deployments =
///     Deployments::builder(store, NoVersionCheck).with_replica_name("gateway-1").start().await?;
/// let auth: ServiceName = "auth".parse()?;
/// for (version, url) in [("v1.0", "http://10.0.0.1"), ("v1.1", "http://10.0.0.2")] {
///     let registration = Registration::new(version.parse()?, url.parse()?);
///     deployments.register_if_absent(&auth, registration, "configuration").await?;
/// }
/// let rollouts = Rollouts::new(deployments.clone());
/// let following = tokio::spawn(deployments.run(std::future::pending()));
/// let driving = tokio::spawn(rollouts.clone().run(std::future::pending()));
///
/// let plan = Plan::new("v1.1".parse()?);
/// let Started::New(rollout) = rollouts.start(&auth, plan, RolloutActor::new("alice")).await? else {
///     panic!("it runs already");
/// };
/// let aborted = rollouts
///     .order(&auth, Some(&rollout.stored.id), Order::new(Verb::Abort { force: false }, "alice"))
///     .await?;
/// assert!(aborted.state.is_over());
/// # following.abort();
/// # driving.abort();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rollouts {
    engine: Arc<Engine>,
}

impl Rollouts {
    /// Creates the rollouts of the store of `deployments`.
    ///
    /// A store without rollouts, or a process without a replica name, is reported by the calls that need them.
    #[must_use]
    pub fn new(deployments: Deployments) -> Self {
        let engine =
            Engine { deployments, gates: BTreeMap::new(), board: Arc::default(), reported: Arc::default() };
        Self { engine: Arc::new(engine) }
    }

    /// Returns the deployments whose splits the rollouts change.
    #[must_use]
    pub fn deployments(&self) -> &Deployments {
        &self.engine.deployments
    }

    /// Adds a gate under the name by which plans refer to it. Every gateway must have the same gates.
    ///
    /// # Errors
    ///
    /// [`InvalidGateName`] for a text that is not a name of a gate, and for [`GateName::APPROVAL`], which a person opens.
    pub fn with_gate(mut self, name: &str, gate: impl Gate) -> Result<Self, InvalidGateName> {
        let name: GateName = name.parse()?;
        if name.is_approval() {
            return Err(InvalidGateName);
        }
        Arc::make_mut(&mut self.engine).gates.insert(name, Arc::new(gate));
        Ok(self)
    }

    /// Drives the rollouts that this process leads until `shutdown`. Another gateway takes over within 20 seconds after it
    /// has ended. [`Deployments::duties`] lists it as `drive-rollouts`.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        if let Err(error) = self.engine.replica().and_then(|_| self.engine.store().map(drop)) {
            tracing::warn!(%error, "this gateway drives no rollouts");
            return shutdown.await;
        }
        let duty = DriveRollouts::new(Arc::clone(&self.engine));
        self.engine.deployments.run_duties(vec![Box::new(duty)], shutdown).await;
    }

    /// Starts a rollout of `service`. The weights change with the first tick of a driver. While a rollout by the same
    /// plan is under way, returns that one.
    ///
    /// # Errors
    ///
    /// [`StoreError::RolloutActive`](crate::store::StoreError::RolloutActive) if the service has a rollout by another
    /// plan, [`StoreError::UnknownService`](crate::store::StoreError::UnknownService),
    /// [`RolloutError::StartRefused`], [`RolloutError::UnknownGate`], [`RolloutError::NoMirror`],
    /// [`RolloutError::NotAReplica`], [`RolloutError::NoRolloutStore`], [`RolloutError::Broken`] if the running
    /// rollout cannot be read, [`DeployError::Unsettled`](crate::deployments::DeployError::Unsettled) if others
    /// changed the split at each of five attempts, and the errors of the store.
    pub async fn start(
        &self,
        service: &ServiceName,
        plan: Plan,
        actor: RolloutActor,
    ) -> Result<Started, RolloutError> {
        self.engine.start(service, &plan, &actor).await
    }

    /// Returns what a [`start`](Self::start) by `plan` would do. Nothing is written.
    ///
    /// # Errors
    ///
    /// Those of [`start`](Self::start), and [`Refused::Change`](crate::rollout::Refused::Change) if the rules of the split refuse
    /// the weight of a stage now, for example because the version is not active.
    pub async fn preview(&self, service: &ServiceName, plan: &Plan) -> Result<StartPreview, RolloutError> {
        self.engine.preview(service, plan).await
    }

    /// Carries out an order about the rollout `id` of `service`; without an id, about the one that is not over. Any gateway
    /// can do it. If a way back needs a probe first, the driver goes on where this call could not.
    ///
    /// # Errors
    ///
    /// [`RolloutError::Refused`] if the rollout refuses it, [`RolloutError::Interfered`] if it follows a change of others
    /// instead, [`RolloutError::UnknownRollout`], and
    /// [`DeployError::Unhealthy`](crate::deployments::DeployError::Unhealthy) if a version that would get traffic is not usable.
    pub async fn order(
        &self,
        service: &ServiceName,
        id: Option<&str>,
        order: Order,
    ) -> Result<RolloutView, RolloutError> {
        self.engine.order(service, id, &order).await
    }

    /// Returns the rollout `id` of `service`; without an id, the one that is not over.
    ///
    /// # Errors
    ///
    /// [`RolloutError::UnknownRollout`], [`RolloutError::Broken`], and the errors of the store.
    pub async fn find(&self, service: &ServiceName, id: Option<&str>) -> Result<RolloutView, RolloutError> {
        match id {
            Some(id) => self.engine.read(service, id).await,
            None => Ok(self.engine.find(service, None).await?.0),
        }
    }

    /// Returns up to `limit` rollouts of `service`, latest first: those before the number `before`, or all. Those that cannot
    /// be read are left out. Also returns the number before which the list continues, or `None` at its end.
    ///
    /// # Errors
    ///
    /// [`RolloutError::NoRolloutStore`], and the errors of the store.
    pub async fn list(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<(Vec<RolloutView>, Option<u64>), RolloutError> {
        let stored = self.engine.store()?.rollouts(service, before, limit).await?;
        let is_full = stored.len() == limit as usize;
        let next = stored.last().map(|rollout| rollout.number).filter(|_| is_full);
        Ok((stored.into_iter().filter_map(|stored| RolloutView::read(stored).ok()).collect(), next))
    }

    /// Returns the rollouts of all services that are not over. Those that cannot be read are left out.
    ///
    /// # Errors
    ///
    /// [`RolloutError::NoRolloutStore`], and the errors of the store.
    pub async fn live(&self) -> Result<Vec<RolloutView>, RolloutError> {
        let live = self.engine.store()?.live().await?;
        Ok(live.rollouts.into_iter().filter_map(|stored| RolloutView::read(stored).ok()).collect())
    }

    /// Returns the first `limit` events of the rollout `id`, oldest first.
    ///
    /// # Errors
    ///
    /// [`RolloutError::NoRolloutStore`], and the errors of the store.
    pub async fn events(&self, id: &str, limit: u32) -> Result<Vec<StoredRolloutEvent>, RolloutError> {
        Ok(self.engine.store()?.rollout_events(id, limit).await?)
    }

    /// Returns the gateways that share the store, in the order of their names, with what each contributes to `rollout`. A
    /// change is seen after up to five seconds.
    ///
    /// # Errors
    ///
    /// The errors of the store.
    pub async fn replicas(&self, rollout: &RolloutView) -> Result<Vec<RolloutReplica>, RolloutError> {
        self.engine.replicas(rollout).await
    }

    /// Returns a receiver that changes after each write to a rollout that this process made or has seen.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.engine.board.subscribe()
    }

    /// Returns the status of each rollout that is not over, as this process has seen it last. It makes no call of the store.
    #[must_use]
    pub fn statuses(&self) -> Vec<RolloutStatus> {
        // The driver reads no rollouts once there are none, so the last ones that it has read may be over.
        let rolling = Arc::clone(&self.engine.deployments.rolling().borrow());
        let mut statuses = self.engine.board.statuses();
        statuses.retain(|status| rolling.contains(&status.service));
        statuses
    }

    /// Returns how many rollouts this process has ended, by service and outcome. Each rollout is ended by one gateway, so the
    /// sums over all gateways count each once.
    #[must_use]
    pub fn ended(&self) -> Vec<(ServiceName, Outcome, u64)> {
        self.engine.board.ended()
    }
}

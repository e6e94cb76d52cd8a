//! Several gateways with a driver each on one store, with requests that are only reported.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tower_canary::deployments::{Healthy, Unhealthy, UrlRefused, VersionCheck};
use tower_canary::rollout::{Order, Plan, RolloutActor, RolloutError, RolloutView, Rollouts, Started, Verb};
use tower_canary::routing::{Backend, Change, HealthPath};
use tower_canary::store::{ChangeRequest, MemoryStore};
use tower_canary::{Deployments, ServiceName};

use crate::faulty_store::FaultyStore;
use crate::support::name;
use crate::traffic::{Behavior, Traffic};

pub(crate) fn auth() -> ServiceName {
    "auth".parse().unwrap()
}

/// A version check whose probes of `v1.0` or `v1.1` fail while a test wants it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Probes(Arc<Mutex<Vec<String>>>);

impl Probes {
    pub(crate) fn fail_at(&self, versions: &[&str]) {
        *self.0.lock().unwrap() = versions.iter().map(ToString::to_string).collect();
    }
}

#[async_trait]
impl VersionCheck for Probes {
    fn admit(&self, _: &Backend) -> Result<(), UrlRefused> {
        Ok(())
    }

    async fn probe(&self, backend: &Backend, _: Option<&HealthPath>) -> Result<Option<Healthy>, Unhealthy> {
        if self.0.lock().unwrap().iter().any(|version| backend.as_str().contains(version.as_str())) {
            return Err(Unhealthy::Status(503));
        }
        Ok(Some(Healthy { status: 200, took: Duration::from_millis(1) }))
    }
}

/// One gateway.
pub(crate) struct Gateway {
    pub(crate) store: Arc<FaultyStore>,
    pub(crate) deployments: Deployments,
    pub(crate) rollouts: Rollouts,
    tasks: Vec<JoinHandle<()>>,
}

impl Gateway {
    async fn start(
        replica: &str,
        memory: &Arc<MemoryStore>,
        probes: &Probes,
        prepare: &impl Fn(Rollouts) -> Rollouts,
    ) -> Self {
        let store = Arc::new(FaultyStore::over(Arc::clone(memory)));
        let builder = Deployments::builder(Arc::clone(&store), probes.clone());
        let deployments = builder.with_replica_name(replica).start().await.unwrap();
        let rollouts = prepare(Rollouts::new(deployments.clone()));
        Self { store, deployments, rollouts, tasks: Vec::new() }
    }

    fn run(&mut self) {
        let following = self.deployments.clone().run(std::future::pending());
        self.tasks.push(tokio::spawn(following));
        self.tasks.push(tokio::spawn(self.rollouts.clone().run(std::future::pending())));
    }

    /// Ends it as a kill does: nothing is withdrawn.
    pub(crate) fn kill(&mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
        }
    }
}

const REPLICAS: [&str; 3] = ["a", "b", "c"];

/// Three gateways on one store, and a reporter of requests beside them.
pub(crate) struct Fleet {
    pub(crate) memory: Arc<MemoryStore>,
    pub(crate) gateways: Vec<Gateway>,
    pub(crate) probes: Probes,
    pub(crate) traffic: Arc<Traffic>,
}

impl Fleet {
    /// Starts three gateways with `v1.0` at 100 and `v1.1` at 0 of each service.
    pub(crate) async fn start(services: &[ServiceName]) -> Self {
        Self::start_with(services, |rollouts| rollouts).await
    }

    pub(crate) async fn start_with(services: &[ServiceName], prepare: impl Fn(Rollouts) -> Rollouts) -> Self {
        let memory = Arc::new(MemoryStore::new());
        let probes = Probes::default();
        let mut gateways = Vec::new();
        for replica in REPLICAS {
            gateways.push(Gateway::start(replica, &memory, &probes, &prepare).await);
        }
        for service in services {
            for version in ["v1.0", "v1.1"] {
                let backend = format!("http://{version}.internal:8080").parse().unwrap();
                let register = ChangeRequest::new(Change::register(name(version), backend), "alice");
                gateways[0].deployments.apply(service, register).await.unwrap();
            }
        }
        gateways.iter_mut().for_each(Gateway::run);
        let traffic = Arc::new(Traffic::default());
        let fleet = Self { memory, gateways, probes, traffic };
        fleet.report("users", Arc::clone(&fleet.traffic)).await;
        sleep(Duration::from_secs(3)).await;
        fleet
    }

    /// Starts a gateway without a driver, which reports `traffic`.
    pub(crate) async fn report(&self, name: &'static str, traffic: Arc<Traffic>) {
        let deployments = Deployments::start(Arc::clone(&self.memory), self.probes.clone()).await.unwrap();
        tokio::spawn(deployments.clone().run(std::future::pending()));
        tokio::spawn(traffic.report(name, Arc::clone(&self.memory), deployments));
    }

    /// Lets `thousandths` of the canary's requests fail from now on.
    pub(crate) fn fail(&self, service: &ServiceName, thousandths: u64) {
        let behavior = Behavior { canary: thousandths, ..self.traffic.behavior(service) };
        self.traffic.behave(service, behavior);
    }

    /// Lets the gateways copy requests, as a layer with a mirror does.
    #[cfg(feature = "mirror")]
    pub(crate) fn mirror(&self) {
        for gateway in &self.gateways {
            let handle = gateway.deployments.handle();
            let layer = tower_canary::WeightedVersionLayer::new(handle, tower_canary::Target::path_segment());
            drop(layer.with_mirror(tower_canary::mirror::Mirror::new(hyper_util::rt::TokioExecutor::new())));
        }
    }

    /// Returns the share of requests that the last gateway copies, in percent.
    #[cfg(feature = "mirror")]
    pub(crate) fn mirrored(&self, service: &ServiceName) -> f64 {
        let route = self.gateways[2].deployments.handle().route(service.as_str()).unwrap();
        route.split().mirror().map_or(0.0, |mirror| mirror.share.percent())
    }

    /// Kills all gateways, and starts three others a minute later.
    pub(crate) async fn restart(&mut self) {
        self.gateways.iter_mut().for_each(Gateway::kill);
        self.gateways.clear();
        sleep(Duration::from_secs(60)).await;
        for replica in REPLICAS {
            let mut gateway = Gateway::start(replica, &self.memory, &self.probes, &|rollouts| rollouts).await;
            gateway.run();
            self.gateways.push(gateway);
        }
    }

    /// Makes the store fail for all gateways, or work again.
    pub(crate) fn set_down(&self, is_down: bool) {
        for gateway in &self.gateways {
            gateway.store.down.store(is_down, Ordering::SeqCst);
        }
    }

    pub(crate) async fn begin(&self, json: &str) -> RolloutView {
        self.begin_at(&auth(), json).await
    }

    pub(crate) async fn begin_at(&self, service: &ServiceName, json: &str) -> RolloutView {
        let plan: Plan = json.parse().unwrap();
        match self.gateways[1].rollouts.start(service, plan, RolloutActor::new("alice")).await.unwrap() {
            Started::New(rollout) => rollout,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn order(&self, verb: Verb) -> Result<RolloutView, RolloutError> {
        self.gateways[2].rollouts.order(&auth(), None, Order::new(verb, "bob")).await
    }

    /// Lets a person change the split at the last gateway.
    pub(crate) async fn change(&self, change: Change) {
        let request = ChangeRequest::new(change, "carol").without_check();
        self.gateways[2].deployments.apply(&auth(), request).await.unwrap();
    }

    /// Returns the rollout as the last gateway reads it.
    pub(crate) async fn read(&self, id: &str) -> RolloutView {
        self.gateways[2].rollouts.find(&auth(), Some(id)).await.unwrap()
    }

    /// Waits until the rollout has the phase and the stage, at most for `limit`. Returns it then.
    pub(crate) async fn wait_for(&self, id: &str, phase: &str, number: usize, limit: u64) -> RolloutView {
        for _ in 0..limit {
            let rollout = self.read(id).await;
            if rollout.state.phase().as_str() == phase && rollout.state.number() == number {
                return rollout;
            }
            sleep(Duration::from_secs(1)).await;
        }
        let rollout = self.read(id).await;
        panic!("after {limit} s: {:?}, stage {}", rollout.state.phase(), rollout.state.number());
    }

    /// Waits until the rollout is over. Returns the word of its outcome.
    pub(crate) async fn wait_over(&self, id: &str, limit: u64) -> String {
        for _ in 0..limit {
            let stored = self.read(id).await.stored;
            if let Some(outcome) = stored.outcome {
                // The other gateways follow.
                sleep(Duration::from_secs(3)).await;
                return outcome;
            }
            sleep(Duration::from_secs(1)).await;
        }
        panic!("not over after {limit} s: {:?}", self.read(id).await.state.phase());
    }

    /// Returns the words of the events so far.
    pub(crate) async fn events(&self, id: &str) -> Vec<String> {
        let events = self.gateways[2].rollouts.events(id, 1_000).await.unwrap();
        events.into_iter().map(|event| event.kind).collect()
    }

    /// Returns the weight of the canary that the last gateway serves.
    pub(crate) fn weight(&self, service: &ServiceName) -> f64 {
        let route = self.gateways[2].deployments.handle().route(service.as_str()).unwrap();
        route.split().version("v1.1").map_or(0.0, |version| version.weight.percent())
    }
}

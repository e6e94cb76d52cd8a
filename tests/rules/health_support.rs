//! A gateway whose instances are checked and judged, with backends and checks that a test controls.

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use tokio::time::sleep;
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::deployments::{HealthEventKind, Healthy, Unhealthy};
use tower_canary::health::{Health, InstanceState};
use tower_canary::routing::{Backend, Change, Instances, Registration};
use tower_canary::store::{ChangeRequest, MemoryStore};
use tower_canary::{Deployments, ServiceName, Target, WeightedVersionLayer};

use crate::scripted_check::ScriptedCheck;
use crate::support::*;

pub(crate) const A: &str = "http://10.0.1.1";
pub(crate) const B: &str = "http://10.0.1.2";
pub(crate) const C: &str = "http://10.0.1.3";

/// The time that a test allows for what happens at once.
pub(crate) const MOMENT: Duration = Duration::from_millis(200);

/// Longer than it takes until checks find that an instance is down, or up again: an interval of 5.5 s at most and two
/// repetitions after 1 s.
pub(crate) const NOTICED: Duration = Duration::from_secs(8);

pub(crate) fn auth() -> ServiceName {
    "auth".parse().unwrap()
}

pub(crate) fn urls(urls: &[&str]) -> Instances {
    Instances::new(urls.iter().map(|url| url.parse().unwrap()).collect()).unwrap()
}

/// Registers the version `v{i}` with a health path.
pub(crate) fn checked_version(i: usize, at: &[&str]) -> Change {
    let with_path = unchecked_version(i, at).with_health_path("/healthz".parse().unwrap());
    Change::Register(with_path)
}

pub(crate) fn unchecked_version(i: usize, at: &[&str]) -> Registration {
    let urls = urls(at);
    Registration::new(name(i), urls.first().clone()).with_instances(urls)
}

/// Settings by which idle services are checked as often as others.
pub(crate) fn every_5_seconds() -> Health {
    Health::new().with_idle_interval(Duration::from_secs(5))
}

/// Backends that respond 200, except those that a test lets fail. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Backends(Arc<Mutex<BackendState>>);

#[derive(Default)]
struct BackendState {
    failing: HashSet<String>,
    requests: BTreeMap<String, usize>,
}

impl Backends {
    /// Lets the backend at `url` respond 503, or 200 again.
    pub(crate) fn set_failing(&self, url: &str, is_failing: bool) {
        let mut state = self.0.lock().unwrap();
        if is_failing {
            state.failing.insert(url.to_owned());
        } else {
            state.failing.remove(url);
        }
    }

    fn respond(&self, url: &str) -> StatusCode {
        let mut state = self.0.lock().unwrap();
        *state.requests.entry(url.to_owned()).or_default() += 1;
        if state.failing.contains(url) { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
    }

    /// Returns how many requests each backend got since the last call.
    pub(crate) fn take_requests(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut self.0.lock().unwrap().requests)
    }
}

/// A gateway on a store, which runs its duties.
pub(crate) struct Gateway {
    pub(crate) deployments: Deployments,
    pub(crate) check: ScriptedCheck,
    pub(crate) backends: Backends,
}

impl Gateway {
    /// A gateway where `auth` has v0 with these checked instances, whose first checks have ended.
    pub(crate) async fn start(settings: Health, at: &[&str]) -> Self {
        let gateway = Self::on(&Arc::default(), settings, ScriptedCheck::default()).await;
        gateway.apply(checked_version(0, at)).await;
        gateway.run();
        sleep(MOMENT).await;
        gateway
    }

    /// A gateway that has loaded `store` and does not run yet.
    pub(crate) async fn on(store: &Arc<MemoryStore>, settings: Health, check: ScriptedCheck) -> Self {
        let check = check.with_healthy(Healthy { status: 200, took: Duration::from_millis(1) });
        let builder = Deployments::builder(Arc::clone(store), check.clone()).with_health(settings);
        let deployments = builder.start().await.unwrap();
        Self { deployments, check, backends: Backends::default() }
    }

    pub(crate) fn run(&self) {
        spawn(self.deployments.clone().run(std::future::pending()));
    }

    pub(crate) async fn apply(&self, change: Change) {
        let request = ChangeRequest::new(change, "alice").without_check();
        self.deployments.apply(&auth(), request).await.unwrap();
    }

    /// Sends `count` requests, one after the other, and returns how many got no 200. Each lets the duties run for 1 ms.
    pub(crate) async fn send(&self, count: usize) -> usize {
        let mut failed = 0;
        for _ in 0..count {
            failed += usize::from(self.send_one().await != StatusCode::OK);
            sleep(Duration::from_millis(1)).await;
        }
        failed
    }

    pub(crate) async fn send_one(&self) -> StatusCode {
        let backends = self.backends.clone();
        let client = service_fn(move |request: Request<()>| {
            let url = format!("http://{}", request.uri().authority().unwrap());
            let response = Response::builder().status(backends.respond(&url)).body(String::new()).unwrap();
            async { Ok::<_, Infallible>(response) }
        });
        let layer = WeightedVersionLayer::new(self.deployments.handle(), Target::service(auth()));
        let response = layer.layer(client).oneshot(Request::new(())).await.unwrap();
        response.status()
    }

    /// Lets the checks of the instance at `url` fail, or pass again, and waits until that is noticed.
    pub(crate) async fn set_sick(&self, url: &str, is_sick: bool) {
        self.check.set(url, is_sick.then_some(Unhealthy::Status(503)));
        sleep(NOTICED).await;
    }

    /// Returns the states of the instances of the version `v{i}`.
    pub(crate) fn states_of(&self, i: usize) -> Vec<InstanceState> {
        let versions = self.deployments.handle().instances("auth").unwrap();
        let version = versions.into_iter().find(|version| version.version == name(i)).unwrap();
        version.instances.iter().map(|instance| instance.state).collect()
    }

    pub(crate) fn states(&self) -> Vec<InstanceState> {
        self.states_of(0)
    }

    /// Returns the kinds of the events so far with their URLs.
    pub(crate) fn events(&self) -> Vec<(HealthEventKind, Option<String>)> {
        let events = self.deployments.health_events().into_iter();
        events.map(|event| (event.kind, event.instance.as_ref().map(Backend::to_string))).collect()
    }

    pub(crate) fn count(&self, kind: HealthEventKind) -> usize {
        self.events().iter().filter(|(of, _)| *of == kind).count()
    }
}

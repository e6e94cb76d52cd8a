//! Faults around a rollout: gateways, clocks, reports, versions, through the driver and the store.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Request, Response, StatusCode};
use http_body_util::Empty;
use tokio::time::sleep;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_canary::layer::{Override, VersionChoice};
use tower_canary::rollout::Verb;
use tower_canary::store::{MemoryStore, ReplicaRegistry, Report, RolloutStore, RolloutWritten, RouteStore};
use tower_canary::traffic::Figures;
use tower_canary::{Target, WeightedVersionLayer};

use crate::fleet::{Fleet, auth};
use crate::support::at;
use crate::traffic::Behavior;

const SHORT: &str = r#"{"version": "v1.1", "steps": [10, 50], "hold": "1m", "bake": {"hold": "1m"}}"#;

const BLUE_GREEN: &str = r#"{"version": "v1.1", "form": "blue-green", "bake": {"hold": "1h"},
    "guard": {"errors": {"limit": 1}}}"#;

/// Starts a fleet that serves the first stage of a rollout. Returns the id of the rollout too.
async fn holding() -> (Fleet, String) {
    let fleet = Fleet::start(&[auth()]).await;
    let id = fleet.begin(SHORT).await.stored.id;
    fleet.wait_for(&id, "holding", 1, 60).await;
    // The phase is written with the weight, which the gateways load within 1.2 s.
    sleep(Duration::from_secs(2)).await;
    (fleet, id)
}

async fn count(fleet: &Fleet, id: &str, kind: &str) -> usize {
    fleet.events(id).await.iter().filter(|event| *event == kind).count()
}

// One clock is an hour ahead, another one stands still since long ago: both gateways believe that the lease has ended.
#[tokio::test(start_paused = true)]
async fn gateways_with_wrong_clocks_are_overtaken() {
    let (fleet, id) = holding().await;
    let before = fleet.read(&id).await.stored;
    let leader = before.leader.as_deref();
    let others = fleet.gateways.iter().filter(|gateway| gateway.deployments.replica_id() != leader);
    let others: Vec<_> = others.collect();
    *others[0].store.stopped_clock.lock().unwrap() = Some(before.ticked_at + Duration::from_hours(1));
    *others[1].store.stopped_clock.lock().unwrap() = Some(at(0));
    sleep(Duration::from_secs(60)).await;
    let after = fleet.read(&id).await.stored;
    for other in others {
        assert!(!other.store.rollout_writes.lock().unwrap().is_empty(), "it believed to lead");
    }
    assert_eq!((after.leader.as_deref(), count(&fleet, &id, "leader").await), (leader, 0));
    let writes = after.turn - before.turn;
    assert!((10..=16).contains(&writes), "{writes} writes in a minute");
    for gateway in &fleet.gateways {
        *gateway.store.stopped_clock.lock().unwrap() = None;
    }
    assert_eq!(fleet.wait_over(&id, 3_600).await, "completed");
    assert_eq!(count(&fleet, &id, "step").await, 3);
}

// The leader stands still between its decision and its write.
#[tokio::test(start_paused = true)]
async fn write_of_a_leader_that_stood_still_is_overtaken() {
    let (mut fleet, id) = holding().await;
    let leader = fleet.read(&id).await.stored.leader.unwrap();
    let mut gateways = fleet.gateways.iter_mut();
    let gateway = gateways.find(|gateway| gateway.deployments.replica_id() == Some(&leader)).unwrap();
    *gateway.store.write_delay.lock().unwrap() = Some(Duration::from_secs(30));
    let late = Arc::clone(&gateway.store.late_writes);
    let mut is_sent = false;
    for _ in 0..20 {
        sleep(Duration::from_secs(1)).await;
        is_sent = gateway.store.write_delay.lock().unwrap().is_none();
        if is_sent {
            break;
        }
    }
    assert!(is_sent, "the leader has decided");
    gateway.kill();
    sleep(Duration::from_secs(20)).await;
    let taken_over = fleet.memory.rollout(&id).await.unwrap().unwrap();
    assert_ne!(taken_over.leader, Some(leader));
    sleep(Duration::from_secs(20)).await;
    assert_eq!(*late.lock().unwrap(), [RolloutWritten::Overtaken]);
    assert_eq!(fleet.memory.rollout(&id).await.unwrap().unwrap().leader, taken_over.leader);
}

#[tokio::test(start_paused = true)]
async fn restart_of_all_gateways_keeps_the_evidence() {
    let (mut fleet, id) = holding().await;
    fleet.wait_for(&id, "holding", 2, 600).await;
    sleep(Duration::from_secs(60)).await;
    let before = fleet.read(&id).await;
    fleet.restart().await;
    sleep(Duration::from_secs(20)).await;
    let after = fleet.read(&id).await;
    assert_eq!((after.state.number(), fleet.weight(&auth())), (2, 50.0));
    let windows = [&before, &after].map(|rollout| rollout.evidence.totals().windows);
    assert!(windows[0] >= 15 && (windows[0]..=windows[0] + 2).contains(&windows[1]), "{windows:?}");
    let watched = after.state.held().saturating_sub(before.state.held());
    assert!(watched <= Duration::from_secs(30), "{watched:?}: the minute without gateways was not watched");
    assert_eq!(fleet.wait_over(&id, 3_600).await, "completed");
    assert_eq!(count(&fleet, &id, "step").await, 3);
}

/// Reports every five seconds as a replica with these figures, which serves what the store has.
async fn report(memory: Arc<MemoryStore>, name: &str, figures: Option<&str>) {
    loop {
        let revision = memory.load(0).await.unwrap().revision;
        let report = Report::new(name, name, revision).with_figures(figures.map(ToOwned::to_owned));
        memory.report(&report).await.unwrap();
        sleep(Duration::from_secs(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn replica_without_figures_counts_for_nothing() {
    let (fleet, id) = holding().await;
    for (name, figures) in [("silent", None), ("odd", Some("nonsense")), ("empty", Some("{}"))] {
        tokio::spawn(report(Arc::clone(&fleet.memory), name, figures));
    }
    sleep(Duration::from_secs(60)).await;
    let seen = fleet.read(&id).await.evidence.totals();
    assert!(seen.windows >= 4 && seen.canary.requests >= 300, "{seen:?}");
    assert_eq!(seen.stable.requests, 9 * seen.canary.requests, "the requests of the users alone");
    assert_eq!(fleet.wait_over(&id, 3_600).await, "completed");
}

#[tokio::test(start_paused = true)]
async fn hold_begins_when_all_gateways_serve_the_step() {
    let fleet = Fleet::start(&[auth()]).await;
    let memory = Arc::clone(&fleet.memory);
    let lagging = tokio::spawn(async move {
        loop {
            memory.report(&Report::new("lagging", "lagging", 1)).await.unwrap();
            sleep(Duration::from_secs(5)).await;
        }
    });
    let id = fleet.begin(SHORT).await.stored.id;
    fleet.wait_for(&id, "holding", 1, 60).await;
    sleep(Duration::from_secs(600)).await;
    let waiting = fleet.read(&id).await;
    assert_eq!((waiting.state.number(), waiting.state.held()), (1, Duration::ZERO));
    assert_eq!(waiting.evidence.totals().windows, 0);
    lagging.abort();
    assert_eq!(fleet.wait_over(&id, 3_600).await, "completed");
}

#[tokio::test(start_paused = true)]
async fn way_back_from_100_is_stuck_once_and_can_be_forced() {
    let fleet = Fleet::start(&[auth()]).await;
    let id = fleet.begin(BLUE_GREEN).await.stored.id;
    fleet.wait_for(&id, "holding", 1, 60).await;
    fleet.probes.fail_at(&["v1.0"]);
    fleet.fail(&auth(), 1_000);
    fleet.wait_for(&id, "returning", 1, 120).await;
    sleep(Duration::from_secs(120)).await;
    assert_eq!((fleet.weight(&auth()), count(&fleet, &id, "stuck").await), (100.0, 1));
    let stuck = fleet.order(Verb::Abort { force: false }).await.unwrap();
    assert_eq!(stuck.stored.phase, "returning");
    sleep(Duration::from_secs(60)).await;
    assert_eq!((fleet.weight(&auth()), count(&fleet, &id, "stuck").await), (100.0, 2), "once for each order");
    let forced = fleet.order(Verb::Abort { force: true }).await.unwrap();
    assert_eq!((forced.stored.outcome.as_deref(), fleet.weight(&auth())), (Some("rolled-back"), 0.0));
}

#[tokio::test(start_paused = true)]
async fn incident_of_all_versions_convicts_nobody() {
    let fleet = Fleet::start(&[auth()]).await;
    let plan = r#"{"version": "v1.1", "steps": [10, 50], "hold": "1m", "deadline": "10m"}"#;
    let id = fleet.begin(plan).await.stored.id;
    fleet.wait_for(&id, "holding", 1, 60).await;
    fleet.traffic.behave(&auth(), Behavior { canary: 200, stable: 200, slower: None });
    let paused = fleet.wait_for(&id, "paused", 1, 1_200).await;
    assert_eq!(paused.stored.why.as_deref(), Some("inconclusive: the other versions fail as well"));
    assert_eq!((fleet.weight(&auth()), count(&fleet, &id, "inconclusive").await), (10.0, 1));
}

/// Sends a request to the first gateway. `asked`: the tester's version. Every request to `v1.1` fails. Returns whether it was
/// one to `v1.1`.
async fn send(layer: &WeightedVersionLayer, asked: Option<&str>) -> bool {
    let backend = service_fn(|request: Request<()>| {
        let is_canary = request.extensions().get::<VersionChoice>().unwrap().version.as_str() == "v1.1";
        let mut response = Response::new(Empty::<bytes::Bytes>::new());
        if is_canary {
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        }
        ready(Ok::<_, Infallible>(response))
    });
    let mut request = Request::get("/").body(()).unwrap();
    if let Some(version) = asked {
        request.headers_mut().insert("x-version", version.parse().unwrap());
    }
    let mut service = layer.layer(backend);
    let response = service.ready().await.unwrap().call(request).await.unwrap();
    response.status().is_server_error()
}

/// Returns the figures of `v1.1` that the first gateway has reported.
async fn reported(fleet: &Fleet) -> Figures {
    sleep(Duration::from_secs(6)).await;
    let id = fleet.gateways[0].deployments.replica_id().unwrap();
    let route = fleet.gateways[0].deployments.handle().route("auth").unwrap();
    let canary = route.split().version("v1.1").unwrap().id.to_string();
    let all = fleet.memory.figures().await.unwrap();
    let own = all.into_iter().find(|figures| figures.id == id).unwrap();
    let services: BTreeMap<String, BTreeMap<String, Figures>> = serde_json::from_str(&own.figures).unwrap();
    services["auth"][&canary].clone()
}

#[tokio::test(start_paused = true)]
async fn overrides_count_for_nobody() {
    let (fleet, id) = holding().await;
    let handle = fleet.gateways[0].deployments.handle();
    let testers = Override::header(HeaderName::from_static("x-version"), |_| true);
    let target = Target::service(auth());
    let layer = WeightedVersionLayer::new(handle, target).with_override(testers).with_choice();
    let mut users = 0;
    for _ in 0..200 {
        users += u64::from(send(&layer, None).await);
    }
    assert!(users > 0, "some users get the canary");
    for _ in 0..2_000 {
        assert!(send(&layer, Some("v1.1")).await);
    }
    let counted = reported(&fleet).await;
    assert_eq!((counted.requests, counted.bad), (users, users), "only users count");
    assert_eq!(fleet.wait_over(&id, 3_600).await, "completed");
}

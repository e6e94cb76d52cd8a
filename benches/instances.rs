//! The cost of several instances, of checks and of slow start for a request: `cargo bench --bench instances`.
//!
//! `--fastest` prints the nanoseconds of the fastest of many short runs, which other programs disturb least.
//! `benches/instructions` counts the instructions of one instance, two and eight.
#![expect(clippy::unwrap_used, reason = "a bench stops where it is wrong")]
#![expect(clippy::disallowed_methods, reason = "the script of checks locks")]

#[path = "../tests/shared/scripted_check.rs"]
mod scripted_check;
mod support;

use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group};
use tower::Layer;
use tower_canary::deployments::Unhealthy;
use tower_canary::health::Health;
use tower_canary::layer::WeightedVersion;
use tower_canary::routing::{Backend, Change, Instances, Registration};
use tower_canary::store::{ChangeRequest, MemoryStore};
use tower_canary::{Deployments, RoutingHandle, ServiceName, Target, WeightedVersionLayer};

use self::scripted_check::ScriptedCheck;
use self::support::{Null, drive, request, time};

/// One row of the table.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    instances: usize,
    is_checked: bool,
    /// How many instances fail their checks.
    down: usize,
    /// Whether the instances that fail their checks come back, slowly.
    is_slow: bool,
}

const CASES: [Case; 9] = [
    case("unchecked", 1, false),
    case("checked", 1, true),
    case("2", 2, true),
    case("3", 3, true),
    case("8", 8, true),
    case("64", 64, true),
    Case { down: 1, ..case("3-one-down", 3, true) },
    Case { down: 1, ..case("64-one-down", 64, true) },
    Case { down: 1, is_slow: true, ..case("3-slow-start", 3, true) },
];

const fn case(name: &'static str, instances: usize, is_checked: bool) -> Case {
    Case { name, instances, is_checked, down: 0, is_slow: false }
}

fn url(i: usize) -> Backend {
    format!("http://10.0.0.{i}:8080").parse().unwrap()
}

impl Case {
    fn registration(self) -> Registration {
        let instances = Instances::new((0..self.instances).map(url).collect()).unwrap();
        let version = Registration::new("v1".parse().unwrap(), url(0)).with_instances(instances);
        if self.is_checked { version.with_health_path("/healthz".parse().unwrap()) } else { version }
    }

    /// Returns a handle whose instances have been checked, by a clock that does not wait.
    async fn handle(self) -> RoutingHandle {
        let check = ScriptedCheck::default();
        let health = Health::new().with_slow_start(Duration::from_secs(3_600));
        let builder = Deployments::builder(MemoryStore::new(), check.clone());
        let builder = if self.is_checked { builder.with_health(health) } else { builder };
        let deployments = builder.start().await.unwrap();
        let service: ServiceName = "auth".parse().unwrap();
        let register = ChangeRequest::new(Change::Register(self.registration()), "bench");
        deployments.apply(&service, register).await.unwrap();
        let running = deployments.clone().run(std::future::pending());
        tokio::select! {
            () = running => {}
            () = self.play(&check) => {}
        }
        deployments.handle().clone()
    }

    async fn play(self, check: &ScriptedCheck) {
        let several_checks = Duration::from_secs(200);
        for i in 0..self.down {
            check.set(url(i).as_str(), Some(Unhealthy::Status(503)));
        }
        tokio::time::sleep(several_checks).await;
        if self.is_slow {
            (0..self.down).for_each(|i| check.set(url(i).as_str(), None));
            tokio::time::sleep(several_checks).await;
        }
    }

    fn layered(self) -> WeightedVersion<Null> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let handle = runtime.unwrap().block_on(self.handle());
        let usable = handle.instances("auth").unwrap()[0].usable;
        assert_eq!(
            usable,
            if self.is_slow { self.instances } else { self.instances - self.down },
            "{}",
            self.name
        );
        WeightedVersionLayer::new(&handle, Target::service("auth".parse().unwrap()))
            .without_latencies()
            .layer(Null)
    }
}

fn instances(c: &mut Criterion) {
    let mut group = c.benchmark_group("instances");
    group.bench_function("no layer", |b| {
        b.iter_batched(request, |r| drive(&mut Null, r), BatchSize::SmallInput)
    });
    for case in CASES {
        let mut layered = case.layered();
        group.bench_function(case.name, |b| {
            b.iter_batched(request, |r| drive(&mut layered, r), BatchSize::SmallInput)
        });
    }
}

fn fastest() {
    const TURNS: u32 = 200;
    let mut layered = CASES.map(Case::layered);
    let mut best = [f64::MAX; CASES.len()];
    for _ in 0..5_000 {
        for (best, layered) in best.iter_mut().zip(&mut layered) {
            *best = best.min(time(TURNS, || drive(layered, request())));
        }
    }
    let unchecked = best[0];
    for (case, best) in CASES.iter().zip(best) {
        println!("{:14} {best:6.1} ns   {:+5.1}", case.name, best - unchecked);
    }
}

criterion_group! {
    name = track;
    config = Criterion::default().sample_size(40).measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    targets = instances
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--fastest") {
        return fastest();
    }
    track();
    Criterion::default().configure_from_args().final_summary();
}

//! The cost of a request and of a change: `cargo bench --bench track`.
//!
//! Criterion measures one thread. Loops at the end measure how much two threads cost each other and how exact the draws
//! are: Criterion's short samples of two threads would not overlap. `benches/instructions` counts instructions.
#![expect(clippy::unwrap_used, reason = "a bench stops where it is wrong")]

mod contention;
mod exactness;
mod naive;
mod routes;
#[path = "../support/mod.rs"]
mod support;

use std::hint::black_box;
use std::time::{Duration, SystemTime};

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tower::Layer;
use tower_canary::routing::{Change, Point, Route, RoutingTable, Split};
use tower_canary::traffic::Outcome;
use tower_canary::{Draw, RoutingHandle, Target, Weight, WeightedVersionLayer};

use self::contention::contention;
use self::exactness::exactness;
use self::naive::Naive;
use self::routes::{canary, fixed, handle, split};
use self::support::{Null, drive, request, time};

fn choose(c: &mut Criterion) {
    let mut group = c.benchmark_group("choose");
    for versions in [2, 10, 100] {
        let urls: Vec<String> = (0..versions).map(|i| format!("http://h{i}")).collect();
        let even: Vec<(&str, f64)> =
            urls.iter().map(|url| (url.as_str(), 100.0 / f64::from(versions))).collect();
        let route = Route::compile(split("auth", &even));
        let mut state = 1_u64;
        group.bench_with_input(BenchmarkId::from_parameter(versions), &route, |b, route| {
            b.iter(|| {
                state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
                route.version_at(black_box(Point::new((state >> 51) as u16).unwrap()))
            });
        });
    }
}

/// A split after 1,000 random weight changes, whose slots form many runs.
fn re_weighted(versions: u64) -> Split {
    let urls: Vec<String> = (0..versions).map(|i| format!("http://h{i}")).collect();
    let mut whole: Vec<(&str, f64)> = urls.iter().map(|url| (url.as_str(), 0.0)).collect();
    whole[0].1 = 100.0;
    let mut split = split("auth", &whole);
    let mut random = StdRng::seed_from_u64(versions);
    for _ in 0..1_000 {
        let mut cuts: Vec<u16> = (1..versions).map(|_| random.random_range(0..=10_000)).collect();
        cuts.extend([0, 10_000]);
        cuts.sort_unstable();
        let weights = cuts.windows(2).map(|cut| Weight::from_hundredths(cut[1] - cut[0]).unwrap());
        let names = split.versions().iter().map(|version| version.name.clone());
        let change = Change::SetWeights(names.zip(weights).collect());
        split = split.apply(&change, SystemTime::UNIX_EPOCH).unwrap();
    }
    split
}

fn keys(c: &mut Criterion) {
    let mut group = c.benchmark_group("key");
    let names: Vec<String> = (0..4_096).map(|i| format!("user-{i}")).collect();
    for versions in [2, 3, 6] {
        let split = re_weighted(versions);
        let of = format!("{versions} versions in {} runs", split.slots().runs().count());
        let slots: Vec<Point> = names.iter().map(|name| Point::from_key(7, name.as_bytes())).collect();
        let route = Route::compile(split.clone());
        let mut i = 0;
        group.bench_function(BenchmarkId::new("holder of a slot", &of), |b| {
            b.iter(|| {
                i = (i + 1) % slots.len();
                route.version_of_slot(black_box(slots[i]))
            });
        });
        group.bench_function(BenchmarkId::new("version of a key", &of), |b| {
            b.iter(|| {
                i = (i + 1) % names.len();
                route.explain(black_box(names[i].as_bytes()))
            });
        });
        group.bench_function(BenchmarkId::new("compile", &of), |b| {
            b.iter_batched(|| split.clone(), |split| black_box(Route::compile(split)), BatchSize::SmallInput)
        });
    }
}

fn layer(c: &mut Criterion) {
    let mut group = c.benchmark_group("request");
    let mut null = Null;
    group.bench_function("no layer", |b| {
        b.iter_batched(request, |r| drive(&mut null, r), BatchSize::SmallInput)
    });
    let base = split("auth", &[("http://10.0.0.1:8080/api", 90.0), ("http://10.0.0.2:8080/api", 10.0)]);
    let by_header = WeightedVersionLayer::new(
        &handle(Draw::Exact, canary()),
        Target::from_fn(|_| Some("auth".parse().unwrap())),
    );
    for (name, layer) in [
        ("layer", fixed(&handle(Draw::Exact, canary()))),
        ("layer, seeded draw", fixed(&handle(Draw::Seeded(7), canary()))),
        ("layer, random draw", fixed(&handle(Draw::Random, canary()))),
        ("layer, base path", fixed(&handle(Draw::Exact, base))),
        ("layer, choice exposed", fixed(&handle(Draw::Exact, canary())).with_choice()),
        ("layer, own function", by_header),
    ] {
        let mut layered = layer.layer(Null);
        group.bench_function(name, |b| {
            b.iter_batched(request, |r| drive(&mut layered, r), BatchSize::SmallInput)
        });
    }
    let handle = handle(Draw::Exact, canary());
    group.bench_function("choose without sending", |b| {
        b.iter(|| handle.choose(black_box("auth"), None).unwrap().finish(Outcome::Success))
    });
    let naive = Naive::new();
    group.bench_function("naive algorithm", |b| {
        b.iter_batched(
            request,
            |mut r| {
                naive.rewrite(&mut r);
                drive(&mut null, r);
            },
            BatchSize::SmallInput,
        );
    });
}

fn publish(c: &mut Criterion) {
    let mut group = c.benchmark_group("publish");
    let split_of_two = canary();
    let at = SystemTime::UNIX_EPOCH;
    let change = Change::set_weight("v1".parse().unwrap(), "20".parse().unwrap());
    group.bench_function("apply a change", |b| b.iter(|| split_of_two.apply(black_box(&change), at)));
    let one = handle(Draw::Exact, canary());
    group.bench_function("compile and publish a route", |b| {
        b.iter(|| one.publish(Route::compile(split_of_two.clone())))
    });
    for services in [10, 1_000, 10_000] {
        let routes = (0..services)
            .map(|i| Route::compile(split(&format!("s{i}"), &[("http://h", 90.0), ("http://i", 10.0)])));
        let table: RoutingTable = routes.collect();
        let handle = RoutingHandle::new();
        group.bench_function(BenchmarkId::new("replace a table of", services), |b| {
            b.iter(|| handle.replace(&table))
        });
        handle.replace(&table);
        let mut n = 0;
        group.bench_function(BenchmarkId::new("publish a new service beside", services), |b| {
            b.iter(|| {
                n += 1;
                handle.publish(Route::compile(split(&format!("new{n}"), &[("http://h", 100.0)])))
            });
        });
    }
}

criterion_group! {
    name = track;
    config = Criterion::default().sample_size(40).measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    targets = choose, keys, layer, publish
}

/// Prints the nanoseconds per request of the fastest of many short runs, which other programs disturb least:
/// `track --fastest`.
fn fastest() {
    const TURNS: u32 = 200;
    let handle = handle(Draw::Exact, canary());
    let mut layered = fixed(&handle).layer(Null);
    let mut untimed = fixed(&handle).without_latencies().layer(Null);
    let mut best = [f64::MAX; 4];
    for _ in 0..5_000 {
        let times = [
            time(TURNS, || drive(&mut Null, request())),
            time(TURNS, || drive(&mut layered, request())),
            time(TURNS, || drive(&mut untimed, request())),
            time(TURNS, || drive(&mut layered.clone(), request())),
        ];
        for (best, time) in best.iter_mut().zip(times) {
            *best = best.min(time);
        }
    }
    let [none, layer, untimed, clone] = best;
    println!("no layer {none:.1}   layer {layer:.1}   without latencies {untimed:.1}   cloned {clone:.1}");
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--fastest") {
        return fastest();
    }
    track();
    contention();
    exactness();
    Criterion::default().configure_from_args().final_summary();
}

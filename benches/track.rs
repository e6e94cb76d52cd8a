//! The cost of a request and of a change: `cargo bench --bench track`.
//!
//! Criterion measures one thread. Loops at the end measure how much two threads cost each other and how exact the draws
//! are: Criterion's short samples of two threads would not overlap.
#![expect(clippy::unwrap_used, reason = "a bench stops where it is wrong")]

mod support;

use std::convert::Infallible;
use std::future::ready;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group};
use http::{Request, Response};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tower::Layer;
use tower_canary::routing::{Change, Point, Route, RoutingTable, Split};
use tower_canary::traffic::Outcome;
use tower_canary::{Draw, RoutingHandle, Target, Weight, WeightedVersionLayer};

use self::support::{Null, drive, request, time};

fn split(service: &str, weights: &[(&str, f64)]) -> Split {
    let name = |i: usize| format!("v{i}").parse().unwrap();
    let mut split = Split::new(service.parse().unwrap(), 7);
    for (i, (url, _)) in weights.iter().enumerate() {
        split =
            split.apply(&Change::register(name(i), url.parse().unwrap()), SystemTime::UNIX_EPOCH).unwrap();
    }
    let whole = weights.iter().enumerate().map(|(i, (_, percent))| (name(i), (*percent).try_into().unwrap()));
    split.apply(&Change::SetWeights(whole.collect()), SystemTime::UNIX_EPOCH).unwrap()
}

fn canary() -> Split {
    split("auth", &[("http://10.0.0.1:8080", 90.0), ("http://10.0.0.2:8080", 10.0)])
}

fn handle(draw: Draw, split: Split) -> RoutingHandle {
    let handle = RoutingHandle::with_draw(draw);
    assert!(handle.publish(Route::compile(split)));
    handle
}

fn fixed(handle: &RoutingHandle) -> WeightedVersionLayer {
    WeightedVersionLayer::new(handle, Target::service("auth".parse().unwrap()))
}

/// The algorithm in its simplest form: sum and scan over floats, format and parse the URI.
struct Naive {
    versions: std::sync::RwLock<Vec<(String, f64)>>,
}

impl Naive {
    fn new() -> Self {
        let versions = [("http://10.0.0.1:8080", 90.0), ("http://10.0.0.2:8080", 10.0)];
        Self {
            versions: std::sync::RwLock::new(versions.map(|(url, weight)| (url.to_owned(), weight)).into()),
        }
    }

    fn rewrite(&self, request: &mut Request<()>) {
        let versions = self.versions.read().unwrap().clone();
        let total: f64 = versions.iter().map(|(_, weight)| weight).sum();
        let mut left = rand::random::<f64>() * total;
        let found = versions.iter().find(|(_, weight)| {
            left -= weight;
            left < 0.0
        });
        let base = found.map_or_else(|| versions[0].0.clone(), |(url, _)| url.clone());
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = format!("{base}{path}").parse().unwrap();
    }
}

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
    let first = |i: usize| if i == 0 { 100.0 } else { 0.0 };
    let whole: Vec<(&str, f64)> = urls.iter().enumerate().map(|(i, url)| (url.as_str(), first(i))).collect();
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

/// Returns the nanoseconds per turn on each of `threads` parallel threads over at least 300 ms: the median of 9 rounds.
fn at_once(threads: usize, make: impl Fn() -> Box<dyn FnMut() + Send>) -> f64 {
    let mut rounds: Vec<f64> = (0..9).map(|_| one_round(threads, &make)).collect();
    rounds.sort_by(f64::total_cmp);
    rounds[4]
}

fn one_round(threads: usize, make: &impl Fn() -> Box<dyn FnMut() + Send>) -> f64 {
    let stop = AtomicBool::new(false);
    let nanos = std::thread::scope(|scope| {
        let spawn = |_| {
            let (mut turn, stop) = (make(), &stop);
            scope.spawn(move || {
                let (from, mut turns) = (Instant::now(), 0_u64);
                while !stop.load(Ordering::Relaxed) {
                    (0..256).for_each(|_| turn());
                    turns += 256;
                }
                from.elapsed().as_nanos() as f64 / turns as f64
            })
        };
        let running: Vec<_> = (0..threads).map(spawn).collect();
        std::thread::sleep(Duration::from_millis(300));
        stop.store(true, Ordering::Relaxed);
        running.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    nanos.iter().sum::<f64>() / nanos.len() as f64
}

fn contention() {
    println!(
        "\nnanoseconds a request, making the request included; a request without a layer is the first line"
    );
    let handle = handle(Draw::Exact, canary());
    let naive = std::sync::Arc::new(Naive::new());
    let null = || -> Box<dyn FnMut() + Send> { Box::new(|| drive(&mut Null, request())) };
    let layered = || -> Box<dyn FnMut() + Send> {
        let mut layered = fixed(&handle).layer(Null);
        Box::new(move || drive(&mut layered, request()))
    };
    let cloned = || -> Box<dyn FnMut() + Send> {
        let layered = fixed(&handle).layer(Null);
        Box::new(move || drive(&mut layered.clone(), request()))
    };
    let naively = || -> Box<dyn FnMut() + Send> {
        let naive = std::sync::Arc::clone(&naive);
        Box::new(move || {
            let mut request = request();
            naive.rewrite(&mut request);
            drive(&mut Null, request);
        })
    };
    for (name, [one, two]) in [
        ("no layer", [1, 2].map(|n| at_once(n, null))),
        ("layer", [1, 2].map(|n| at_once(n, layered))),
        ("layer, service cloned per request", [1, 2].map(|n| at_once(n, cloned))),
        ("naive algorithm", [1, 2].map(|n| at_once(n, naively))),
    ] {
        println!("{name:36} one thread {one:7.1}   two threads {two:7.1}");
    }
}

fn exactness() {
    println!("\ncanary at 10 %: furthest from exact in any window of requests, out of 1,000,000");
    for (name, draw) in
        [("exact, one shard", Draw::Exact), ("seeded", Draw::Seeded(7)), ("random", Draw::Random)]
    {
        let handle = handle(draw, canary());
        let mut prefix = vec![0_i64];
        for _ in 0..1_000_000 {
            prefix.push(prefix[prefix.len() - 1] + i64::from(canary_drawn(&handle)));
        }
        let worst = |window: usize| {
            let off = |i: usize| (prefix[i + window] - prefix[i] - window as i64 / 10).abs();
            (0..prefix.len() - window).map(off).max().unwrap()
        };
        println!(
            "{name:20} any 100: {:3}   any 1,000: {:3}   any 10,000: {:4}",
            worst(100),
            worst(1_000),
            worst(10_000)
        );
    }
    println!("exact, two threads   any 1,000 by time: {:3}", two_threads_exactness());
}

/// Returns whether the next request gets the canary.
fn canary_drawn(handle: &RoutingHandle) -> bool {
    let seen = std::cell::Cell::new(false);
    let client = tower::service_fn(|request: Request<()>| {
        seen.set(request.uri().host() == Some("10.0.0.2"));
        ready(Ok::<_, Infallible>(Response::new(String::new())))
    });
    drive(&mut fixed(handle).layer(client), request());
    seen.get()
}

/// Returns the largest deviation from the exact share in any 1,000 consecutive requests of two threads.
fn two_threads_exactness() -> i64 {
    let handle = handle(Draw::Exact, canary());
    let start = Instant::now();
    let draws = || (0..200_000).map(|_| (canary_drawn(&handle), start.elapsed())).collect::<Vec<_>>();
    let mut all = std::thread::scope(|scope| {
        let (a, b) = (scope.spawn(draws), scope.spawn(draws));
        [a.join().unwrap(), b.join().unwrap()].concat()
    });
    all.sort_by_key(|(_, at)| *at);
    let off = |window: &[(bool, Duration)]| window.iter().filter(|(canary, _)| *canary).count() as i64 - 100;
    all.windows(1_000).step_by(7).map(|window| off(window).abs()).max().unwrap()
}

criterion_group! {
    name = track;
    config = Criterion::default().sample_size(40).measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    targets = choose, keys, layer, publish
}

/// For instruction counts: the difference of two runs under `valgrind --tool=callgrind` with other counts of turns,
/// as in `track --turns layer 100000`.
fn turns(which: &str, count: u64) {
    let handle = handle(Draw::Exact, canary());
    let (mut layered, naive) = (fixed(&handle).layer(Null), Naive::new());
    let mut untimed = fixed(&handle).without_latencies().layer(Null);
    for _ in 0..count {
        let mut request = request();
        match which {
            "layer" => drive(&mut layered, request),
            "untimed" => drive(&mut untimed, request),
            "clone" => drive(&mut layered.clone(), request),
            "naive" => {
                naive.rewrite(&mut request);
                drive(&mut Null, request);
            }
            _ => drive(&mut Null, request),
        }
    }
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
    if let Some(at) = arguments.iter().position(|argument| argument == "--turns") {
        return turns(&arguments[at + 1], arguments[at + 2].parse().unwrap());
    }
    track();
    contention();
    exactness();
    Criterion::default().configure_from_args().final_summary();
}

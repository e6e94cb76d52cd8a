//! Latencies: a canary that is slower, or not.

use std::time::Duration;

use statrs::distribution::{ContinuousCDF, LogNormal};
use tower_canary::rollout::{Evidence, Guard, Measure, Verdict, Window};
use tower_canary::traffic::{Figures, Latencies};

use crate::chance::Chance;
use crate::judges::{Count, plan};
use crate::runs::{Run, Runs, Size, in_parallel};

/// Half an hour.
const WINDOWS: usize = 180;
const REQUESTS: u64 = 1_000;
const SHARE: f64 = 0.05;

/// The values of the distribution of latencies at as many equidistant ranks.
pub(crate) const RANKS: usize = 1 << 16;

/// A scene of latencies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    /// How many times slower the canary is.
    factor: f64,
    /// The standard deviation of the logarithms.
    spread: f64,
    /// The chance that a side pauses in a window, by itself: 30 percent of its requests take 200 ms longer then.
    pauses: f64,
}

const fn scene(name: &'static str, factor: f64) -> Scene {
    Scene { name, factor, spread: 0.5, pauses: 0.0 }
}

/// The canary is as fast as the others, or at most 1.3 times slower, which the default policy tolerates.
pub(crate) const GOOD: &[Scene] = &[
    scene("as fast", 1.0),
    Scene { spread: 1.0, ..scene("as fast, long tail", 1.0) },
    Scene { pauses: 0.01, ..scene("as fast, pauses of each in 1 window of 100", 1.0) },
    scene("1.2 times slower", 1.2),
];

/// The canary is slower.
pub(crate) const BAD: &[Scene] =
    &[scene("1.5 times slower", 1.5), scene("2 times slower", 2.0), scene("3 times slower", 3.0)];

/// Runs a scene before the guard, and before a rule: p95 of a minute above 1.2 times the p95 of the others.
pub(crate) fn run(scene: &Scene, size: Size) -> [Runs; 2] {
    let ranks = distribution(scene.spread);
    let runs = in_parallel(size, |chance| run_once(scene, &ranks, chance));
    std::array::from_fn(|judge| Runs(runs.iter().map(|run| run[judge]).collect()))
}

/// Returns latencies in seconds, with a median of 40 ms.
pub(crate) fn distribution(spread: f64) -> Vec<f64> {
    let seconds = LogNormal::new(0.04_f64.ln(), spread).unwrap();
    (0..RANKS).map(|rank| seconds.inverse_cdf((rank as f64 + 0.5) / RANKS as f64)).collect()
}

fn run_once(scene: &Scene, ranks: &[f64], chance: &mut Chance) -> [Run; 2] {
    let guard = Guard::new(&plan(1));
    let mut evidence = Evidence::default();
    let mut minute = [Latencies::default(), Latencies::default()];
    let mut runs = [Run::default(); 2];
    for window in 0..WINDOWS {
        let requests = chance.count(REQUESTS, SHARE);
        let canary = latencies(requests, scene.factor, scene.pauses, ranks, chance);
        let stable = latencies(REQUESTS - requests, 1.0, scene.pauses, ranks, chance);
        minute = [merged(&minute[0], &canary), merged(&minute[1], &stable)];
        let figures = [canary, stable].map(|times| Figures::new(times.count(), 0).with_latencies(times));
        let [canary, stable] = figures;
        guard.observe(&mut evidence, &Window::new(canary, stable));
        let convicts =
            matches!(guard.verdict(&evidence), Verdict::Fail(finding) if finding.measure == Measure::Latency);
        let mut is_slower = false;
        if (window + 1).is_multiple_of(6) {
            is_slower = exceeds(&minute);
            minute = [Latencies::default(), Latencies::default()];
        }
        for (run, convicts) in runs.iter_mut().zip([convicts, is_slower]) {
            add(run, window, requests, convicts);
        }
    }
    runs
}

fn add(run: &mut Run, window: usize, requests: u64, convicts: bool) {
    if run.windows.is_none() {
        run.canary = Count { requests: run.canary.requests + requests, failed: 0 };
        run.windows = convicts.then_some(window + 1);
    }
}

fn latencies(requests: u64, factor: f64, pauses: f64, ranks: &[f64], chance: &mut Chance) -> Latencies {
    let pauses = chance.happens(pauses);
    let mut times = Vec::with_capacity(requests as usize);
    for _ in 0..requests {
        let seconds = factor * ranks[chance.bits() as usize % RANKS];
        let pause = if pauses && chance.happens(0.3) { 0.2 } else { 0.0 };
        times.push((Duration::from_secs_f64(seconds + pause), 1));
    }
    times.into_iter().collect()
}

fn merged(one: &Latencies, other: &Latencies) -> Latencies {
    one.iter().chain(other.iter()).collect()
}

fn exceeds([canary, stable]: &[Latencies; 2]) -> bool {
    let p95 = [canary, stable].map(|latencies| latencies.quantile(0.95).unwrap_or_default());
    p95[0].as_secs_f64() > 1.2 * p95[1].as_secs_f64()
}

//! Many runs of a scene.

use std::num::NonZero;
use std::thread;

use crate::chance::Chance;
use crate::judges::{Count, Judges, NAMES};
use crate::scenes::Scene;

/// What one judge did in one run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Run {
    /// The windows from the turn until the canary was taken back.
    pub(crate) windows: Option<usize>,
    /// The canary's requests, and the failed ones among them, from the turn until then, or until the end.
    pub(crate) canary: Count,
}

/// The runs of one judge.
#[derive(Clone, Debug)]
pub(crate) struct Runs(pub(crate) Vec<Run>);

/// Size of the simulation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) runs: u64,
    pub(crate) threads: NonZero<usize>,
}

impl Runs {
    /// The runs in which the canary was taken back.
    pub(crate) fn found(&self) -> usize {
        self.0.iter().filter(|run| run.windows.is_some()).count()
    }

    /// The part of the runs in which the canary was taken back.
    pub(crate) fn share(&self) -> f64 {
        self.found() as f64 / self.0.len().max(1) as f64
    }

    /// The quantile `q` of the canary's requests until it was taken back, of the runs in which it was.
    pub(crate) fn requests(&self, q: f64) -> Option<u64> {
        quantile(self.0.iter().filter(|run| run.windows.is_some()).map(|run| run.canary.requests), q)
    }

    /// The quantile `q` of the windows until then.
    pub(crate) fn windows(&self, q: f64) -> Option<u64> {
        quantile(self.0.iter().filter_map(|run| run.windows).map(|windows| windows as u64), q)
    }

    /// The failed requests of users in a run, on average, whether the canary was taken back or not.
    pub(crate) fn failed(&self) -> f64 {
        let failed: u64 = self.0.iter().map(|run| run.canary.failed).sum();
        failed as f64 / self.0.len().max(1) as f64
    }
}

fn quantile(values: impl Iterator<Item = u64>, q: f64) -> Option<u64> {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    let rank = (q * values.len() as f64).ceil() as usize;
    values.get(rank.max(1) - 1).copied()
}

/// Runs a scene before all judges. The same seeds give the same runs, however many threads there are.
pub(crate) fn run(scene: &Scene, size: Size) -> [Runs; NAMES.len()] {
    let runs = in_parallel(size, |chance| run_once(scene, chance));
    std::array::from_fn(|judge| Runs(runs.iter().map(|run| run[judge]).collect()))
}

/// Calls `once` for each seed, on several threads.
pub(crate) fn in_parallel<T: Send>(size: Size, once: impl Fn(&mut Chance) -> T + Sync) -> Vec<T> {
    let threads = size.threads.get();
    let mut results: Vec<(u64, T)> = thread::scope(|scope| {
        let once = &once;
        let parts: Vec<_> = (0..threads as u64)
            .map(|first| {
                scope.spawn(move || {
                    let mut chance = Chance::new();
                    let seeds = (first..size.runs).step_by(threads);
                    let runs = seeds.map(|seed| {
                        chance.reseed(seed + 1);
                        (seed, once(&mut chance))
                    });
                    runs.collect::<Vec<_>>()
                })
            })
            .collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    results.sort_unstable_by_key(|(seed, _)| *seed);
    results.into_iter().map(|(_, result)| result).collect()
}

fn run_once(scene: &Scene, chance: &mut Chance) -> [Run; NAMES.len()] {
    let mut runs = [Run::default(); NAMES.len()];
    let mut judges = Judges::new(scene.steps);
    let mut window = 0;
    for step in scene.steps {
        judges.begin_step();
        for _ in 0..step.windows {
            let (canary, stable) = traffic(scene, window, step.share, chance);
            let convicts = judges.observe(canary, stable);
            for (run, convicts) in runs.iter_mut().zip(convicts) {
                run.add(scene, window, canary, convicts);
            }
            window += 1;
        }
    }
    runs
}

impl Run {
    fn add(&mut self, scene: &Scene, window: usize, canary: Count, convicts: bool) {
        if self.windows.is_some() {
            return;
        }
        if window >= scene.turns {
            self.canary.requests += canary.requests;
            self.canary.failed += canary.failed;
        }
        if convicts {
            self.windows = Some((window + 1).saturating_sub(scene.turns));
        }
    }
}

fn traffic(scene: &Scene, window: usize, share: f64, chance: &mut Chance) -> (Count, Count) {
    let rates = (scene.rates)(chance, window, share);
    let requests = chance.count(scene.requests, share);
    let canary = failures(requests, rates.canary, rates.together, chance);
    let stable = failures(scene.requests - requests, rates.stable, rates.together, chance);
    (canary, stable)
}

/// Lets requests fail at this rate, `together` at a time.
fn failures(requests: u64, rate: f64, together: u64, chance: &mut Chance) -> Count {
    let groups = chance.count(requests / together, rate);
    let rest = chance.count(requests % together, rate);
    Count { requests, failed: groups * together + rest }
}

//! What happens to the two sides, window by window.

use crate::chance::Chance;

/// Ten seconds each.
pub(crate) const HOUR: usize = 360;
const MINUTE: usize = 6;

/// The share of the canary during an hour, in one step.
pub(crate) const FIVE_PERCENT: &[Step] = &[Step { share: 0.05, windows: HOUR }];
pub(crate) const TEN_MINUTES: &[Step] = &[Step { share: 0.05, windows: 10 * MINUTE }];

/// An hour in which the share grows.
pub(crate) const GROWING: &[Step] = &[
    Step { share: 0.05, windows: HOUR / 4 },
    Step { share: 0.1, windows: HOUR / 4 },
    Step { share: 0.25, windows: HOUR / 4 },
    Step { share: 0.5, windows: HOUR / 4 },
];

/// The default plan: five minutes a step, and ten minutes of bake.
pub(crate) const ROLLOUT: &[Step] = &[
    Step { share: 0.05, windows: 5 * MINUTE },
    Step { share: 0.1, windows: 5 * MINUTE },
    Step { share: 0.25, windows: 5 * MINUTE },
    Step { share: 0.5, windows: 5 * MINUTE },
    Step { share: 0.95, windows: 10 * MINUTE },
];

#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) share: f64,
    pub(crate) windows: usize,
}

/// The rates of failures in one window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    pub(crate) canary: f64,
    pub(crate) stable: f64,
    /// How many requests fail together.
    pub(crate) together: u64,
}

/// A scene: the traffic, and the rates in the window `usize` at the share `f64` of the canary.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) steps: &'static [Step],
    /// The requests of both sides in a window, on average.
    pub(crate) requests: u64,
    pub(crate) rates: fn(&mut Chance, usize, f64) -> Rates,
    /// The window in which the canary turns bad. Requests are counted from there.
    pub(crate) turns: usize,
}

const fn scene(name: &'static str, rates: fn(&mut Chance, usize, f64) -> Rates) -> Scene {
    Scene { name, steps: FIVE_PERCENT, requests: 1_000, rates, turns: 0 }
}

impl Scene {
    pub(crate) const fn with_steps(self, steps: &'static [Step]) -> Self {
        Self { steps, ..self }
    }

    pub(crate) const fn with_requests(self, requests: u64) -> Self {
        Self { requests, ..self }
    }

    const fn with_turn(self, turns: usize) -> Self {
        Self { turns, ..self }
    }
}

const fn both(rate: f64) -> Rates {
    rates(rate, rate)
}

const fn rates(canary: f64, stable: f64) -> Rates {
    Rates { canary, stable, together: 1 }
}

/// The canary is as good as the others, under many conditions.
pub(crate) const GOOD: &[Scene] = &[
    scene("0.1 %", |_, _, _| both(0.001)),
    scene("1 %", |_, _, _| both(0.01)),
    scene("5 %", |_, _, _| both(0.05)),
    scene("drift from 0.1 to 3 % while the share grows", drift).with_steps(GROWING),
    scene("incident of both: 20 % for five minutes", incident_of_both),
    scene("bursts of both: 30 % in 1 window of 50", bursts_of_both),
    scene("bursts of each: 30 % in 1 window of 100", |chance, _, _| bursts_of_each(chance, 0.01, 0.3)),
    scene("bursts of each: 10 % in 1 window of 50", |chance, _, _| bursts_of_each(chance, 0.02, 0.1)),
    scene("1 %, failures in threes", |_, _, _| Rates { together: 3, ..both(0.01) }),
    scene("1 %, failures in tens", |_, _, _| Rates { together: 10, ..both(0.01) }),
    scene("whole rollout, 1 %", |_, _, _| both(0.01)).with_steps(ROLLOUT),
    scene("whole rollout, 0.08 points worse", |_, _, _| rates(0.0018, 0.001)).with_steps(ROLLOUT),
];

/// The canary is worse.
pub(crate) const BAD: &[Scene] = &[
    scene("10 points on 0.1 %", |_, _, _| rates(0.101, 0.001)).with_steps(TEN_MINUTES),
    scene("10 points on 0.1 %, a tenth of the traffic", |_, _, _| rates(0.101, 0.001)).with_requests(100),
    scene("10 points on 5 %", |_, _, _| rates(0.15, 0.05)).with_steps(TEN_MINUTES),
    scene("2 points on 0.1 %", |_, _, _| rates(0.021, 0.001)).with_steps(TEN_MINUTES),
    scene("1 point on 0.1 %", |_, _, _| rates(0.011, 0.001)).with_steps(TEN_MINUTES),
    scene("1 point on 1 %", |_, _, _| rates(0.02, 0.01)).with_steps(TEN_MINUTES),
    scene("all requests fail", |_, _, _| rates(1.0, 0.001)).with_steps(TEN_MINUTES),
    scene("all fail after 30 quiet minutes", |_, window, _| rates(turned(window, 180, 1.0), 0.001))
        .with_turn(180),
    scene("10 points after an incident of the others", |_, window, _| after_incident(window, 0.101))
        .with_turn(120),
    scene("all fail after an incident of the others", |_, window, _| after_incident(window, 1.0))
        .with_turn(120),
    scene("whole rollout, 10 points on 0.1 %", |_, _, _| rates(0.101, 0.001)).with_steps(ROLLOUT),
    scene("whole rollout, 2 points on 0.1 %", |_, _, _| rates(0.021, 0.001)).with_steps(ROLLOUT),
    scene("whole rollout, 1 point on 0.1 %", |_, _, _| rates(0.011, 0.001)).with_steps(ROLLOUT),
    scene("whole rollout, 1 point on 1 %", |_, _, _| rates(0.02, 0.01)).with_steps(ROLLOUT),
    scene("whole rollout, 0.4 points on 0.1 %", |_, _, _| rates(0.005, 0.001)).with_steps(ROLLOUT),
    scene("whole rollout, all fail", |_, _, _| rates(1.0, 0.001)).with_steps(ROLLOUT),
    scene("whole rollout, 10 points from 25 % on", |_, _, share| rates(from_quarter(share), 0.001))
        .with_steps(ROLLOUT)
        .with_turn(10 * MINUTE),
];

/// In steps of ten windows, since each rate needs a table of its own.
fn drift(_: &mut Chance, window: usize, _: f64) -> Rates {
    both(0.001 + 0.029 * (window / 10 * 10) as f64 / HOUR as f64)
}

fn incident_of_both(_: &mut Chance, window: usize, _: f64) -> Rates {
    both(if (120..150).contains(&window) { 0.2 } else { 0.001 })
}

fn bursts_of_both(chance: &mut Chance, _: usize, _: f64) -> Rates {
    both(if chance.happens(0.02) { 0.3 } else { 0.001 })
}

fn bursts_of_each(chance: &mut Chance, often: f64, rate: f64) -> Rates {
    let canary = if chance.happens(often) { rate } else { 0.001 };
    rates(canary, if chance.happens(often) { rate } else { 0.001 })
}

fn after_incident(window: usize, rate: f64) -> Rates {
    let stable = if (60..90).contains(&window) { 0.2 } else { 0.001 };
    rates(turned(window, 120, rate), stable)
}

const fn turned(window: usize, turns: usize, rate: f64) -> f64 {
    if window < turns { 0.001 } else { rate }
}

fn from_quarter(share: f64) -> f64 {
    if share < 0.25 { 0.001 } else { 0.101 }
}

//! Statistics of the draws: random draws are random, exact draws are more even than random ones, and changes
//! disturb neither.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::UNIX_EPOCH;

use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use statrs::distribution::{ChiSquared, ContinuousCDF};
use tower::{Layer, Service};
use tower_canary::layer::{VersionChoice, WeightedVersion};
use tower_canary::routing::{Change, Route, Split};
use tower_canary::{Draw, RoutingHandle, Target, WeightedVersionLayer};

use crate::setting;
use crate::splits::{at, set_weights, split};

/// A client that responds with the status 200 plus the last digit of the host, which is the position of the
/// version.
#[derive(Clone, Debug)]
struct Position;

impl Service<Request<()>> for Position {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let digit = request.uri().host().and_then(|host| host.bytes().last()).unwrap();
        let mut response = Response::new(String::new());
        *response.status_mut() = StatusCode::from_u16(200 + u16::from(digit - b'0')).unwrap();
        ready(Ok(response))
    }
}

fn handle(draw: Draw, split: &Split) -> RoutingHandle {
    let handle = RoutingHandle::with_draw(draw);
    assert!(handle.publish(Route::compile(split.clone())));
    handle
}

fn layer(handle: &RoutingHandle) -> WeightedVersionLayer {
    WeightedVersionLayer::new(handle, Target::service("auth".parse().unwrap()))
}

/// Returns the positions of the versions of consecutive requests.
fn drawn(handle: &RoutingHandle) -> impl Iterator<Item = usize> {
    let mut layered: WeightedVersion<Position> = layer(handle).layer(Position);
    std::iter::repeat_with(move || {
        let response = layered.call(Request::new(())).now_or_never().unwrap().unwrap();
        position(response.status())
    })
}

fn position(status: StatusCode) -> usize {
    usize::from(status.as_u16() - 200)
}

/// Returns the p-value of chi-square: the probability that random draws deviate from `weights` more than
/// these draws.
fn p_value(draw: Draw, weights: &[f64], draws: usize) -> f64 {
    let mut counts = vec![0.0; weights.len()];
    drawn(&handle(draw, &split(weights))).take(draws).for_each(|version| counts[version] += 1.0);
    let expected = weights.iter().map(|weight| weight * draws as f64 / 100.0);
    let chi_square =
        counts.iter().zip(expected).map(|(count, expected)| (count - expected).powi(2) / expected).sum();
    ChiSquared::new(weights.len() as f64 - 1.0).unwrap().sf(chi_square)
}

/// Returns the p-value of the Kolmogorov-Smirnov test against the uniform distribution: the asymptotic series
/// with Stephens' correction for small samples (1970), exact to three digits for a dozen or more values.
fn uniformity(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let n = values.len() as f64;
    let steps =
        values.iter().enumerate().map(|(i, value)| (value - i as f64 / n, value - (i as f64 + 1.0) / n));
    let furthest = steps.map(|(before, after)| before.abs().max(after.abs())).fold(0.0, f64::max);
    let lambda = (n.sqrt() + 0.12 + 0.11 / n.sqrt()) * furthest;
    (1..=100)
        .map(|k: i32| {
            let sign = if k % 2 == 1 { 2.0 } else { -2.0 };
            sign * (-2.0 * f64::from(k).powi(2) * lambda.powi(2)).exp()
        })
        .sum::<f64>()
        .clamp(0.0, 1.0)
}

fn random_draws_are_random(runs: u64, draws: usize) {
    let weights = [50.0, 30.0, 15.0, 5.0];
    let p_values = |draw: fn(u64) -> Draw, runs| {
        (1..=runs).map(|run| p_value(draw(run), &weights, draws)).collect::<Vec<_>>()
    };
    let random = p_values(|_| Draw::Random, runs);
    let below = random.iter().filter(|p| **p < 0.01).count();
    let random = uniformity(random);
    let exact = uniformity(p_values(Draw::Seeded, runs.min(50)));
    println!(
        "{runs} runs of {draws} random draws at 50/30/15/5: p-values of chi-square are uniform with p = {random:.3}, \
         {below} are below 0.01; for the exact draw, which is not random, with p = {exact:.1e}"
    );
    // Random draws are below this once in 10^10 runs.
    assert!(random > 1e-10, "not random");
    assert!(exact < 1e-10, "the test cannot detect exact draws");
}

#[test]
fn random_draws_pass_chi_square() {
    random_draws_are_random(100, 2_000);
}

// 1,000 runs of a million draws.
#[test]
#[ignore = "a campaign"]
fn many_random_draws_pass_chi_square() {
    random_draws_are_random(seeds(), 1_000_000);
}

fn seeds() -> u64 {
    setting("CANARY_CAMPAIGN_SEEDS", 1_000)
}

/// Returns the maximum deviation of the count of the last version from its share, stopped all windows of
/// `window` requests.
fn furthest(prefix: &[u32], window: usize, share: f64) -> f64 {
    let counts = prefix.windows(window + 1).map(|part| part[window] - part[0]);
    let (least, most) =
        counts.fold((u32::MAX, 0), |(least, most), count| (least.min(count), most.max(count)));
    let expected = share * window as f64;
    (expected - f64::from(least)).max(f64::from(most) - expected)
}

const WINDOWS: [(usize, f64); 3] = [(100, 2.0), (1_000, 2.0), (10_000, 3.0)];

fn exact_draws_are_even(seeds: u64, draws: usize) {
    for weights in [&[90.0, 10.0][..], &[99.0, 1.0], &[50.0, 50.0], &[66.67, 33.33]] {
        let last = weights.len() - 1;
        let split = split(weights);
        let mut worst = [0.0_f64; WINDOWS.len()];
        for seed in 1..=seeds {
            let handle = handle(Draw::Seeded(seed), &split);
            let mut prefix = vec![0];
            prefix.extend(drawn(&handle).take(draws).scan(0, |count, version| {
                *count += u32::from(version == last);
                Some(*count)
            }));
            for (worst, (window, _)) in worst.iter_mut().zip(WINDOWS) {
                *worst = worst.max(furthest(&prefix, window, weights[last] / 100.0));
            }
        }
        println!(
            "{weights:?}, seeds 1..={seeds}, {draws} exact draws each: at most {:.1} of 100, {:.1} of 1,000, {:.1} of 10,000 \
             in a row off",
            worst[0], worst[1], worst[2]
        );
        for (worst, (window, most)) in worst.iter().zip(WINDOWS) {
            assert!(*worst <= most, "{weights:?}: {worst} in {window}");
        }
    }
}

#[test]
fn exact_draws_are_off_by_at_most_3() {
    exact_draws_are_even(3, 12_000);
}

// 1,000 seeds.
#[test]
#[ignore = "a campaign"]
fn many_exact_draws_are_off_by_at_most_3() {
    exact_draws_are_even(seeds(), 40_000);
}

/// Publishes routes, each made by `next` from the previous one, until the end. Returns their number.
fn swap(handle: &RoutingHandle, stopped: &AtomicBool, next: impl Fn(&Split, u64) -> Split) -> u64 {
    let mut split = handle.route("auth").unwrap().split().clone();
    for swaps in 0.. {
        if stopped.load(Ordering::Relaxed) {
            return swaps;
        }
        split = next(&split, swaps);
        assert!(handle.publish(Route::compile(split.clone())));
    }
    0
}

fn generation(handle: &RoutingHandle) -> u64 {
    handle.route("auth").unwrap().split().generation()
}

/// One thread draws while another one switches between 90/10 and 20/80. Each choice must equal the choice of
/// the same seed without switches, for the split that the request followed.
fn a_sequence_goes_on_through_swaps(draws: usize) {
    let splits = [split(&[90.0, 10.0]), split(&[20.0, 80.0])];
    let [one, other] =
        splits.each_ref().map(|split| drawn(&handle(Draw::Seeded(9), split)).take(draws).collect::<Vec<_>>());
    let handle = handle(Draw::Seeded(9), &splits[0]);
    let stopped = AtomicBool::new(false);
    let first = splits[0].generation();
    let mut layered = layer(&handle).with_choice().layer(Position);
    let (swaps, by_split, wrong) = std::thread::scope(|scope| {
        let swapping = scope.spawn(|| {
            swap(&handle, &stopped, |split: &Split, swaps: u64| {
                let weights = if swaps.is_multiple_of(2) { [20.0, 80.0] } else { [90.0, 10.0] };
                split.apply(&set_weights(&weights), at(3)).unwrap()
            })
        });
        let mut by_split = [0, 0];
        let mut wrong = 0;
        let mut seen = first;
        for (i, (one, other)) in one.into_iter().zip(other).enumerate() {
            // Some swaps are certain, however late the other thread starts.
            while i < 4 && generation(&handle) == seen {
                std::thread::yield_now();
            }
            seen = generation(&handle);
            let response = layered.call(Request::new(())).now_or_never().unwrap().unwrap();
            let choice = response.extensions().get::<VersionChoice>().unwrap();
            let followed = usize::from((choice.generation - first) % 2 == 1);
            by_split[followed] += 1;
            wrong += u32::from(position(response.status()) != [one, other][followed]);
        }
        stopped.store(true, Ordering::Relaxed);
        (swapping.join().unwrap(), by_split, wrong)
    });
    assert_eq!(wrong, 0, "of {draws}");
    println!("{draws} draws during {swaps} swaps, {by_split:?} by each split: the same choices as without");
    assert!(swaps > 1 && by_split.iter().all(|count| *count > 0), "{swaps} swaps, {by_split:?}");
}

/// Two threads draw while routes with unchanged weights are published. The sum must equal the sum of one
/// thread without publications.
fn a_count_is_exact_through_swaps(draws: usize) {
    let split = split(&[66.67, 33.33]);
    let alone = drawn(&handle(Draw::Seeded(9), &split)).take(draws).filter(|version| *version == 1).count();
    let handle = handle(Draw::Seeded(9), &split);
    let stopped = AtomicBool::new(false);
    let (swaps, together) = std::thread::scope(|scope| {
        let swapping = scope.spawn(|| {
            swap(&handle, &stopped, |split: &Split, _| split.apply(&Change::Redraw, UNIX_EPOCH).unwrap())
        });
        let counting = [(); 2]
            .map(|()| scope.spawn(|| drawn(&handle).take(draws / 2).filter(|version| *version == 1).count()));
        let together = counting.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>();
        stopped.store(true, Ordering::Relaxed);
        (swapping.join().unwrap(), together)
    });
    println!(
        "{draws} draws of two threads during {swaps} swaps: {together} of the second version, {alone} without"
    );
    assert_eq!(together, alone);
}

#[test]
fn seeded_sequence_survives_swaps() {
    a_sequence_goes_on_through_swaps(50_000);
    a_count_is_exact_through_swaps(50_000);
}

// Millions of draws.
#[test]
#[ignore = "a campaign"]
fn long_seeded_sequence_survives_swaps() {
    a_sequence_goes_on_through_swaps(5_000_000);
    a_count_is_exact_through_swaps(20_000_000);
}

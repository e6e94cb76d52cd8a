//! How exact the draws are.

use std::convert::Infallible;
use std::future::ready;
use std::time::Instant;

use http::{Request, Response};
use tower::Layer;
use tower_canary::{Draw, RoutingHandle};

use crate::routes::{canary, fixed, handle};
use crate::support::{drive, request};

/// Prints how far the canary is from its exact share in a window of requests.
pub(crate) fn exactness() {
    println!("\ncanary at 10 %: furthest from exact in any window of requests, out of 1,000,000");
    for (name, draw) in
        [("exact, one shard", Draw::Exact), ("seeded", Draw::Seeded(7)), ("random", Draw::Random)]
    {
        let handle = handle(draw, canary());
        let mut prefix = vec![0_i64];
        for _ in 0..1_000_000 {
            prefix.push(prefix[prefix.len() - 1] + i64::from(canary_drawn(&handle)));
        }
        let [hundred, thousand, ten_thousand] = [100, 1_000, 10_000].map(|window| worst(&prefix, window));
        println!("{name:20} any 100: {hundred:3}   any 1,000: {thousand:3}   any 10,000: {ten_thousand:4}");
    }
    println!("exact, two threads   any 1,000 by time: {:3}", two_threads_exactness());
}

/// Returns the largest deviation from 10 % in any `window` consecutive requests. `prefix` has the canaries before each.
fn worst(prefix: &[i64], window: usize) -> i64 {
    let canaries = (0..prefix.len() - window).map(|i| prefix[i + window] - prefix[i]);
    canaries.map(|canaries| (canaries - window as i64 / 10).abs()).max().unwrap()
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
    let mut all = std::thread::scope(|scope| {
        let threads = [(); 2].map(|()| {
            scope.spawn(|| (0..200_000).map(|_| (canary_drawn(&handle), start.elapsed())).collect::<Vec<_>>())
        });
        threads.map(|thread| thread.join().unwrap()).concat()
    });
    all.sort_by_key(|(_, at)| *at);
    let canaries =
        all.windows(1_000).map(|window| window.iter().filter(|(canary, _)| *canary).count() as i64);
    canaries.step_by(7).map(|canaries| (canaries - 100).abs()).max().unwrap()
}

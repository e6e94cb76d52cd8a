//! How much two threads cost each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tower::Layer;
use tower_canary::{Draw, RoutingHandle};

use crate::naive::Naive;
use crate::routes::{canary, fixed, handle};
use crate::support::{Null, drive, request};

/// Makes a request and sends it.
type Turn = Box<dyn FnMut() + Send>;

/// Returns the nanoseconds per turn on each of `threads` parallel threads over at least 300 ms: the median of 9 rounds.
fn at_once(threads: usize, make: impl Fn() -> Turn) -> f64 {
    let mut rounds: Vec<f64> = (0..9).map(|_| one_round(threads, &make)).collect();
    rounds.sort_by(f64::total_cmp);
    rounds[4]
}

/// Calls `turn` until `stop` is set, and returns the nanoseconds per turn.
fn nanos_per_turn(mut turn: Turn, stop: &AtomicBool) -> f64 {
    let from = Instant::now();
    let mut turns = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        (0..256).for_each(|_| turn());
        turns += 256;
    }
    from.elapsed().as_nanos() as f64 / turns as f64
}

fn one_round(threads: usize, make: &impl Fn() -> Turn) -> f64 {
    let stop = AtomicBool::new(false);
    let nanos = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                let turn = make();
                scope.spawn(|| nanos_per_turn(turn, &stop))
            })
            .collect();
        std::thread::sleep(Duration::from_millis(300));
        stop.store(true, Ordering::Relaxed);
        running.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    nanos.iter().sum::<f64>() / nanos.len() as f64
}

/// Prints the nanoseconds per request of one thread and of two.
pub(crate) fn contention() {
    println!(
        "\nnanoseconds a request, making the request included; a request without a layer is the first line"
    );
    let handle = handle(Draw::Exact, canary());
    let naive = Arc::new(Naive::new());
    for (name, [one, two]) in [
        ("no layer", [1, 2].map(|n| at_once(n, || Box::new(|| drive(&mut Null, request()))))),
        ("layer", [1, 2].map(|n| at_once(n, || layered(&handle)))),
        ("layer, service cloned per request", [1, 2].map(|n| at_once(n, || cloned(&handle)))),
        ("naive algorithm", [1, 2].map(|n| at_once(n, || naively(&naive)))),
    ] {
        println!("{name:36} one thread {one:7.1}   two threads {two:7.1}");
    }
}

fn layered(handle: &RoutingHandle) -> Turn {
    let mut layered = fixed(handle).layer(Null);
    Box::new(move || drive(&mut layered, request()))
}

fn cloned(handle: &RoutingHandle) -> Turn {
    let layered = fixed(handle).layer(Null);
    Box::new(move || drive(&mut layered.clone(), request()))
}

fn naively(naive: &Arc<Naive>) -> Turn {
    let naive = Arc::clone(naive);
    Box::new(move || {
        let mut request = request();
        naive.rewrite(&mut request);
        drive(&mut Null, request);
    })
}

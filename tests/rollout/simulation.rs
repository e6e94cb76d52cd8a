//! The figures of the guard that the docs promise, in simulations. `cargo bench --bench guard` runs the same scenes.

use std::num::NonZero;

use crate::latency;
use crate::runs::{Runs, Size, run};
use crate::scenes::{BAD, GOOD, Scene};

/// The number of runs of a scene in the long form.
fn long() -> Size {
    let runs = std::env::var("CANARY_CAMPAIGN_ROLLOUTS").map_or(1_000, |runs| runs.parse().unwrap());
    Size { runs, threads: NonZero::new(2).unwrap() }
}

const SHORT: Size = Size { runs: 20, threads: NonZero::<usize>::MIN };

fn find(scenes: &[Scene], name: &str) -> Scene {
    *scenes.iter().find(|scene| scene.name == name).unwrap_or_else(|| panic!("no scene is called {name}"))
}

/// Runs a scene before the guard.
fn guard(scene: &Scene, size: Size) -> Runs {
    let [guard, ..] = run(scene, size);
    let requests = (guard.requests(0.5), guard.requests(0.95));
    println!(
        "{}, {} requests: {} of {} taken back, after {requests:?} requests of the canary, {:.1} failed",
        scene.name,
        scene.requests,
        guard.found(),
        size.runs,
        guard.failed(),
    );
    guard
}

/// At most `most` of 1,000 runs take back a canary that is no worse.
fn is_rarely_taken_back(scene: &Scene, size: Size, most: u64) {
    let found = guard(scene, size).found() as u64;
    assert!(found * 1_000 <= most * size.runs.max(1_000), "{}: {found} of {}", scene.name, size.runs);
}

fn good_canaries_are_not_taken_back(size: Size) {
    for scene in &GOOD[..3] {
        for (requests, most) in [(10, 1), (100, 0), (1_000, 0), (5_000, 0)] {
            is_rarely_taken_back(&scene.with_requests(requests), size, most);
        }
    }
    for (name, most) in [
        ("drift from 0.1 to 3 % while the share grows", 0),
        ("incident of both: 20 % for five minutes", 0),
        ("bursts of both: 30 % in 1 window of 50", 0),
        ("bursts of each: 30 % in 1 window of 100", 4),
        ("bursts of each: 10 % in 1 window of 50", 4),
        ("1 %, failures in threes", 4),
        ("1 %, failures in tens", 4),
        ("whole rollout, 1 %", 0),
        ("whole rollout, 0.08 points worse", 0),
    ] {
        is_rarely_taken_back(&find(GOOD, name), size, most);
    }
}

fn bad_canaries_are_found(size: Size) {
    let at_50 = guard(&find(BAD, "10 points on 0.1 %"), size);
    assert!(
        at_50.found() as u64 == size.runs && at_50.requests(0.95) <= Some(270),
        "{:?}",
        at_50.requests(0.95)
    );
    let at_5 = guard(&find(BAD, "10 points on 0.1 %, a tenth of the traffic"), size);
    assert!(
        at_5.found() as u64 == size.runs && at_5.requests(0.95) <= Some(135),
        "{:?}",
        at_5.requests(0.95)
    );
    let little = guard(&find(BAD, "1 point on 0.1 %"), size);
    assert!(little.share() >= 0.85, "{}", little.share());
    let whole = guard(&find(BAD, "whole rollout, 1 point on 0.1 %"), size);
    assert!(
        whole.found() as u64 == size.runs && whole.requests(0.95) <= Some(4_200),
        "{:?}",
        whole.requests(0.95)
    );
    for (name, windows) in [
        ("all requests fail", 5),
        ("whole rollout, all fail", 5),
        ("all fail after 30 quiet minutes", 10),
        ("all fail after an incident of the others", 10),
    ] {
        let found = guard(&find(BAD, name), size);
        assert_eq!(found.found() as u64, size.runs, "{name}");
        assert!(found.windows(1.0) <= Some(windows), "{name}: {:?} windows", found.windows(1.0));
    }
    let after_incident = guard(&find(BAD, "10 points after an incident of the others"), size);
    assert!(after_incident.share() >= 0.95 && after_incident.windows(0.95) <= Some(10), "{after_incident:?}");
}

fn slow_canaries_are_found(size: Size) {
    for scene in latency::GOOD {
        let [guard, _] = latency::run(scene, size);
        println!("{}: {} of {} taken back", scene.name, guard.found(), size.runs);
        let most = if scene.name.contains("pauses") { 4 } else { 0 };
        assert!(
            guard.found() as u64 * 1_000 <= most * size.runs.max(1_000),
            "{}: {}",
            scene.name,
            guard.found()
        );
    }
    for scene in &latency::BAD[1..] {
        let [guard, _] = latency::run(scene, size);
        println!("{}: {} of {}, {:?} requests", scene.name, guard.found(), size.runs, guard.requests(0.95));
        assert!(guard.found() as u64 == size.runs && guard.requests(0.95) <= Some(750), "{}", scene.name);
    }
}

#[test]
fn guard_tells_good_from_bad_in_short() {
    for name in ["1 %", "incident of both: 20 % for five minutes", "bursts of both: 30 % in 1 window of 50"] {
        assert_eq!(guard(&find(GOOD, name), SHORT).found(), 0, "{name}");
    }
    for name in ["10 points on 0.1 %", "all requests fail", "10 points after an incident of the others"] {
        assert_eq!(guard(&find(BAD, name), SHORT).found(), 20, "{name}");
    }
}

#[test]
#[ignore = "a campaign"]
fn good_canaries_stay() {
    good_canaries_are_not_taken_back(long());
}

#[test]
#[ignore = "a campaign"]
fn bad_canaries_go_soon() {
    bad_canaries_are_found(long());
}

#[test]
#[ignore = "a campaign"]
fn slow_canaries_go_soon() {
    slow_canaries_are_found(long());
}

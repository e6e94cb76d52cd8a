//! Draws: even, repeatable, and the same for periodic clients.

use tower_canary::routing::{Point, Route, Split};
use tower_canary::{Draw, RoutingHandle};

use crate::support::split;

/// Returns the versions of `count` consecutive requests, by position in the split.
fn drawn(draw: Draw, split: &Split, count: usize) -> Vec<usize> {
    let handle = RoutingHandle::with_draw(draw);
    assert!(handle.publish(Route::compile(split.clone())));
    follow(&handle, split, count)
}

/// Sends `count` requests through a layer around a client that responds with the host of the request.
fn follow(handle: &RoutingHandle, split: &Split, count: usize) -> Vec<usize> {
    use tower::{Layer, Service};
    let client = tower::service_fn(|request: http::Request<()>| {
        std::future::ready(Ok::<_, std::convert::Infallible>(http::Response::new(
            request.uri().host().unwrap().to_owned(),
        )))
    });
    let target = tower_canary::Target::service(split.service().clone());
    let mut layered = tower_canary::WeightedVersionLayer::new(handle, target).layer(client);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut seen = Vec::with_capacity(count);
        for _ in 0..count {
            let host = layered.call(http::Request::new(())).await.unwrap().into_body().into_inner().unwrap();
            seen.push(split.versions().iter().position(|v| v.backend().authority().host() == host).unwrap());
        }
        seen
    })
}

fn count(seen: &[usize], version: usize) -> usize {
    seen.iter().filter(|v| **v == version).count()
}

/// Returns the largest difference between the count of `version` in any `window` consecutive requests and its share.
fn worst(seen: &[usize], version: usize, window: usize, share: f64) -> f64 {
    seen.windows(window)
        .map(|part: &[usize]| (count(part, version) as f64 - share * window as f64).abs())
        .fold(0.0, f64::max)
}

// One shard: at most 2 off in any 100 or 1,000 requests, 3 in any 10,000.
#[test]
fn exact_draw_stays_near_the_share() {
    for (weights, version, share) in
        [([90.0, 10.0], 1, 0.1), ([50.0, 50.0], 0, 0.5), ([99.99, 0.01], 1, 0.0001), ([75.0, 25.0], 1, 0.25)]
    {
        let seen = drawn(Draw::Exact, &split(&weights), 20_000);
        for (window, most) in [(100, 2.0), (1_000, 2.0), (10_000, 3.0)] {
            assert!(worst(&seen, version, window, share) <= most, "{weights:?}, any {window}");
        }
    }
}

// 90/10 and 50/50.
#[test]
fn common_splits_are_within_1_in_1_000() {
    for (weights, share) in [([90.0, 10.0], 0.1), ([50.0, 50.0], 0.5)] {
        for seed in 0..20 {
            assert!(worst(&drawn(Draw::Seeded(seed), &split(&weights), 5_000), 1, 1_000, share) <= 1.0);
        }
    }
}

#[test]
fn periodic_client_sees_the_share() {
    let seen = drawn(Draw::Exact, &split(&[90.0, 10.0]), 1_000_000);
    for k in 1..=200 {
        for phase in [0, k / 2] {
            let theirs: Vec<usize> = seen.iter().copied().skip(phase).step_by(k).collect();
            let share = 100.0 * count(&theirs, 1) as f64 / theirs.len() as f64;
            assert!((share - 10.0).abs() <= 1.0, "every {k}th request sees {share} %");
        }
    }
}

#[test]
fn sequence_depends_on_the_seed() {
    let two: Split = split(&[90.0, 10.0]);
    assert_eq!(drawn(Draw::Seeded(7), &two, 1_000), drawn(Draw::Seeded(7), &two, 1_000));
    assert_ne!(drawn(Draw::Seeded(7), &two, 1_000), drawn(Draw::Seeded(8), &two, 1_000));
}

#[test]
fn sequence_continues_across_splits() {
    let before = split(&[90.0, 10.0]);
    let after = split(&[50.0, 50.0]);
    let handle = RoutingHandle::with_draw(Draw::Seeded(7));
    assert!(handle.publish(Route::compile(before.clone())));
    follow(&handle, &before, 333);
    assert!(handle.publish(Route::compile(after.clone())));
    let rest = follow(&handle, &after, 667);
    assert_eq!(rest, drawn(Draw::Seeded(7), &after, 1_000)[333..]);
}

#[test]
fn random_draws_are_independent() {
    let seen = drawn(Draw::Random, &split(&[90.0, 10.0]), 200_000);
    // The standard deviation of this binomial is 134. The count is off by seven of them once in 10^11 runs.
    assert!(count(&seen, 1).abs_diff(20_000) < 940, "{}", count(&seen, 1));
    assert!(worst(&seen, 1, 1_000, 0.1) > 3.0, "too even to be independent");
}

// 3 ± 1.5 of any 14 requests, and a fixed sequence for seed 1.
#[test]
fn traefik_example_of_11_to_3() {
    let seen = drawn(Draw::Seeded(1), &split(&[78.57, 21.43]), 1_400);
    assert!(worst(&seen, 1, 14, 3.0 / 14.0) <= 1.5);
    assert_eq!(count(&seen, 1), 300);
    let sequence: String = seen.iter().take(14).map(|v| ['A', 'B'][*v]).collect();
    assert_eq!(sequence, "AAAAABAAAABAAB");
}

// Counts within 1.5 over 20 requests, and a fixed sequence for seed 1.
#[test]
fn nginx_example_of_51_2_10_and_rest() {
    let seen = drawn(Draw::Seeded(1), &split(&[51.2, 10.0, 38.8]), 20);
    for (version, share) in [(0, 0.512), (1, 0.1), (2, 0.388)] {
        assert!(
            (count(&seen, version) as f64 - 20.0 * share).abs() <= 1.5,
            "{version}: {}",
            count(&seen, version)
        );
    }
    let sequence: String = seen.iter().map(|v| ['A', 'B', 'C'][*v]).collect();
    assert_eq!(sequence, "CAACACAACACBACAACACB");
}

// 15 each of 30 requests.
#[test]
fn nginx_example_of_two_equal_servers() {
    let seen = drawn(Draw::Seeded(1), &split(&[50.0, 50.0]), 30);
    assert_eq!((count(&seen, 0), count(&seen, 1)), (15, 15));
}

// 1 ± 1 canary in any 10 requests.
#[test]
fn tower_resilience_example_of_9_to_1() {
    let seen = drawn(Draw::Seeded(1), &split(&[90.0, 10.0]), 1_000);
    assert!(worst(&seen, 1, 10, 0.1) <= 1.0);
    assert_eq!(count(&seen, 1), 100);
}

#[test]
fn zero_weight_is_never_drawn() {
    for draw in [Draw::Exact, Draw::Seeded(1), Draw::Random] {
        assert_eq!(count(&drawn(draw, &split(&[70.0, 30.0, 0.0]), 50_000), 2), 0);
    }
}

#[test]
fn a_seeded_salt_repeats() {
    fn salt(seed: u64, name: &str) -> u64 {
        Draw::Seeded(seed).salt(&name.parse().unwrap()).unwrap()
    }

    // Computed by another program. A release must not change it.
    assert_eq!(salt(7, "auth"), 4_452_048_088_238_319_454);
    let mut salts = std::collections::BTreeSet::new();
    for seed in 0..100 {
        for name in ["auth", "auti", "orders", "a", "b"] {
            assert_eq!(salt(seed, name), salt(seed, name));
            assert!(salts.insert(salt(seed, name)), "{seed} {name}");
        }
    }
    assert_eq!(Draw::Exact.salt(&"auth".parse().unwrap()), None);
    assert_eq!(Draw::Random.salt(&"auth".parse().unwrap()), None);
}

#[test]
fn seeded_keys_and_draws_are_unrelated() {
    // For each seed: the slot of one key and the first drawn point, both from 0 to 1.
    let pairs: Vec<(f64, f64)> = (0..500)
        .map(|seed| {
            let draw = Draw::Seeded(seed);
            let salt = draw.salt(&"auth".parse().unwrap()).unwrap();
            let slot = f64::from(Point::from_key(salt, b"alice").get()) / 10_000.0;
            let first = drawn(draw, &hundredths(), 1)[0];
            (slot, first as f64 / 100.0)
        })
        .collect();
    let mean = |value: fn(&(f64, f64)) -> f64| pairs.iter().map(value).sum::<f64>() / pairs.len() as f64;
    let covariance = mean(|(slot, first)| slot * first) - mean(|(slot, _)| *slot) * mean(|(_, first)| *first);
    // Of two independent uniform numbers the correlation over 500 pairs is below 0.18 in all but 1 of 10,000 cases.
    assert!((covariance * 12.0).abs() < 0.18, "correlation {}", covariance * 12.0);
}

/// 100 versions at 1 percent each: the position of the drawn version is the percentile of the point.
fn hundredths() -> Split {
    split(&[1.0; 100])
}

//! The evidence of the guard: extremes, its stored form, restarts, limits and latencies.

use std::time::Duration;

use proptest::prelude::*;
use tower_canary::rollout::{Baseline, Evidence, Guard, Measure, ReplicaFigures, Verdict, Window};
use tower_canary::traffic::{Figures, Latencies};

use crate::support::plan;

const ALL_MEASURES: &str =
    r#"{"version": "v1.1", "guard": {"errors": {"limit": 1}, "latency": {"limit": "300ms"}}}"#;

fn times(count: u64, millis: u64) -> Latencies {
    [(Duration::from_millis(millis), count)].into_iter().collect()
}

fn window(canary: (u64, u64), stable: (u64, u64)) -> Window {
    Window::new(Figures::new(canary.0, canary.1), Figures::new(stable.0, stable.1))
}

fn any_count() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), Just(u64::MAX / 4), 0u64..5_000, any::<u64>().prop_map(|count| count / 4)]
}

fn any_figures() -> impl Strategy<Value = Figures> {
    let latencies = prop::collection::vec((0u64..200_000, any_count()), 0..4);
    (any_count(), any_count(), latencies).prop_map(|(requests, bad, latencies)| {
        let latencies = latencies.into_iter().map(|(millis, count)| (Duration::from_millis(millis), count));
        Figures::new(requests, bad).with_latencies(latencies.collect())
    })
}

proptest! {
    #[test]
    fn no_counts_give_nan_or_infinity(
        windows in prop::collection::vec((any_figures(), any_figures(), any::<bool>(), any::<bool>()), 1..20),
    ) {
        let guard = Guard::new(&plan(ALL_MEASURES));
        let mut evidence = Evidence::default();
        for (canary, stable, begins, alone) in windows {
            if begins {
                evidence.begin_step(alone);
            }
            guard.observe(&mut evidence, &Window::new(canary, stable));
            for measure in Measure::ALL {
                prop_assert!(guard.odds(&evidence, *measure).ln().is_finite(), "{measure:?} {evidence:?}");
            }
            let convicts = matches!(guard.verdict(&evidence), Verdict::Fail(_));
            prop_assert!(!convicts || guard.odds(&evidence, Measure::Errors).ln() > 0.0 || guard.measures().len() > 1);
            let minute = evidence.last_minute();
            prop_assert!(guard.is_calm(&evidence) || minute.bad > 0);
            let written = serde_json::to_string(&evidence).unwrap();
            prop_assert_eq!(serde_json::from_str::<Evidence>(&written).unwrap(), evidence.clone());
        }
    }

    // A gateway that takes over continues with exactly the same numbers.
    #[test]
    fn takeover_changes_nothing(counts in prop::collection::vec((0u64..60, 0u64..9, 0u64..999, 0u64..30), 1..60)) {
        let guard = Guard::new(&plan(ALL_MEASURES));
        let mut alone = Evidence::default();
        let mut in_turns = Evidence::default();
        for (n, x, m, y) in counts {
            let window = window((n, x), (m, y));
            guard.observe(&mut alone, &window);
            in_turns = serde_json::from_str(&serde_json::to_string(&in_turns).unwrap()).unwrap();
            guard.observe(&mut in_turns, &window);
        }
        prop_assert_eq!(alone, in_turns);
    }

    #[test]
    fn baselines_count_each_request_once(
        reports in prop::collection::vec(prop::collection::vec((0usize..4, 0u64..50, 0u64..50), 0..4), 1..20),
    ) {
        let mut totals = [(0_u64, 0_u64); 4];
        let mut baseline = Baseline::default();
        let mut counted = 0;
        for round in reports {
            for (replica, canary, stable) in &round {
                totals[*replica].0 += canary;
                totals[*replica].1 += stable;
            }
            let seen: Vec<_> = round.iter().map(|(replica, ..)| {
                let (canary, stable) = totals[*replica];
                ReplicaFigures::new(replica.to_string(), Figures::new(canary, 0), Figures::new(stable, 0))
            }).collect();
            let window = baseline.window(&seen);
            counted += window.canary.requests + window.stable.requests;
        }
        prop_assert!(counted <= 4 * totals.iter().map(|(canary, stable)| canary + stable).sum::<u64>());
    }
}

#[test]
fn restarted_gateway_counts_from_its_next_report() {
    fn report(canary: u64, stable: u64) -> [ReplicaFigures; 1] {
        [ReplicaFigures::new("a", Figures::new(canary, 0), Figures::new(stable, 0))]
    }

    let mut baseline = Baseline::default();
    baseline.window(&report(100, 1_000));
    // It has started again: its counts are lower.
    assert_eq!(baseline.window(&report(5, 2_000)), Window::default());
    assert_eq!(baseline.window(&report(7, 2_001)), window((2, 0), (1, 0)));
}

// A report that is too long has no latencies. The next one with latencies has those since the start of the gateway.
#[test]
fn latencies_after_a_gap_count_for_nothing() {
    let slow: Latencies = [(Duration::from_secs(1), 80)].into_iter().collect();
    let without = Figures::new(100, 0);
    let with = Figures::new(110, 1).with_latencies(slow.clone());
    assert_eq!(with.since(&without), Some(Figures::new(10, 1)));
    assert_eq!(with.since(&Figures::default()), Some(with), "a version without requests before");
    assert_eq!(without.since(&Figures::new(90, 0).with_latencies(slow)), Some(Figures::new(10, 0)));
}

#[test]
fn state_is_a_few_kilobytes() {
    let guard = Guard::new(&plan(ALL_MEASURES));
    let mut evidence = Evidence::default();
    // Latencies over three powers of ten, in each window.
    let spread: Latencies = (0..400).map(|i| (Duration::from_micros(1_000 + i * i * 6), 3)).collect();
    for _ in 0..360 {
        let canary = Figures::new(50, 1).with_latencies(spread.clone());
        let stable = Figures::new(950, 10).with_latencies(spread.clone());
        guard.observe(&mut evidence, &Window::new(canary, stable));
    }
    let size = serde_json::to_string(&evidence).unwrap().len();
    println!("{size} bytes after an hour");
    assert!(size < 16 * 1024, "{size}");
}

#[test]
fn later_form_is_refused() {
    let mut stored = serde_json::to_value(Evidence::default()).unwrap();
    assert_eq!(stored["format"], 1);
    stored["format"] = 2.into();
    let error = serde_json::from_value::<Evidence>(stored).unwrap_err();
    assert!(error.to_string().starts_with("the stored form has version 2"), "{error}");
}

#[test]
fn quiet_hours_are_forgotten() {
    let guard = Guard::new(&plan(r#"{"version": "v1.1"}"#));
    let mut evidence = Evidence::default();
    for _ in 0..360 {
        guard.observe(&mut evidence, &window((50, 0), (950, 1)));
    }
    let windows = (1..).find(|_| {
        guard.observe(&mut evidence, &window((50, 50), (950, 1)));
        matches!(guard.verdict(&evidence), Verdict::Fail(_))
    });
    assert!(windows.unwrap() <= 10, "{windows:?} windows");
}

#[test]
fn one_window_never_convicts() {
    let guard = Guard::new(&plan(r#"{"version": "v1.1"}"#));
    let mut evidence = Evidence::default();
    for convicts in [false, false, false, true] {
        guard.observe(&mut evidence, &window((1_000_000, 1_000_000), (1_000_000, 0)));
        // The fourth may: the first stake of one step of five is a tenth.
        assert!(convicts || !matches!(guard.verdict(&evidence), Verdict::Fail(_)));
    }
}

#[test]
fn limit_spares_those_no_worse_than_others() {
    let json = r#"{"version": "v1.1", "guard": {"errors": {"worseBy": 100, "limit": 1}}}"#;
    let guard = Guard::new(&plan(json));
    let mut both_fail = Evidence::default();
    let mut canary_fails = Evidence::default();
    for _ in 0..60 {
        guard.observe(&mut both_fail, &window((200, 10), (800, 40)));
        guard.observe(&mut canary_fails, &window((200, 10), (800, 1)));
    }
    assert!(!matches!(guard.verdict(&both_fail), Verdict::Fail(_)));
    let Verdict::Fail(finding) = guard.verdict(&canary_fails) else { panic!("the limit is exceeded") };
    assert_eq!(finding.measure, Measure::ErrorLimit);
}

#[test]
fn limit_decides_alone_where_others_have_no_weight() {
    let json = r#"{"version": "v1.1", "form": "blue-green", "guard": {"errors": {"limit": 1}}}"#;
    let guard = Guard::new(&plan(json));
    let mut evidence = Evidence::default();
    // Before, both sides were above the limit. That is forgotten.
    for _ in 0..60 {
        guard.observe(&mut evidence, &window((500, 20), (500, 20)));
    }
    evidence.begin_step(true);
    assert!(matches!(guard.verdict(&evidence), Verdict::Open(_)));
    for _ in 0..60 {
        guard.observe(&mut evidence, &window((1_000, 5), (0, 0)));
    }
    assert_eq!(guard.verdict(&evidence), Verdict::Pass { unguarded: false });
    for _ in 0..20 {
        guard.observe(&mut evidence, &window((1_000, 50), (0, 0)));
    }
    assert!(
        matches!(guard.verdict(&evidence), Verdict::Fail(finding) if finding.measure == Measure::ErrorLimit)
    );
}

/// Observes windows in which the others take 40 ms and the canary takes `millis`, until the guard convicts.
fn slow_windows(json: &str, millis: u64) -> Option<usize> {
    windows_until_slow(json, millis, 40)
}

fn windows_until_slow(json: &str, millis: u64, others: u64) -> Option<usize> {
    let guard = Guard::new(&plan(json));
    let mut evidence = Evidence::default();
    (1..=120).find(|_| {
        let canary = Figures::new(50, 0).with_latencies(times(50, millis));
        let stable = Figures::new(950, 0).with_latencies(times(950, others));
        guard.observe(&mut evidence, &Window::new(canary, stable));
        matches!(guard.verdict(&evidence), Verdict::Fail(finding) if finding.measure != Measure::Errors)
    })
}

#[test]
fn slower_canary_is_found_above_the_margin() {
    let default = r#"{"version": "v1.1"}"#;
    assert!(slow_windows(default, 80).is_some_and(|windows| windows <= 8));
    assert_eq!(slow_windows(default, 40), None);
    assert_eq!(slow_windows(default, 50), None, "within a factor of 1.3");
    assert_eq!(windows_until_slow(default, 6, 2), None, "within 5 ms");
    let strict = r#"{"version": "v1.1", "guard": {"latency": {"atLeast": "0s"}}}"#;
    assert!(windows_until_slow(strict, 6, 2).is_some());
    let tolerant = r#"{"version": "v1.1", "guard": {"latency": {"timesWorse": 3}}}"#;
    assert_eq!(slow_windows(tolerant, 80), None);
    let limited = r#"{"version": "v1.1", "guard": {"latency": {"timesWorse": 3, "limit": "60ms"}}}"#;
    assert!(slow_windows(limited, 80).is_some());
    let off = r#"{"version": "v1.1", "guard": {"latency": null}}"#;
    assert_eq!(slow_windows(off, 5_000), None);
}

#[test]
fn latency_needs_a_past_of_the_others() {
    let guard = Guard::new(&plan(r#"{"version": "v1.1"}"#));
    let mut evidence = Evidence::default();
    for _ in 0..9 {
        let canary = Figures::new(50, 0).with_latencies(times(50, 9_000));
        let stable = Figures::new(10, 0).with_latencies(times(10, 40));
        guard.observe(&mut evidence, &Window::new(canary, stable));
        let odds = guard.odds(&evidence, Measure::Latency);
        assert!(odds.ln() <= 0.0, "stakes alone, with fewer than 100 requests of the others: {odds}");
    }
}

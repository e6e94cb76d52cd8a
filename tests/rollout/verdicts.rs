//! Verdicts of the guard and their words.

use tower_canary::rollout::{Evidence, Guard, Lack, Verdict, Window};
use tower_canary::traffic::Figures;

use crate::support::plan;

fn observed(json: &str, windows: usize, canary: (u64, u64), stable: (u64, u64)) -> (Guard, Evidence) {
    let guard = Guard::new(&plan(json));
    let mut evidence = Evidence::default();
    let window = Window::new(Figures::new(canary.0, canary.1), Figures::new(stable.0, stable.1));
    for _ in 0..windows {
        guard.observe(&mut evidence, &window);
    }
    (guard, evidence)
}

fn verdict(windows: usize, canary: (u64, u64), stable: (u64, u64)) -> Verdict {
    let (guard, evidence) = observed(r#"{"version": "v1.1"}"#, windows, canary, stable);
    guard.verdict(&evidence)
}

/// Returns a verdict against a canary.
pub(crate) fn convicted() -> Verdict {
    let failed = verdict(10, (50, 25), (950, 1));
    assert_eq!(failed.as_str(), "fail");
    failed
}

#[test]
fn a_step_needs_requests_and_windows() {
    assert_eq!(verdict(0, (0, 0), (0, 0)), Verdict::Open(Lack::NoCanaryTraffic));
    assert_eq!(verdict(60, (0, 0), (900, 0)), Verdict::Open(Lack::NoCanaryTraffic));
    assert_eq!(verdict(60, (50, 0), (0, 0)), Verdict::Open(Lack::NoStableTraffic));
    let few = Lack::TooFewRequests { requests: 60, least: 200 };
    assert_eq!(verdict(60, (1, 0), (900, 0)), Verdict::Open(few));
    let short = Lack::TooFewWindows { windows: 11, least: 12 };
    assert_eq!(verdict(11, (50, 0), (950, 1)), Verdict::Open(short.clone()));
    assert_eq!(verdict(12, (50, 0), (950, 1)), Verdict::Pass { unguarded: false });
    assert_eq!(verdict(11, (50, 0), (950, 1)).at_deadline(), Verdict::Inconclusive(short));
}

#[test]
fn samples_are_those_of_the_step() {
    let (guard, mut evidence) = observed(r#"{"version": "v1.1"}"#, 30, (50, 0), (950, 1));
    evidence.begin_step(false);
    assert_eq!(guard.verdict(&evidence), Verdict::Open(Lack::NoCanaryTraffic));
    assert_eq!((evidence.step_totals().canary.requests, evidence.totals().canary.requests), (0, 1_500));
}

#[test]
fn failures_of_both_are_no_evidence() {
    assert_eq!(verdict(60, (50, 25), (950, 475)), Verdict::Pass { unguarded: false });
    let (guard, evidence) = observed(r#"{"version": "v1.1"}"#, 60, (50, 25), (950, 475));
    assert!(!guard.is_calm(&evidence));
    let (guard, evidence) = observed(r#"{"version": "v1.1"}"#, 6, (50, 0), (3, 3));
    assert!(guard.is_calm(&evidence), "18 requests in the last minute say nothing");
}

#[test]
fn nothing_to_compare_is_unguarded() {
    let off = r#"{"version": "v1.1", "guard": {"errors": null, "latency": null}}"#;
    let (guard, evidence) = observed(off, 60, (50, 50), (950, 0));
    assert_eq!(guard.verdict(&evidence), Verdict::Pass { unguarded: true });

    let guard = Guard::new(&plan(r#"{"version": "v1.1", "form": "blue-green"}"#));
    let mut evidence = Evidence::default();
    evidence.begin_step(true);
    for _ in 0..12 {
        guard.observe(&mut evidence, &Window::new(Figures::new(1_000, 1_000), Figures::default()));
    }
    assert_eq!(guard.verdict(&evidence), Verdict::Pass { unguarded: true });
}

#[test]
fn findings_are_words_for_operators() {
    let Verdict::Fail(finding) = convicted() else { panic!("it fails") };
    let text = finding.to_string();
    assert!(text.starts_with("failed: 50 % of 500, others 0.11 % of 9500; evidence "), "{text}");
    assert!(text.ends_with(" : 1"), "{text}");
    let (guard, evidence) = observed(r#"{"version": "v1.1"}"#, 60, (50, 0), (950, 1));
    let odds = guard.odds(&evidence, guard.measures()[0]).to_string();
    assert!(odds.starts_with("1 : "), "{odds}");
}

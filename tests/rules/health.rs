//! Instances that checks find up and down.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower_canary::deployments::HealthEventKind::{self, Down, NoneUsable, SomeUsable, Up};
use tower_canary::health::{Health, InstanceState};
use tower_canary::routing::Change;
use tower_canary::store::MemoryStore;

use crate::health_support::*;
use crate::log::Log;
use crate::scripted_check::ScriptedCheck;
use crate::support::*;

const NEW: InstanceState = InstanceState::New;
const UP: InstanceState = InstanceState::Up;
const DOWN: InstanceState = InstanceState::Down;

#[tokio::test(start_paused = true)]
async fn first_check_is_made_at_once() {
    let gateway = Gateway::on(&Arc::default(), Health::new(), ScriptedCheck::default()).await;
    gateway.apply(checked_version(0, &[A, B])).await;
    assert_eq!(gateway.states(), [NEW, NEW]);
    gateway.run();
    sleep(MOMENT).await;
    assert_eq!(gateway.states(), [UP, UP]);
    // The second checks are spread over the interval, so one may have been made already.
    assert_eq!(gateway.check.paths()[..2], vec![Some("/healthz".to_owned()); 2]);
    gateway.apply(Change::add_urls(name(0), urls(&[C]))).await;
    sleep(MOMENT).await;
    assert_eq!(gateway.states(), [UP, UP, UP]);
}

#[tokio::test(start_paused = true)]
async fn instance_that_fails_checks_gets_no_requests() {
    let gateway = Gateway::start(every_5_seconds(), &[A, B]).await;
    gateway.set_sick(B, true).await;
    assert_eq!(gateway.states(), [UP, DOWN]);
    gateway.backends.take_requests();
    gateway.send(100).await;
    assert_eq!(gateway.backends.take_requests(), [(A.to_owned(), 100)].into());
    gateway.set_sick(B, false).await;
    assert_eq!(gateway.states(), [UP, UP]);
    gateway.send(100).await;
    assert!(gateway.backends.take_requests()[B] > 20);
}

// A lost packet takes nothing out.
#[tokio::test(start_paused = true)]
async fn one_failed_check_changes_nothing() {
    let gateway = Gateway::start(every_5_seconds(), &[A, B]).await;
    for _ in 0..20 {
        let before = gateway.check.probes_of(B);
        gateway.check.set(B, Some(tower_canary::deployments::Unhealthy::Status(503)));
        while gateway.check.probes_of(B) == before {
            sleep(Duration::from_millis(10)).await;
        }
        gateway.check.set(B, None);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(gateway.states(), [UP, UP]);
    }
    assert_eq!(gateway.count(Down), 0);
}

#[tokio::test(start_paused = true)]
async fn wrong_health_path_is_no_outage() {
    let log = Log::of_this_thread();
    let gateway = Gateway::start(every_5_seconds(), &[A, B, C]).await;
    for url in [A, B, C] {
        gateway.check.set(url, Some(tower_canary::deployments::Unhealthy::Status(404)));
    }
    for _ in 0..60 {
        assert_eq!(gateway.send(10).await, 0);
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(gateway.states(), [DOWN, DOWN, DOWN]);
    assert_eq!((gateway.count(Down), gateway.count(NoneUsable)), (3, 1));
    assert_eq!(log.text().matches("no instance of the version is usable").count(), 1);
    gateway.check.set(A, None);
    sleep(NOTICED).await;
    let kinds: Vec<HealthEventKind> = gateway.events().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds[kinds.len() - 3..], [NoneUsable, Up, SomeUsable]);
}

#[tokio::test(start_paused = true)]
async fn return_of_a_version_is_no_warning() {
    let log = Log::of_this_thread();
    let gateway = Gateway::start(every_5_seconds(), &[A]).await;
    gateway.set_sick(A, true).await;
    gateway.set_sick(A, false).await;
    let text = log.text();
    for (message, level) in [("no instance of the version is usable", " WARN "), ("usable again", " INFO ")] {
        let line = text.lines().find(|line| line.contains(message)).unwrap();
        assert!(line.contains(level), "{line}");
    }
}

// The place of a check is free again, although the code that logs its result has panicked.
#[tokio::test(start_paused = true)]
async fn instance_is_checked_after_a_subscriber_panicked() {
    let log = Log::of_this_thread();
    let gateway = Gateway::start(every_5_seconds(), &[A, B]).await;
    let has_panicked = Cell::new(false);
    log.on_line(move |line| {
        let panics = line.contains("out of service") && !has_panicked.replace(true);
        assert!(!panics, "the subscriber's own fault");
    });
    gateway.set_sick(B, true).await;
    assert_eq!(gateway.states(), [UP, DOWN]);
    gateway.set_sick(B, false).await;
    assert_eq!(gateway.states(), [UP, UP]);
}

#[tokio::test(start_paused = true)]
async fn refusing_gateway_responds_503_at_once() {
    let gateway = Gateway::start(every_5_seconds().refusing(), &[A, B]).await;
    gateway.check.set_all(Some(tower_canary::deployments::Unhealthy::Status(404)));
    sleep(NOTICED).await;
    gateway.backends.take_requests();
    assert_eq!(gateway.send_one().await, 503);
    assert!(gateway.backends.take_requests().is_empty());
    gateway.check.set_all(None);
    sleep(NOTICED).await;
    assert_eq!(gateway.send_one().await, 200);
}

// Nothing bad is known of them, so also a gateway that refuses lets them serve.
#[tokio::test(start_paused = true)]
async fn gateway_that_starts_serves() {
    let gateway = Gateway::on(&Arc::default(), Health::new().refusing(), ScriptedCheck::default()).await;
    gateway.apply(checked_version(0, &[A, B])).await;
    assert_eq!(gateway.send(20).await, 0);
}

/// Starts a gateway again while B is dead, and returns how many requests of the first two seconds fail.
async fn failures_after_restart(awaits_checks: bool) -> usize {
    let store = Arc::new(MemoryStore::new());
    let before = Gateway::on(&store, Health::new(), ScriptedCheck::default()).await;
    before.apply(checked_version(0, &[A, B])).await;
    let gateway = Gateway::on(&store, Health::new(), ScriptedCheck::default()).await;
    gateway.check.hang(B);
    gateway.backends.set_failing(B, true);
    gateway.run();
    if awaits_checks {
        assert!(gateway.deployments.checked(Duration::from_secs(3)).await);
    }
    let start = Instant::now();
    let mut failed = 0;
    while start.elapsed() < Duration::from_secs(4) {
        failed += gateway.send(1).await;
    }
    failed
}

#[tokio::test(start_paused = true)]
async fn checked_gateway_avoids_the_dead_after_a_restart() {
    assert_eq!(failures_after_restart(true).await, 0);
    // Until the first check of the other one has ended, which then serves alone.
    assert!(failures_after_restart(false).await <= 1);
}

#[tokio::test(start_paused = true)]
async fn checked_waits_no_longer_than_its_limit() {
    let gateway = Gateway::on(&Arc::default(), Health::new(), ScriptedCheck::default()).await;
    gateway.apply(checked_version(0, &[A])).await;
    let start = Instant::now();
    assert!(!gateway.deployments.checked(Duration::from_secs(2)).await, "nothing runs");
    assert_eq!(start.elapsed().as_secs(), 2);
    gateway.run();
    assert!(gateway.deployments.checked(Duration::from_secs(2)).await);
    assert!(start.elapsed() < Duration::from_millis(2_200));
}

#[tokio::test(start_paused = true)]
async fn state_outlives_other_changes() {
    let gateway = Gateway::start(every_5_seconds(), &[A, B]).await;
    gateway.set_sick(B, true).await;
    gateway.apply(checked_version(1, &["http://10.0.2.1"])).await;
    gateway.apply(set_weight(1, 40.0)).await;
    gateway.apply(Change::add_urls(name(0), urls(&[C]))).await;
    assert_eq!(gateway.states(), [UP, DOWN, NEW]);
    gateway.apply(Change::remove_urls(name(0), urls(&[A]))).await;
    assert_eq!(gateway.states()[0], DOWN);
    gateway.apply(Change::remove_urls(name(0), urls(&[B]))).await;
    gateway.apply(Change::add_urls(name(0), urls(&[B]))).await;
    assert_eq!(gateway.states()[1], NEW, "it was added again");
}

// Both changes are seen at once, so the instance never left the schedule.
#[tokio::test(start_paused = true)]
async fn url_added_again_is_checked_at_once() {
    let gateway = Gateway::start(Health::new(), &[A, B]).await;
    sleep(Duration::from_secs(60)).await;
    gateway.apply(Change::remove_urls(name(0), urls(&[B]))).await;
    gateway.apply(Change::add_urls(name(0), urls(&[B]))).await;
    assert_eq!(gateway.states(), [UP, NEW]);
    sleep(MOMENT).await;
    assert_eq!(gateway.states(), [UP, UP]);
}

#[tokio::test(start_paused = true)]
async fn inactive_version_is_not_checked() {
    let gateway = Gateway::start(every_5_seconds(), &[A]).await;
    gateway.apply(checked_version(1, &[B])).await;
    sleep(MOMENT).await;
    assert_eq!(gateway.states_of(1), [UP], "at weight 0 it is checked");
    gateway.apply(Change::deactivate(name(1))).await;
    sleep(Duration::from_secs(1)).await;
    let probes = gateway.check.probes_of(B);
    gateway.set_sick(B, true).await;
    assert_eq!((gateway.check.probes_of(B), gateway.states_of(1)), (probes, vec![UP]));
    gateway.apply(Change::activate(name(1))).await;
    sleep(NOTICED).await;
    assert_eq!(gateway.states_of(1), [DOWN]);
}

#[tokio::test(start_paused = true)]
async fn removed_health_path_ends_the_checks() {
    let gateway = Gateway::start(every_5_seconds(), &[A, B]).await;
    gateway.set_sick(B, true).await;
    gateway.apply(Change::set_health_path(None)).await;
    sleep(MOMENT).await;
    assert_eq!(gateway.states(), [UP, UP]);
    let probes = gateway.check.probes();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(gateway.check.probes(), probes);
}

#[tokio::test(start_paused = true)]
async fn check_that_hangs_delays_no_other() {
    let gateway = Gateway::start(every_5_seconds(), &[A, B, C]).await;
    gateway.check.hang(B);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(gateway.states(), [UP, DOWN, UP], "it failed by the time limit");
    let before = gateway.check.probes_of(A);
    sleep(Duration::from_secs(60)).await;
    assert!((10..=14).contains(&(gateway.check.probes_of(A) - before)));
}

/// A check that panics while the flag is set.
fn panicking_check() -> (ScriptedCheck, Arc<AtomicBool>) {
    let panics = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&panics);
    let check = ScriptedCheck::default()
        .with_hook(move || assert!(!flag.load(Ordering::Relaxed), "the check's own fault"));
    (check, panics)
}

#[tokio::test(start_paused = true)]
async fn first_check_that_panics_is_repeated_soon() {
    let (check, panics) = panicking_check();
    let gateway = Gateway::on(&Arc::default(), Health::new(), check).await;
    gateway.apply(checked_version(0, &[A])).await;
    panics.store(true, Ordering::Relaxed);
    gateway.run();
    sleep(Duration::from_secs(10)).await;
    assert_eq!((gateway.states(), gateway.send(10).await), (vec![NEW], 0));
    panics.store(false, Ordering::Relaxed);
    sleep(Duration::from_millis(1_100)).await;
    assert_eq!(gateway.states(), [UP]);
}

#[tokio::test(start_paused = true)]
async fn check_that_panics_changes_no_state() {
    let (check, panics) = panicking_check();
    let gateway = Gateway::on(&Arc::default(), every_5_seconds(), check).await;
    gateway.apply(checked_version(0, &[A, B])).await;
    gateway.run();
    sleep(MOMENT).await;
    panics.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(gateway.states(), [UP, UP]);
    let status = || {
        let mut duties = gateway.deployments.duties().into_iter();
        duties.find(|duty| duty.name == "check-health").unwrap()
    };
    assert!(status().consecutive_failures > 0);
    assert_eq!(status().last_error.as_deref(), Some("it panicked: the check's own fault"));
    panics.store(false, Ordering::Relaxed);
    gateway.set_sick(B, true).await;
    assert_eq!((gateway.states(), status().consecutive_failures), (vec![UP, DOWN], 0));
}

#[tokio::test(start_paused = true)]
async fn last_hundred_events_are_kept() {
    let gateway = Gateway::start(every_5_seconds().with_falls(1).with_rises(1), &[A, B]).await;
    for round in 0..70 {
        gateway.set_sick(B, round % 2 == 0).await;
    }
    let events = gateway.deployments.health_events();
    assert_eq!(events.len(), 70 + 2);
    assert!(events.windows(2).all(|pair| pair[0].at <= pair[1].at));
    let down = events.iter().find(|event| event.kind == Down).unwrap();
    assert_eq!(down.cause.as_deref(), Some("it responded 503"));
    for round in 0..40 {
        gateway.set_sick(B, round % 2 == 0).await;
    }
    assert_eq!(gateway.deployments.health_events().len(), 100);
}

// The requests of 100 seconds, while the weights change every 10 ms.
#[tokio::test(start_paused = true)]
async fn reweights_disturb_neither_checks_nor_states() {
    let gateway = Gateway::start(every_5_seconds(), &[A, B]).await;
    gateway.apply(checked_version(1, &[C])).await;
    sleep(MOMENT).await;
    let mut failed = 0;
    let mut last = [A, B, C].map(|url| (gateway.check.probes_of(url), Instant::now()));
    for round in 0..10_000_u32 {
        gateway.apply(set_weight(1, f64::from(round % 100))).await;
        failed += usize::from(gateway.send_one().await != 200);
        sleep(Duration::from_millis(10)).await;
        if round % 50 == 0 {
            for (url, (probes, at)) in [A, B, C].into_iter().zip(&mut last) {
                if gateway.check.probes_of(url) > *probes {
                    *probes = gateway.check.probes_of(url);
                    *at = Instant::now();
                }
                assert!(at.elapsed() < Duration::from_secs(10), "{url} was not checked");
            }
        }
    }
    assert_eq!((failed, gateway.events().len()), (0, 3), "{:?}", gateway.events());
}

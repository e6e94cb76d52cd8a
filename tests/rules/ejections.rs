//! Instances that requests take out of service.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::time::sleep;
use tower_canary::Deployments;
use tower_canary::deployments::HealthEventKind::{self, Ejected, Spared, Up};
use tower_canary::health::{Health, InstanceState};
use tower_canary::routing::Change;

use crate::health_support::*;
use crate::log::Log;
use crate::scripted_check::ScriptedCheck;
use crate::support::*;

const UP: InstanceState = InstanceState::Up;
const EJECTED: InstanceState = InstanceState::Ejected;

/// A gateway where `auth` has v0 at these instances, without a health path.
async fn unchecked(settings: Health, at: &[&str]) -> Gateway {
    let gateway = Gateway::on(&Arc::default(), settings, ScriptedCheck::default()).await;
    gateway.apply(Change::Register(unchecked_version(0, at))).await;
    gateway.run();
    sleep(MOMENT).await;
    gateway
}

#[tokio::test(start_paused = true)]
async fn failing_requests_eject_an_instance() {
    let gateway = unchecked(Health::new(), &[A, B, C]).await;
    gateway.backends.set_failing(B, true);
    let failed = gateway.send(1_000).await;
    assert_eq!((failed, gateway.states()), (5, vec![UP, EJECTED, UP]));
    let event = gateway.deployments.health_events().pop().unwrap();
    assert_eq!((event.kind, event.instance.unwrap().as_str()), (Ejected, B));
    assert!(event.cause.unwrap().contains("503"));
    let lasts = event.lasts.unwrap().as_secs_f64();
    assert!((27.0..=33.0).contains(&lasts), "{lasts}");
}

#[tokio::test(start_paused = true)]
async fn ejection_ends_on_trial() {
    let gateway = unchecked(Health::new(), &[A, B]).await;
    gateway.backends.set_failing(B, true);
    gateway.send(500).await;
    sleep(Duration::from_secs(35)).await;
    assert_eq!(gateway.states(), [UP, UP]);
    assert!(gateway.deployments.health_events().pop().unwrap().trial);
    assert_eq!(gateway.send(500).await, 1, "one more failure ejects it again");
    let lasts = gateway.deployments.health_events().pop().unwrap().lasts.unwrap().as_secs_f64();
    assert!((54.0..=66.0).contains(&lasts), "{lasts}");
    gateway.backends.set_failing(B, false);
    sleep(Duration::from_secs(70)).await;
    assert_eq!(gateway.send(500).await, 0);
    sleep(Duration::from_secs(2)).await;
    gateway.backends.set_failing(B, true);
    assert_eq!(gateway.send(500).await, 5, "a success ended the trial");
}

/// Ends the ejections of v0 as an operator does, in another thread.
fn clear_elsewhere(deployments: &Deployments) {
    thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(deployments.check_and_clear(&auth(), &name(0))).unwrap();
        });
    });
}

// An operator clears the ejection at the moment when it is logged.
#[tokio::test(start_paused = true)]
async fn events_are_in_the_order_of_the_transitions() {
    let log = Log::of_this_thread();
    let gateway = unchecked(Health::new(), &[A, B]).await;
    let deployments = gateway.deployments.clone();
    log.on_line(move |line| {
        if line.contains("instance is ejected") {
            clear_elsewhere(&deployments);
        }
    });
    gateway.backends.set_failing(B, true);
    gateway.send(500).await;
    let kinds: Vec<HealthEventKind> = gateway.events().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds.get(..2), Some(&[Ejected, Up][..]));
}

#[tokio::test(start_paused = true)]
async fn at_most_half_are_ejected() {
    for (at, most) in [(&[A][..], 0), (&[A, B], 1), (&[A, B, C], 1)] {
        let gateway = unchecked(Health::new(), at).await;
        at.iter().for_each(|url| gateway.backends.set_failing(url, true));
        gateway.send(200).await;
        let ejected = gateway.states().iter().filter(|state| **state == EJECTED).count();
        assert_eq!(ejected, most, "{at:?}");
        assert!(gateway.count(Spared) < at.len().max(2), "each once");
    }
}

// Nobody would take it back.
#[tokio::test(start_paused = true)]
async fn gateway_without_run_ejects_nothing() {
    let gateway = Gateway::on(&Arc::default(), Health::new(), ScriptedCheck::default()).await;
    gateway.apply(Change::Register(unchecked_version(0, &[A, B]))).await;
    gateway.backends.set_failing(B, true);
    gateway.send(500).await;
    assert_eq!(gateway.states(), [UP, UP]);
}

#[tokio::test(start_paused = true)]
async fn passed_checks_end_no_ejection() {
    let gateway = Gateway::start(every_5_seconds(), &[A, B]).await;
    gateway.backends.set_failing(B, true);
    gateway.send(500).await;
    sleep(Duration::from_secs(20)).await;
    assert_eq!(gateway.states(), [UP, EJECTED]);
    sleep(Duration::from_secs(15)).await;
    assert_eq!(gateway.states(), [UP, UP]);
}

#[tokio::test(start_paused = true)]
async fn operator_ends_an_ejection_after_a_check() {
    let gateway = Gateway::start(every_5_seconds(), &[A, B]).await;
    gateway.backends.set_failing(B, true);
    gateway.send(500).await;
    let probes = gateway.deployments.check(&auth(), &name(0)).await.unwrap();
    assert!(probes.iter().all(|probe| probe.healthy.is_ok()));
    assert_eq!(gateway.states(), [UP, EJECTED], "without clear it stays");
    gateway.check.set(B, Some(tower_canary::deployments::Unhealthy::Status(503)));
    gateway.deployments.check_and_clear(&auth(), &name(0)).await.unwrap();
    assert_eq!(gateway.states(), [UP, EJECTED], "it did not pass");
    gateway.check.set(B, None);
    gateway.deployments.check_and_clear(&auth(), &name(0)).await.unwrap();
    assert_eq!(gateway.states(), [UP, UP]);
    assert_eq!(gateway.events().pop(), Some((Up, Some(B.to_owned()))));
}

#[tokio::test(start_paused = true)]
async fn returning_instance_starts_slowly() {
    let settings = every_5_seconds().with_slow_start(Duration::from_secs(30));
    let gateway = Gateway::start(settings, &[A, B, C]).await;
    gateway.send(900).await;
    let shares = gateway.backends.take_requests();
    assert!(shares.values().all(|share| (250..350).contains(share)), "not at the start: {shares:?}");
    gateway.set_sick(B, true).await;
    // It is up about 6 s later at the most, and has a tenth then.
    gateway.check.set(B, None);
    while gateway.states()[1] != UP {
        sleep(Duration::from_millis(100)).await;
    }
    gateway.backends.take_requests();
    gateway.send(1_000).await;
    let first = gateway.backends.take_requests()[B];
    assert!((10..80).contains(&first), "{first}");
    sleep(Duration::from_secs(30)).await;
    gateway.send(900).await;
    let last = gateway.backends.take_requests()[B];
    assert!((250..350).contains(&last), "{last}");
}

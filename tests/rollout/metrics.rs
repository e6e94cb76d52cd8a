//! The metrics of rollouts that the recorder of the application gets.

use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::time::sleep;
use tower_canary::metrics::RolloutMetrics;
use tower_canary::rollout::{Outcome, Plan, RolloutActor, Rollouts, Verb};

use crate::fleet::{Fleet, Gateway, auth};
use crate::recorded::{Recorded, of, recorded};

const SHORT: &str = r#"{"version": "v1.1", "steps": [10, 50], "hold": "1m", "bake": {"hold": "1m"}}"#;

/// The metrics of one gateway.
struct Page {
    recorder: DebuggingRecorder,
    metrics: RolloutMetrics,
}

impl Page {
    fn of(rollouts: &Rollouts) -> Self {
        Self { recorder: DebuggingRecorder::new(), metrics: RolloutMetrics::new(rollouts.clone()) }
    }

    fn all(gateways: &[Gateway]) -> Vec<Self> {
        gateways.iter().map(|gateway| Self::of(&gateway.rollouts)).collect()
    }

    fn read(&self) -> Recorded {
        metrics::with_local_recorder(&self.recorder, || self.metrics.record());
        recorded(&self.recorder.snapshotter())
    }
}

fn gauge(page: &Recorded, name: &str, more: &str) -> f64 {
    match of(page, name, &format!("{more}service=auth")) {
        Some(DebugValue::Gauge(value)) => value.into_inner(),
        other => panic!("{name} {more}: {other:?}"),
    }
}

/// The phases at 1.
fn phases(page: &Recorded) -> Vec<&str> {
    let phases = ["waiting", "holding", "gated", "paused", "returning"];
    phases
        .into_iter()
        .filter(|phase| gauge(page, "canary_rollout_phase", &format!("phase={phase},")) == 1.0)
        .collect()
}

fn ended(page: &Recorded, outcome: Outcome) -> Option<u64> {
    match of(page, "canary_rollouts_total", &format!("outcome={},service=auth", outcome.as_str()))? {
        DebugValue::Counter(count) => Some(*count),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn gateways_export_a_rollout_until_its_end() {
    let fleet = Fleet::start(&[auth()]).await;
    let pages = Page::all(&fleet.gateways);
    assert!(pages.iter().all(|page| page.read().is_empty()), "no rollout, no series");
    let rollout = fleet.begin(SHORT).await;
    fleet.wait_for(&rollout.stored.id, "holding", 2, 3_600).await;
    sleep(Duration::from_secs(30)).await;
    let read: Vec<Recorded> = pages.iter().map(Page::read).collect();
    for page in &read {
        assert_eq!((phases(page), gauge(page, "canary_rollout_step", "")), (vec!["holding"], 2.0));
        assert!(gauge(page, "canary_rollout_evidence", "measure=errors,") < 0.0);
        assert!(gauge(page, "canary_rollout_tick_age_seconds", "") < 12.0);
        assert_eq!(Outcome::ALL.iter().filter_map(|outcome| ended(page, *outcome)).sum::<u64>(), 0);
        assert_eq!(page.len(), 5 + 1 + 2 + 1 + 1 + Outcome::ALL.len());
    }
    assert_eq!(read.iter().map(|page| gauge(page, "canary_rollout_leader", "")).sum::<f64>(), 1.0);
    fleet.wait_over(&rollout.stored.id, 3_600).await;
    let read: Vec<Recorded> = pages.iter().map(Page::read).collect();
    for page in &read {
        assert_eq!(phases(page), [""; 0]);
        for name in ["canary_rollout_step", "canary_rollout_leader", "canary_rollout_tick_age_seconds"] {
            assert!(gauge(page, name, "").is_nan(), "{name}");
        }
        assert!(gauge(page, "canary_rollout_evidence", "measure=latency,").is_nan());
    }
    let completed = read.iter().filter_map(|page| ended(page, Outcome::Completed));
    assert_eq!(completed.sum::<u64>(), 1);
}

#[tokio::test(start_paused = true)]
async fn evidence_is_no_number_before_the_first_window() {
    let fleet = Fleet::start(&[auth()]).await;
    fleet.begin(SHORT).await;
    let page = Page::of(&fleet.gateways[1].rollouts).read();
    assert_eq!((phases(&page), gauge(&page, "canary_rollout_step", "")), (vec!["waiting"], 0.0));
    assert!(gauge(&page, "canary_rollout_evidence", "measure=errors,").is_nan());
}

// The second rollout begins between two exports, so the series of the first one never end as a whole.
#[tokio::test(start_paused = true)]
async fn measure_that_the_next_rollout_lacks_ends() {
    let fleet = Fleet::start(&[auth()]).await;
    let page = Page::of(&fleet.gateways[1].rollouts);
    let first = fleet.begin(SHORT).await;
    fleet.wait_for(&first.stored.id, "holding", 2, 3_600).await;
    sleep(Duration::from_secs(30)).await;
    assert!(gauge(&page.read(), "canary_rollout_evidence", "measure=latency,").is_finite());
    fleet.order(Verb::Abort { force: false }).await.unwrap();
    fleet.wait_over(&first.stored.id, 3_600).await;
    let errors_alone = SHORT.replace(r#""steps""#, r#""guard": {"latency": null}, "steps""#);
    let second = fleet.begin(&errors_alone).await;
    fleet.wait_for(&second.stored.id, "holding", 2, 3_600).await;
    sleep(Duration::from_secs(30)).await;
    let read = page.read();
    assert!(gauge(&read, "canary_rollout_evidence", "measure=errors,").is_finite());
    assert!(gauge(&read, "canary_rollout_evidence", "measure=latency,").is_nan());
}

#[tokio::test(start_paused = true)]
async fn tick_age_grows_while_nobody_drives() {
    let mut fleet = Fleet::start(&[auth()]).await;
    let rollout = fleet.begin(SHORT).await;
    fleet.wait_for(&rollout.stored.id, "holding", 1, 60).await;
    // All gateways have read it then.
    sleep(Duration::from_secs(10)).await;
    fleet.gateways.iter_mut().for_each(Gateway::kill);
    sleep(Duration::from_secs(60)).await;
    for page in Page::all(&fleet.gateways) {
        assert!(gauge(&page.read(), "canary_rollout_tick_age_seconds", "") >= 60.0);
    }
}

#[tokio::test(start_paused = true)]
async fn status_ends_where_no_driver_runs() {
    let fleet = Fleet::start(&[auth()]).await;
    let idle = Rollouts::new(fleet.gateways[0].deployments.clone());
    let plan: Plan = SHORT.parse().unwrap();
    idle.start(&auth(), plan, RolloutActor::new("alice")).await.unwrap();
    assert_eq!(idle.statuses().len(), 1);
    fleet.order(Verb::Abort { force: false }).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    assert!(idle.statuses().is_empty() && idle.ended().is_empty());
    assert_eq!(fleet.gateways[2].rollouts.ended(), [(auth(), Outcome::Aborted, 1)]);
}

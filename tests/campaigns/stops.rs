//! Stopping the process of a version: by the script, by SIGTERM and by SIGKILL.

use std::time::Duration;

use crate::handovers::{Handover, Kind, Plan, end_after_switch, hand_over};
use crate::setting;
use crate::support::percentiles;
use crate::versions::Process;

const EACH: Duration = Duration::from_secs(2);

/// Maximum time from the last end until the script continues.
const LATE: Duration = Duration::from_millis(100);

// Under load. The wait ends at most 100 ms after the last request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn scripted_handover_drops_nothing() {
    let mut requests = 0;
    let mut delays = Vec::new();
    for round in 0..setting("CANARY_CAMPAIGN_HANDOVERS", 3) {
        for last in [Some(Kind::Upload), Some(Kind::Download), Some(Kind::Socket), None] {
            let held = if last.is_some() { 5 } else { 0 };
            let plan = Plan { clients: 50, each: EACH, held, last };
            let Handover { requests: more, delay } = hand_over(plan).await;
            println!(
                "round {round}, {last:?} ends last: {more} requests, none failed; known {delay:?} later"
            );
            requests += more;
            delays.push(delay);
        }
    }
    let (median, _, most) = percentiles(delays);
    println!(
        "{requests} requests, none failed, nothing cut off; known {median:?} later (median), at most {most:?}"
    );
    assert!(most <= LATE, "{most:?}");
}

// 200 requests in flight.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn sigterm_drops_nothing_sigkill_only_in_flight() {
    for round in 0..setting("CANARY_CAMPAIGN_STOPS", 5) {
        let terminated = end_after_switch(200, |old: &mut Process| {
            old.terminate();
            assert_eq!(old.ended().code(), Some(0));
        });
        let terminated = terminated.await;
        let killed = end_after_switch(200, Process::kill).await;
        println!("round {round}: SIGTERM: {terminated:?}; SIGKILL: {killed:?}");
        assert_eq!((terminated.succeeded, terminated.failed), (200, 0));
        assert_eq!((killed.succeeded, killed.failed), (0, 200));
    }
}

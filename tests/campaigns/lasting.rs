//! Long-lived exchanges during many switches.

use crate::setting;
use crate::streams::{Plan, across_switches};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn sockets_calls_and_events_go_on_byte_for_byte_across_hundreds_of_switches() {
    let plan =
        Plan { each: 50, messages: usize::try_from(setting("CANARY_CAMPAIGN_MESSAGES", 10_000)).unwrap() };
    let (switches, took) = across_switches(plan).await;
    let Plan { each, messages } = plan;
    println!(
        "{each} WebSockets and {each} streams of gRPC with {messages} messages each, {each} streams of {} events, {} unary \
         calls: all whole, across {switches} switches in {took:?}",
        messages / 10,
        each * messages / 10
    );
    assert!(switches >= 20, "{switches}");
}

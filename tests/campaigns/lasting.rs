//! Long-lived exchanges during many switches.

use crate::setting;
use crate::streams::{Plan, across_switches};

// WebSockets, gRPC streams, unary calls and server-sent events, byte for byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn streams_survive_hundreds_of_switches() {
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

//! A rollout that the gateway drives, from its start to its end, in the page.

use std::time::Duration;

use serde_json::json;

use crate::browser::{Browser, in_browser};
use crate::server::Server;

/// One tick of the driver is up to six seconds, and a step begins with one.
const TICKS: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn rollout_is_started_paused_and_aborted() {
    let server = Server::with_rollouts().await;
    in_browser("rollout", async |page| {
        page.sign_in(&server).await;
        start(page).await;
        page.reads_within("[aria-labelledby=way]", "watched", TICKS).await;
        page.reads("[aria-labelledby=way]", "driven by gateway-1").await;
        page.reads(".title", "rolling out v1.1 at 10 %").await;
        page.looks_right("rollout-holding").await;

        page.press("Pause").await;
        page.reads("dialog code", "canary rollout pause checkout").await;
        page.press("Pause").await;
        page.reads("[aria-labelledby=way]", "paused by hand").await;
        page.looks_right("rollout-paused").await;
        page.press("Resume").await;
        page.reads("dialog", "It goes on where it was.").await;
        page.press("Resume").await;
        page.reads("[aria-labelledby=way]", "watched").await;

        // A change by hand pauses it, and the page says so before.
        page.fill("[aria-label='Weight of v1.1 in percent']", "20").await;
        page.reads(".draft", "This pauses the rollout.").await;
        page.press("Discard").await;

        page.press("Roll back to v1.0").await;
        page.reads("dialog", "The rollout goes back to the weights from before it").await;
        page.press("Roll back").await;
        page.reads_within("[aria-labelledby=way]", "aborted", TICKS).await;
        page.reads(".title", "steady v1.0 has all traffic").await;
        page.looks_right("rollout-over").await;
        assert_eq!(server.weight("v1.0").await.to_string(), "100");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn approval_and_advance_name_their_step() {
    let server = Server::with_rollouts().await;
    let plan = json!({"version": "v1.1", "steps": [{"weight": 10, "gates": ["approval"]}, 50], "hold": "10m", "reason": "release"});
    server.post("/deployment/services/checkout/rollouts", &plan).await;
    in_browser("rollout-approve", async |page| {
        page.sign_in(&server).await;
        page.reads_within("[aria-labelledby=way]", "the next step needs an approval", TICKS).await;
        page.press("Approve").await;
        page.reads("dialog", "Approve the rollout of v1.1 at step 1?").await;
        page.press("Approve").await;
        page.reads("[aria-labelledby=way]", "approved by alice").await;
        page.press("Advance").await;
        page.press("Advance").await;
        page.reads_within(".title", "at 50 %", TICKS).await;
        page.press("Promote").await;
        page.reads("dialog", "The steps between are left out").await;
        page.press("Promote").await;
        page.reads_within(".title", "at 95 %", TICKS).await;
        page.sees(".events summary").await.click().await.unwrap();
        page.reads(".events", "approved").await;
        page.looks_right("rollout-bake").await;
    })
    .await;
}

/// Starts a rollout in two steps by the dialog, with an approval after each.
async fn start(page: &Browser) {
    page.press("More for v1.1").await;
    page.press("Start a rollout…").await;
    page.reads("dialog table", "bake").await;
    page.fill("dialog [autofocus]", "10, 50").await;
    page.fill("dialog input[placeholder='5m']", "1m").await;
    page.sees("dialog input[type=checkbox]").await.click().await.unwrap();
    page.reads("dialog table", "1 min, approval").await;
    page.reads("dialog code", "canary rollout start checkout v1.1 --steps 10,50 --hold 1m --gate approval")
        .await;
    page.looks_right("rollout-start").await;
    page.press("Start").await;
}

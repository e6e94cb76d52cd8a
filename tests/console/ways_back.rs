//! The ways back: to the version before, and to an earlier generation.

use serde_json::json;
use thirtyfour::prelude::*;
use tower_canary::routing::Change;

use crate::browser::in_browser;
use crate::server::Server;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn way_back_is_one_click_and_a_confirmation() {
    let server = Server::rolling_out().await;
    in_browser("rollback", async |page| {
        page.sign_in(&server).await;
        page.press("Roll back to v2.3.1").await;
        page.reads("dialog", "25 % of users move from v2.4.0 to v2.3.1, nobody else.").await;
        page.reads("dialog table", "v2.4.0\t25 %\t→\t0 %").await;
        assert_eq!(page.eval("document.activeElement.innerText").await, json!("Cancel"));
        page.reads("dialog code", "canary switch checkout v2.3.1 --if-generation 8").await;
        page.looks_right("rollback").await;
        // Enter in the field confirms nothing.
        page.sees("dialog input").await.send_keys(Key::Enter + "").await.unwrap();
        assert!((server.weight("v2.4.0").await - 25.0).abs() < 1e-9);
        page.press("Roll back").await;
        page.reads("[role=status]", "Generation 9").await;
        assert!((server.weight("v2.3.1").await - 100.0).abs() < 1e-9);
        page.until("document.querySelector('dialog') == null").await;
        // Another time it is the way to where the traffic was.
        page.reads(".title", "steady").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn way_back_is_found_beyond_the_changes_that_are_shown() {
    let server = Server::rolling_out().await;
    server.change("checkout", Change::switch("v2.4.0".parse().unwrap()), "alice", "").await;
    for _ in 0..30 {
        server.change("checkout", Change::Redraw, "alice", "").await;
    }
    in_browser("rollback-far", async |page| {
        page.sign_in(&server).await;
        page.reads(".title", "steady").await;
        page.press("Roll back to v2.3.1").await;
        page.reads("dialog", "100 % of users move from v2.4.0 to v2.3.1").await;
        assert_eq!(page.eval("document.querySelectorAll('.log tbody tr').length").await, json!(20));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn way_back_whatever_has_changed() {
    let server = Server::rolling_out().await;
    in_browser("rollback-anyway", async |page| {
        page.sign_in(&server).await;
        page.press("Roll back to v2.3.1").await;
        page.reads("dialog", "25 % of users move").await;
        server.set_weight("v2.4.0", "30").await;
        page.press("Roll back").await;
        page.reads("dialog [role=alert]", "bob changed it meanwhile: it is at generation 9 now").await;
        page.looks_right("rollback-conflict").await;
        server.set_weight("v2.4.0", "40").await;
        page.press("Roll back whatever changed").await;
        page.reads("[role=status]", "Generation 11").await;
        assert!((server.weight("v2.3.1").await - 100.0).abs() < 1e-9);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn earlier_generation_is_restored() {
    let server = Server::rolling_out().await;
    in_browser("restore", async |page| {
        page.sign_in(&server).await;
        page.press("Restore 7: the split of that generation").await;
        page.reads("dialog", "15 % of users move from v2.4.0 to v2.3.1").await;
        page.press("Restore").await;
        page.reads("[role=status]", "Generation 9").await;
        assert!((server.weight("v2.4.0").await - 10.0).abs() < 1e-9);
        page.press("More for v2.4.0").await;
        page.press("Change URLs…").await;
        page.fill("dialog textarea", "http://10.0.4.31:8080 http://10.0.4.32:8080").await;
        page.press("Change").await;
        page.reads("[role=status]", "Generation 10").await;
        page.press("More for v2.4.0").await;
        page.press("Draw users again…").await;
        page.press("Draw again").await;
        page.reads("[role=status]", "Generation 11").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn generation_with_a_removed_version_is_not_restored() {
    let server = Server::rolling_out().await;
    server.change("checkout", Change::remove("v2.2.0".parse().unwrap()), "alice", "").await;
    in_browser("version-gone", async |page| {
        page.sign_in(&server).await;
        page.press("Restore 3: the split of that generation").await;
        page.reads("dialog [role=alert]", "v2.2.0").await;
        page.looks_right("version-gone").await;
        page.press("Cancel").await;
        page.until("document.querySelector('dialog') == null").await;
    })
    .await;
}

//! What the page shows in each state, in both themes and viewports.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tower_canary::deployments::Unhealthy;
use tower_canary::routing::Change;

use crate::browser::in_browser;
use crate::server::Server;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn rolling_out() {
    let server = Server::rolling_out().await;
    server.requests(400).await;
    in_browser("rolling-out", async |page| {
        page.sign_in(&server).await;
        page.reads(".title", "rolling out v2.4.0").await;
        page.reads(".title", "generation 8 · last changed by ci").await;
        // A report expires after 15 seconds.
        server.report("gateway-2", server.revision()).await;
        page.reads(".facts", "2 of 2 serve it").await;
        page.reads("[aria-labelledby=split]", "of 400 requests, 95 % interval").await;
        page.reads("[aria-labelledby=way]", "Rollout of v2.4.0").await;
        page.reads("tr", "v2.2.0 may be stopped").await;
        page.reads(".log", "rollout step").await;
        page.looks_right("rolling-out").await;
        page.press("More for v2.4.0").await;
        page.looks_right("menu").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn no_service_yet() {
    let server = Server::empty().await;
    in_browser("empty", async |page| {
        page.sign_in(&server).await;
        page.reads("h1", "No service yet").await;
        page.reads(".void", "canary register checkout v1 http://10.0.0.7:8080 --health /healthz").await;
        page.looks_right("empty").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn loading_has_the_frame() {
    let server = Server::rolling_out().await;
    server.faults.is_slow.store(true, Ordering::SeqCst);
    in_browser("loading", async |page| {
        page.sign_in(&server).await;
        page.reads("nav", "checkout").await;
        page.sees("[aria-labelledby=versions]").await;
        page.looks_right("loading").await;
        server.faults.is_slow.store(false, Ordering::SeqCst);
        page.reads("tr", "v2.4.0").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn store_is_down() {
    let server = Server::rolling_out().await;
    in_browser("down", async |page| {
        page.sign_in(&server).await;
        page.reads(".facts", "Store\nok").await;
        server.store.down.store(true, Ordering::SeqCst);
        page.reads_within(".banner", "The store cannot be reached", Duration::from_secs(20)).await;
        assert_eq!(
            page.eval("document.querySelector('.acts .back').title").await,
            json!("The store cannot be reached.")
        );
        page.looks_right("down").await;
        server.store.down.store(false, Ordering::SeqCst);
        page.until("document.querySelector('.banner') == null").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn split_cannot_be_read() {
    let server = Server::rolling_out().await;
    in_browser("broken", async |page| {
        page.sign_in(&server).await;
        page.reads("h1", "checkout").await;
        server.store.unreadable.store(true, Ordering::SeqCst);
        server.change_elsewhere(Change::Redraw).await;
        page.reads(".banner", "The stored split cannot be read").await;
        page.looks_right("broken").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn replica_is_behind_or_gone() {
    let server = Server::rolling_out().await;
    in_browser("behind", async |page| {
        page.sign_in(&server).await;
        // It expires after 15 seconds.
        server.report("gateway-2", server.revision() - 1).await;
        page.reads(".facts", "1 of 2 serve it").await;
        page.reads("[aria-labelledby=replicas] .warn", "▲").await;
        page.looks_right("behind").await;
        server.withdraw("gateway-2").await;
        page.reads("[aria-labelledby=replicas]", "gone for").await;
        page.reads(".facts", "1 of 1 serve it, 1 gone").await;
        page.looks_right("gone").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn drained_version_may_be_stopped() {
    let server = Server::rolling_out().await;
    server.requests(40).await;
    in_browser("drained", async |page| {
        page.sign_in(&server).await;
        server.change("checkout", Change::switch("v2.4.0".parse().unwrap()), "alice", "").await;
        page.reads(".title", "steady").await;
        page.reads("tr", "v2.3.1 may be stopped").await;
        server.register("checkout", "v2.5.0", "http://10.0.4.9:8080").await;
        page.reads("tr", "v2.5.0 ready").await;
        server.report("gateway-2", 1).await;
        page.reads("tr", "v2.3.1 drained here, also gateway-2").await;
        page.looks_right("drained").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn figures_grow_old() {
    let server = Server::rolling_out().await;
    server.requests(40).await;
    server.faults.buffers.store(true, Ordering::SeqCst);
    in_browser("stale", async |page| {
        page.sign_in(&server).await;
        // The stream is held back: after six seconds the page reads single answers.
        page.reads_within("[aria-labelledby=split]", "of 40 requests", Duration::from_secs(25)).await;
        server.faults.is_mute.store(true, Ordering::SeqCst);
        page.reads_within("[aria-labelledby=split]", "▲ Stale", Duration::from_secs(25)).await;
        page.looks_right("stale").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn no_active_version() {
    let server = Server::empty().await;
    server.register("checkout", "v1", "http://10.0.4.1:8080").await;
    server.change("checkout", Change::force_deactivate("v1".parse().unwrap()), "alice", "").await;
    server.requests(3).await;
    in_browser("no-version", async |page| {
        page.sign_in(&server).await;
        page.reads(".title", "no active version").await;
        page.reads(".banner", "3 requests found no active version or no usable instance").await;
        page.reads("tr", "Bring back").await;
        page.looks_right("no-version").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn service_was_removed() {
    let server = Server::rolling_out().await;
    server.register("auth", "v1", "http://10.0.4.1:8080").await;
    in_browser("removed", async |page| {
        page.sign_in(&server).await;
        page.eval("location.hash = '#/checkout'").await;
        page.reads("h1", "checkout").await;
        server.change("checkout", Change::force_remove_service(), "bob", "").await;
        page.reads("[role=alert]", "There is no service checkout").await;
        page.reads("h1", "auth").await;
        page.looks_right("removed").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn four_versions_and_the_edges_between() {
    let server = Server::empty().await;
    for i in 1..=4 {
        server.register("checkout", &format!("v{i}"), &format!("http://10.0.4.{i}:8080")).await;
    }
    let weights = [("v1", "40"), ("v2", "30"), ("v3", "20"), ("v4", "10")];
    let weights = weights.map(|(version, weight)| (version.parse().unwrap(), weight.parse().unwrap()));
    server.change("checkout", Change::set_weights(weights), "alice", "").await;
    server.requests(200).await;
    in_browser("four", async |page| {
        page.sign_in(&server).await;
        page.reads(".title", "rolling out v4").await;
        page.until("document.querySelectorAll('.split line.whisk').length === 6").await;
        page.looks_right("four").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn instances_with_their_health() {
    let server = Server::with_checks().await;
    server.check.set("http://10.0.4.12:8080", Some(Unhealthy::Status(503)));
    in_browser("instances", async |page| {
        page.sign_in(&server).await;
        page.reads("tr summary", "3 instances, 1 down").await;
        page.sees(".v summary").await.click().await.unwrap();
        page.reads(".v li", "10.0.4.12:8080 down, check failed: it responded 503").await;
        page.looks_right("instances").await;
        server.check.set_all(Some(Unhealthy::Status(500)));
        page.reads(".banner", "No instance is usable").await;
        page.looks_right("none-usable").await;
    })
    .await;
}

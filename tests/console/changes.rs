//! What a person does: drafts, switches, registrations, drains.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use thirtyfour::prelude::*;
use tower_canary::deployments::Unhealthy;
use tower_canary::routing::Change;

use crate::browser::{Browser, in_browser};
use crate::server::Server;

const CANARY: &str = "[aria-label='Weight of v2.4.0 in percent']";

/// The value of the field for the weight of a version.
async fn field(page: &Browser, version: &str) -> f64 {
    let value = page
        .eval(&format!("document.querySelector(\"[aria-label='Weight of {version} in percent']\").value"))
        .await;
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn draft_moves_nothing_until_it_is_applied() {
    let server = Server::rolling_out().await;
    server.requests(100).await;
    in_browser("draft", async |page| {
        page.sign_in(&server).await;
        page.press("More for v2.4.0").await;
        page.tab.find(By::Css("[aria-label='More for v2.4.0']")).await.unwrap();
        page.keys(Key::Escape + "").await;
        page.fill(CANARY, "50").await;
        page.reads(
            ".draft",
            "v2.3.1 75 % → 50 %, v2.4.0 25 % → 50 %. 25 % of users move from v2.3.1 to v2.4.0, nobody else.",
        )
        .await;
        assert_eq!((field(page, "v2.3.1").await, server.weight("v2.4.0").await), (50.0, 25.0));
        page.reads(".draft code", "canary weight checkout v2.4.0 50 --if-generation 8").await;
        page.reads(".split", "Would be").await;
        page.looks_right("draft").await;
        page.fill("[aria-label=Reason]", "all is well").await;
        page.press("Apply 50 %").await;
        page.reads("[role=status]", "Generation 9, served by gateway-1.").await;
        assert!((server.weight("v2.4.0").await - 50.0).abs() < 1e-9);
        page.reads(".log", "all is well").await;
        page.until("document.querySelector('.draft') == null").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn keys_alone_are_enough() {
    let server = Server::rolling_out().await;
    in_browser("keyboard", async |page| {
        page.sign_in(&server).await;
        page.sees(CANARY).await.focus().await.unwrap();
        page.keys(Key::Up + "").await;
        page.until("document.activeElement.value === '26'").await;
        page.keys(Key::Shift + Key::Up).await;
        page.until("document.activeElement.value === '36'").await;
        page.reads(".draft", "11 % of users move").await;
        page.keys(Key::Escape + "").await;
        page.until("document.querySelector('.draft') == null").await;
        page.keys(Key::Down + "").await;
        page.reads(".draft", "1 % of users move from v2.4.0 to v2.3.1").await;
        page.keys(Key::Control + Key::Enter).await;
        page.reads("[role=status]", "Generation 9").await;
        assert!((server.weight("v2.4.0").await - 24.0).abs() < 1e-9);
        page.keys(Key::Control + "k").await;
        page.until("document.activeElement.id === 'filter'").await;
        // Everything that can be used is reached by the Tab key, and nothing holds it.
        let names = "[...document.querySelectorAll('a, button, input, select, summary')].filter(of => of.checkVisibility() && of.tabIndex >= 0 && !of.matches('[name=window]:not(:checked)')).length";
        let count = page.eval(names).await.as_u64().unwrap();
        page.eval("(document.activeElement.blur(), window.reached = new Set(), document.addEventListener('focusin', event => window.reached.add(event.target)), true)").await;
        for _ in 0..count + 3 {
            page.tab.action_chain().send_keys(Key::Tab + "").perform().await.unwrap();
        }
        let reached = page.eval("[...window.reached].filter(of => of.isConnected && of.matches('a, button, input, select, summary')).length").await;
        assert!(reached.as_u64().unwrap() >= count, "{reached} of {count}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn draft_is_kept_while_events_come() {
    let server = Server::rolling_out().await;
    in_browser("draft-kept", async |page| {
        page.sign_in(&server).await;
        page.fill(CANARY, "12.").await;
        for _ in 0..3 {
            server.requests(30).await;
            tokio::time::sleep(Duration::from_millis(1100)).await;
        }
        page.keys("5").await;
        page.reads(".draft", "v2.4.0 25 % → 12.5 %").await;
        assert_eq!(page.eval("document.activeElement.value").await, json!("12.5"));
        page.until("document.activeElement.getAttribute('aria-label') === 'Weight of v2.4.0 in percent'")
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn gateway_that_does_not_serve_a_change_is_named() {
    let server = Server::rolling_out().await;
    server.report("gateway-2", server.revision()).await;
    in_browser("not-yet", async |page| {
        page.sign_in(&server).await;
        page.reads("[aria-labelledby=versions]", "at gateway-1").await;
        page.fill(CANARY, "50").await;
        page.reads(".draft", "of users move").await;
        page.press("Apply 50 %").await;
        page.reads("[role=status]", "Generation 9, served by gateway-1, not yet by gateway-2.").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn store_lost_after_a_change_is_no_failure() {
    let server = Server::rolling_out().await;
    server.report("gateway-2", server.revision()).await;
    in_browser("lost", async |page| {
        page.sign_in(&server).await;
        page.reads("[aria-labelledby=versions]", "at gateway-1").await;
        page.fill(CANARY, "50").await;
        page.reads(".draft", "of users move").await;
        page.press("Apply 50 %").await;
        // The change is made, and the API waits five seconds for the other gateway.
        page.reads(".title", "generation 9").await;
        server.store.down.store(true, Ordering::SeqCst);
        let result = "Generation 9, served here, others not known.";
        page.reads_within("[role=status]", result, Duration::from_secs(10)).await;
        page.until("document.querySelector('.draft') == null").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn changed_meanwhile_is_previewed_again() {
    let server = Server::rolling_out().await;
    in_browser("conflict", async |page| {
        page.sign_in(&server).await;
        page.fill(CANARY, "50").await;
        page.reads(".draft", "25 % of users move").await;
        server.set_weight("v2.4.0", "30").await;
        page.reads(".draft", "Changed meanwhile by bob: generation 9, not 8.").await;
        page.looks_right("conflict").await;
        page.press("Preview again").await;
        page.reads(".draft", "20 % of users move").await;
        page.press("Apply 50 %").await;
        page.reads("[role=status]", "Generation 10").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn ambiguous_weights_are_set_by_hand() {
    let server = Server::empty().await;
    for i in 1..=3 {
        server.register("checkout", &format!("v{i}"), &format!("http://10.0.4.{i}:8080")).await;
    }
    in_browser("ambiguous", async |page| {
        page.sign_in(&server).await;
        page.fill("[aria-label='Weight of v1 in percent']", "40").await;
        page.reads(".draft", "Set all weights: they total 40 %.").await;
        page.fill("[aria-label='Weight of v2 in percent']", "25").await;
        page.fill("[aria-label='Weight of v3 in percent']", "34").await;
        page.reads(".draft", "they total 99 %").await;
        page.looks_right("ambiguous").await;
        page.fill("[aria-label='Weight of v3 in percent']", "35").await;
        page.reads(".draft", "of users move").await;
        page.reads(".draft code", "canary weight checkout v1=40 v2=25 v3=35 --if-generation 3").await;
        page.press("Apply").await;
        page.reads("[role=status]", "Generation 4").await;
        assert!((server.weight("v3").await - 35.0).abs() < 1e-9);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn unhealthy_version_needs_force_twice() {
    let server = Server::rolling_out().await;
    server.register("checkout", "v2.5.0", "http://10.0.4.9:8080").await;
    server.check.set("http://10.0.4.9:8080", Some(Unhealthy::Status(503)));
    in_browser("unhealthy", async |page| {
        page.sign_in(&server).await;
        page.press("Switch all traffic to v2.5.0").await;
        page.reads("dialog", "Probe: 10.0.4.9:8080 it responded 503").await;
        page.press("Switch").await;
        page.reads("dialog [role=alert]", "Backend unhealthy").await;
        page.looks_right("unhealthy").await;
        page.press("Force…").await;
        page.press("Really, without a probe").await;
        page.reads("[role=status]", "Generation 10").await;
        page.reads(".log", "refused: switch to v2.5.0").await;
        assert!((server.weight("v2.5.0").await - 100.0).abs() < 1e-9);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn version_with_several_urls_is_registered() {
    let server = Server::empty().await;
    in_browser("register", async |page| {
        page.sign_in(&server).await;
        page.press("Register the first version").await;
        page.fill("dialog input[spellcheck=false]", "checkout").await;
        page.fill("dialog input[placeholder='v1.2']", "v1").await;
        page.fill("dialog textarea", "http://10.0.4.1:8080\nhttp://10.0.4.2:8080").await;
        page.fill("dialog input[placeholder='/healthz']", "/up").await;
        page.reads(
            "dialog code",
            "canary register checkout v1 http://10.0.4.1:8080 http://10.0.4.2:8080 --health /up",
        )
        .await;
        page.looks_right("register").await;
        page.press("Register").await;
        page.reads("[role=status]", "Generation 1").await;
        page.reads("h1", "checkout").await;
        page.reads("tr", "2 instances").await;
        page.press("Register version").await;
        page.fill("dialog input[placeholder='v1.2']", "v1").await;
        page.fill("dialog textarea", "nonsense").await;
        page.press("Register").await;
        page.reads("dialog [role=alert]", "Invalid URL").await;
        page.keys(Key::Escape + "").await;
        page.until("document.querySelector('dialog') == null").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn version_is_drained_and_removed() {
    let server = Server::rolling_out().await;
    server.requests(40).await;
    in_browser("drain", async |page| {
        page.sign_in(&server).await;
        page.press("Switch all traffic to v2.4.0").await;
        page.reads("dialog", "75 % of users move").await;
        page.press("Switch").await;
        page.reads("[role=status]", "Generation 9").await;
        for (item, done) in
            [("Wait until drained", "✓ v2.3.1 is drained: it may be stopped."), ("Probe now", "200 in 3 ms")]
        {
            page.press("More for v2.3.1").await;
            page.press(item).await;
            page.reads("[role=status]", done).await;
        }
        assert!(page.eval("document.title").await.as_str().unwrap().starts_with('✓'));
        page.press("More for v2.3.1").await;
        page.press("Take out of service…").await;
        page.press("Take out of service").await;
        page.reads("tr", "out of service").await;
        page.press("More for v2.3.1").await;
        page.press("Remove…").await;
        page.reads("dialog code", "canary remove checkout v2.3.1").await;
        page.press("Remove").await;
        page.reads("[role=status]", "Generation 11").await;
        page.until(
            "![...document.querySelectorAll('.versions tr')].some(of => of.innerText.includes('v2.3.1'))",
        )
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn key_is_explained_under_a_draft() {
    let server = Server::rolling_out().await;
    in_browser("explain", async |page| {
        page.sign_in(&server).await;
        page.fill("[aria-label=Key]", "alice@example.com").await;
        page.press("Explain").await;
        page.reads("output", "by its key: slot").await;
        page.press("More for v2.4.0").await;
        page.keys(Key::Escape + "").await;
        page.fill(CANARY, "100").await;
        page.reads(".draft", "75 % of users move").await;
        let is = server.get("/deployment/services/checkout/explain?key=alice@example.com").await;
        page.press("Explain").await;
        let expected = if is["version"] == "v2.4.0" {
            "v2.4.0 by its key"
        } else {
            "After the draft it would get v2.4.0."
        };
        page.reads("output", expected).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn removed_version_ends_its_draft() {
    let server = Server::rolling_out().await;
    server.register("checkout", "v2.5.0", "http://10.0.4.9:8080").await;
    in_browser("removed-draft", async |page| {
        page.sign_in(&server).await;
        page.fill("[aria-label='Weight of v2.5.0 in percent']", "5").await;
        page.reads(".draft", "of users move").await;
        for change in
            [Change::deactivate("v2.5.0".parse().unwrap()), Change::remove("v2.5.0".parse().unwrap())]
        {
            server.change("checkout", change, "bob", "").await;
        }
        page.reads(".draft", "Changed meanwhile by bob: v2.5.0 is gone.").await;
        // The page is at rest: nothing moves the button away while it is pressed.
        page.reads("[aria-labelledby=history]", "removed v2.5.0").await;
        page.reads("[aria-labelledby=replicas]", "all serve").await;
        page.press("Discard").await;
        page.until("document.querySelector('.draft') == null").await;
    })
    .await;
}

//! What the page shows by itself, how soon, and what it costs.

use std::time::Duration;

use serde_json::json;
use tower_canary::routing::Change;

use crate::browser::in_browser;
use crate::server::Server;

/// Reads are a second apart. The rest is for a slow machine.
const SOON: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn change_elsewhere_shows_by_itself() {
    let server = Server::rolling_out().await;
    in_browser("elsewhere", async |page| {
        page.sign_in(&server).await;
        page.reads(".title", "at 25 %").await;
        for weight in ["30", "35", "40"] {
            server.set_weight("v2.4.0", weight).await;
            let took = page.reads_within(".title", &format!("at {weight} %"), SOON).await;
            println!("shown after {took:?}");
        }
        server.register("auth", "v1", "http://10.0.4.1:8080").await;
        page.reads_within("nav", "auth", SOON).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn memory_of_a_tab_is_steady() {
    let server = Server::rolling_out().await;
    in_browser("memory", async |page| {
        page.sign_in(&server).await;
        page.reads(".title", "at 25 %").await;
        let used = async || {
            page.tab.cdp().send_raw("HeapProfiler.collectGarbage", json!({})).await.unwrap();
            let metrics = page.tab.cdp().send_raw("Runtime.getHeapUsage", json!({})).await.unwrap();
            metrics["usedSize"].as_f64().unwrap()
        };
        // The history grows to its page of 20 changes first.
        for i in 0..14 {
            server.set_weight("v2.4.0", if i % 2 == 0 { "30" } else { "25" }).await;
        }
        page.reads(".title", "generation 22").await;
        // The page sees each change by itself. Scripts of the driver would take memory of their own.
        let changes = async || {
            for i in 0..12 {
                server.set_weight("v2.4.0", if i % 2 == 0 { "30" } else { "25" }).await;
                server.requests(20).await;
                tokio::time::sleep(Duration::from_millis(1100)).await;
            }
        };
        // The engine of the browser learns from the first ones.
        changes().await;
        let before = used().await;
        changes().await;
        let grown = used().await - before;
        println!("12 changes: {:.0} KB more", grown / 1e3);
        assert!(grown < 100e3, "{grown} bytes");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn failures_are_beside_those_of_the_other_version() {
    let server = Server::rolling_out().await;
    server.fail("10.0.4.3");
    server.requests(400).await;
    in_browser("failures", async |page| {
        page.sign_in(&server).await;
        page.reads("[aria-labelledby=way]", "failed 100.00 % beside 0.00 % of v2.3.1").await;
        page.reads("tr", "v2.4.0 new").await;
        page.sees("[aria-label='Observed over'] label:last-child").await.click().await.unwrap();
        page.reads("[aria-labelledby=versions]", "last 5 min at gateway-1").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn earlier_changes_stay_when_the_history_is_read_again() {
    let server = Server::rolling_out().await;
    for _ in 0..30 {
        server.change("checkout", Change::Redraw, "alice", "").await;
    }
    in_browser("earlier", async |page| {
        page.sign_in(&server).await;
        page.until("document.querySelectorAll('.log tbody tr').length === 20").await;
        // Both reads are under way at once.
        page.eval(
            "(window.fetch = (send => (...given) => new Promise(done => setTimeout(done, \
             /history.*before=/.test(given[0]) ? 1500 : /history/.test(given[0]) ? 2500 : 0)).then(() => send(...given)))(window.fetch), true)",
        )
        .await;
        server.change("checkout", Change::Redraw, "bob", "meanwhile").await;
        page.press("Earlier changes").await;
        page.reads(".log", "meanwhile").await;
        page.until("document.querySelectorAll('.log tbody tr').length >= 38").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn hidden_tab_reads_nothing() {
    let server = Server::rolling_out().await;
    in_browser("hidden", async |page| {
        page.sign_in(&server).await;
        page.reads(".title", "at 25 %").await;
        page.eval("(Object.defineProperty(document, 'hidden', {value: true, configurable: true}), document.dispatchEvent(new Event('visibilitychange')), performance.clearResourceTimings(), true)").await;
        tokio::time::sleep(Duration::from_millis(2500)).await;
        let calls = page.eval("performance.getEntriesByType('resource').length").await;
        assert!(calls.as_u64().unwrap() <= 3, "{calls} calls");
        server.change("checkout", Change::switch("v2.3.1".parse().unwrap()), "bob", "").await;
        page.eval("(Object.defineProperty(document, 'hidden', {value: false, configurable: true}), document.dispatchEvent(new Event('visibilitychange')), true)").await;
        page.reads_within(".title", "steady", SOON).await;
    })
    .await;
}

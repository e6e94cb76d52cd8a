//! Texts of people and backends that try to be more than text.

use std::time::Duration;

use serde_json::json;
use tower_canary::deployments::Unhealthy;
use tower_canary::routing::Change;

use crate::browser::in_browser;
use crate::server::{HOSTILE_REASON, Server};

const HOSTILE: [&str; 5] = [
    "\"><img src=x onerror=\"window.hit = 1\">",
    "<script>window.hit = 1</script>",
    "javascript:window.hit=1",
    "\u{202e}right to left\u{2066}",
    "'; rm -rf / #`$(reboot)`${{7*7}}{{constructor}}",
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn texts_stay_texts() {
    let server = Server::rolling_out().await;
    for text in HOSTILE {
        server.change("checkout", Change::Redraw, text, text).await;
    }
    server.change("checkout", Change::Redraw, &"w".repeat(255), &"w".repeat(1_000)).await;
    server.check.set("http://10.0.4.9:8080", Some(Unhealthy::Unreachable(HOSTILE[0].into())));
    in_browser("hostile", async |page| {
        page.sign_in(&server).await;
        // It expires after 15 seconds.
        server.report(HOSTILE[0], 1).await;
        page.reads("[aria-labelledby=replicas]", HOSTILE[0]).await;
        for text in HOSTILE.iter().filter(|text| text.is_ascii()) {
            page.reads(".log", text).await;
        }
        page.fill("[aria-label=Key]", HOSTILE[0]).await;
        page.press("Explain").await;
        page.reads("output", "by its key").await;
        page.press("Register version").await;
        page.fill("dialog input[placeholder='v1.2']", HOSTILE[1]).await;
        page.fill("dialog textarea", HOSTILE[2]).await;
        page.press("Register").await;
        page.sees("dialog [role=alert]").await;
        let elements =
            page.eval("document.querySelectorAll('img, script, iframe, object, embed, link').length").await;
        // The script of the page itself.
        assert_eq!((elements, page.eval("window.hit ?? null").await), (json!(1), json!(null)));
        page.looks_right("hostile").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn texts_of_a_rollout_stay_texts() {
    let server = Server::with_rollouts().await;
    let plan = json!({
        "version": "v1.1", "steps": [10, 50], "hold": "10m", "startGates": ["smoke-test"],
        "reason": HOSTILE_REASON,
    });
    server.post("/deployment/services/checkout/rollouts", &plan).await;
    in_browser("hostile-rollout", async |page| {
        page.sign_in(&server).await;
        page.reads_within("[aria-labelledby=way]", "onerror=\"window.hit = 1\"", Duration::from_secs(40))
            .await;
        page.sees(".events summary").await.click().await.unwrap();
        let elements = page.eval("document.querySelectorAll('img').length").await;
        assert_eq!((elements, page.eval("window.hit ?? null").await), (json!(0), json!(null)));
        page.looks_right("hostile-rollout").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn address_of_the_page_may_be_anything() {
    let server = Server::rolling_out().await;
    in_browser("hostile-address", async |page| {
        page.sign_in(&server).await;
        page.reads("h1", "checkout").await;
        for (hash, name) in [
            ("#/%E0%A4%A", "%E0%A4%A"),
            ("#/%3Cimg%20src=x%3E", "<img src=x>"),
            ("#/..", ".."),
            ("#/__proto__", "__proto__"),
            ("#/%E2%80%AEx%00%1B[2J", "\u{202e}x"),
        ] {
            page.eval(&format!("location.hash = {}", json!(hash))).await;
            page.reads("[role=alert]", &format!("There is no service {name}")).await;
            page.reads("h1", "checkout").await;
            page.press("Dismiss").await;
        }
        page.eval(&format!("location.hash = '#/{}'", "w".repeat(2_000))).await;
        page.reads("[role=alert]", "There is no service www").await;
        page.looks_right("hostile-address").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn policy_refuses_markup_even_from_the_page() {
    let server = Server::rolling_out().await;
    in_browser("policy", async |page| {
        page.sign_in(&server).await;
        let refused = page
            .tab
            .execute(
                "try { document.createElement('div').innerHTML = '<b>x</b>'; return 'allowed'; } catch (error) { return error.name; }",
                [],
            )
            .await
            .unwrap();
        assert_eq!(refused.json(), &json!("TypeError"));
        // That attempt is in the log, and only that.
        let log = page.tab.handle().get_log("browser").await.unwrap();
        assert!(format!("{log:?}").contains("TrustedHTML"), "{log:?}");
    })
    .await;
}

//! Many services, versions, instances and changes: what the page shows of them, and how much it does for that.

use std::sync::atomic::Ordering;

use serde_json::json;
use tower_canary::deployments::Unhealthy;
use tower_canary::routing::Change;

use crate::browser::{Browser, in_browser};
use crate::server::Server;

/// Counts the elements that the page makes, and the rows of the list that it describes: each needs the name of its service
/// in an address. Nothing else needs the name of a service that is not shown.
const COUNT: &str = "(() => {
  window.made = window.described = 0;
  for (const name of ['createElement', 'createElementNS']) {
    const create = document[name];
    document[name] = function (...given) { window.made += 1; return create.apply(this, given); };
  }
  const encode = encodeURIComponent;
  window.encodeURIComponent = text => {
    if (/^service-(?!000)/.test(text)) window.described += 1;
    return encode(text);
  };
  return true;
})()";

/// Counts from here, also the changes within the list and its form for narrow pages.
const COUNT_AGAIN: &str = "(() => {
  window.made = window.described = window.changed = 0;
  const observer = new MutationObserver(records => { window.changed += records.length; });
  for (const list of document.querySelectorAll('nav, .pick')) {
    observer.observe(list, {subtree: true, childList: true, attributes: true, characterData: true});
  }
  performance.clearResourceTimings();
  return true;
})()";

async fn count(page: &Browser, name: &str) -> u64 {
    page.eval(&format!("window.{name}")).await.as_u64().unwrap()
}

/// Waits until the page has read the status a few times more.
async fn some_seconds(page: &Browser) {
    let reads =
        "performance.getEntriesByType('resource').filter(of => of.name.endsWith('/deployment/status'))";
    page.until(&format!("{reads}.length >= 3")).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn thousand_services_are_drawn_once() {
    let server = Server::empty().await;
    server.register_many(1_000).await;
    in_browser("thousand", async |page| {
        page.open(&server).await;
        page.sees("#token").await;
        page.eval(COUNT).await;
        page.enter_token(&server.token()).await;
        page.reads("nav", "and 800 services more").await;
        let lists =
            "performance.getEntriesByType('resource').filter(of => of.name.includes('/services?')).length";
        assert_eq!(page.eval(lists).await, json!(1));
        // A row has six elements, an entry of the choice for narrow pages has one.
        let made = count(page, "made").await;
        assert!(made < 200 * 6 + 1_000 + 300, "{made} elements");
        assert_eq!(count(page, "described").await, 199);

        // A part without changes costs nothing.
        page.eval(COUNT_AGAIN).await;
        some_seconds(page).await;
        assert_eq!((count(page, "described").await, count(page, "changed").await), (0, 0));

        // One other service costs one row.
        server.register("service-001", "v2", "http://10.0.4.2:8080").await;
        server.change("service-001", Change::switch("v2".parse().unwrap()), "bob", "").await;
        page.reads("nav li:nth-child(2)", "v2").await;
        let changed = count(page, "changed").await;
        assert!(changed <= 4 && count(page, "made").await < 30, "{changed} changes");

        page.fill("#filter", "service-99").await;
        page.until("document.querySelectorAll('nav li').length === 10").await;
        page.looks_right("thousand").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn everything_at_once() {
    let server = Server::large().await;
    server.requests(2_000).await;
    for host in ["10.0.2.7", "10.0.2.8", "10.0.8.1"] {
        server.check.set(&format!("http://{host}:8080"), Some(Unhealthy::Status(503)));
    }
    for name in ["gateway-2", "gateway-3"] {
        server.report(name, server.revision()).await;
    }
    in_browser("large", async |page| {
        page.sign_in(&server).await;
        page.eval("location.hash = '#/checkout'").await;
        page.reads(".title", "rolling out v2.8.0").await;
        page.reads(".facts", "3 of 3 serve it").await;
        page.reads("tr", "20 instances, 2 out of service").await;
        page.looks_right("large").await;
        page.sees(".versions tbody tr:nth-child(2) summary").await.click().await.unwrap();
        page.reads(".v li", "10.0.2.7:8080 down, check failed: it responded 503").await;
        for page_number in 2..=10 {
            page.press("Earlier changes").await;
            page.until(&format!("document.querySelectorAll('.log tbody tr').length >= {}", 20 * page_number))
                .await;
        }
        server.withdraw("gateway-3").await;
        page.reads("[aria-labelledby=replicas]", "gone for").await;
        page.looks_right("large-gone").await;
        server.store.down.store(true, Ordering::SeqCst);
        page.reads(".banner", "The store cannot be reached").await;
        page.looks_right("large-down").await;
    })
    .await;
}

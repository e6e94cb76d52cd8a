//! The pure functions of the page, in the browser that runs them.

use serde_json::json;

use crate::browser::in_browser;

const SCRIPTS: &str = concat!(
    include_str!("../../src/console/script/format.js"),
    include_str!("../../src/console/script/derive.js"),
    include_str!("../../src/console/script/change.js"),
);

/// Expressions and their values.
const CASES: &str = include_str!("pure.js");

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn functions_have_their_values() {
    in_browser("pure", async |page| {
        let wrong = page.tab.execute(format!("{SCRIPTS}{CASES}"), []).await.unwrap();
        assert_eq!(wrong.json(), &json!([]));
    })
    .await;
}

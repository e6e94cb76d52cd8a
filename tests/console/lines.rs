//! The lines for a shell that the page shows do what the page does.

use std::process::Command;

use serde_json::json;

use crate::browser::{Browser, in_browser};
use crate::server::Server;

/// Runs the line of curl that the page shows last, and returns the response.
async fn run_shown(page: &Browser, server: &Server) -> String {
    page.until("document.querySelector('.same [aria-pressed]') != null").await;
    try_command(page, server).await;
    if page.eval("document.querySelector('.same [aria-pressed]').ariaPressed").await == json!("false") {
        page.press("curl").await;
    }
    page.reads(".same code", "curl -X").await;
    let line = page.eval("[...document.querySelectorAll('.same code')].at(-1).textContent").await;
    let line = line.as_str().unwrap().to_owned();
    assert!(line.contains("$CANARY_TOKEN") && !line.contains("eyJ"), "{line}");
    let token = server.token();
    let output = tokio::task::spawn_blocking(move || {
        Command::new("sh").args(["-euc", &line]).env("CANARY_TOKEN", token).output().unwrap()
    })
    .await
    .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Lets `canary` preview the line of the command line that the page shows last. It is built with the feature `cli`.
async fn try_command(page: &Browser, server: &Server) {
    let Some(program) = option_env!("CARGO_BIN_EXE_canary") else { return };
    if page.eval("document.querySelector('.same [aria-pressed]').ariaPressed").await == json!("true") {
        page.press("curl").await;
    }
    page.reads(".same code", "canary ").await;
    let line = page.eval("[...document.querySelectorAll('.same code')].at(-1).textContent").await;
    let line = line.as_str().unwrap().replacen("canary ", "\"$CANARY\" ", 1) + " --dry-run";
    let [url, token] = [server.api(), server.token()];
    let mut shell = Command::new("sh");
    shell.args(["-euc", &line]).env("CANARY", program).env("CANARY_URL", url).env("CANARY_TOKEN", token);
    let output = tokio::task::spawn_blocking(move || shell.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn each_line_makes_its_change() {
    let server = Server::rolling_out().await;
    in_browser("lines", async |page| {
        page.sign_in(&server).await;
        page.fill("[aria-label='Weight of v2.4.0 in percent']", "50").await;
        page.reads(".draft", "of users move").await;
        page.fill("[aria-label=Reason]", "it's \"fine\" at $HOME").await;
        page.reads(".same code", "--reason 'it'\\''s \"fine\" at $HOME'").await;
        let made = run_shown(page, &server).await;
        assert!(made.contains("\"generation\":9"), "{made}");
        page.reads(".log", "it's \"fine\" at $HOME").await;
        page.press("Discard").await;
        each_dialog(page, &server).await;
        page.press("Register version").await;
        page.fill("dialog input[placeholder='v1.2']", "v2.6.0").await;
        page.fill("dialog textarea", "http://10.0.4.6:8080").await;
        assert!(run_shown(page, &server).await.contains("\"version\":\"v2.6.0\""));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn line_cannot_be_copied_without_a_clipboard() {
    let server = Server::rolling_out().await;
    in_browser("no-clipboard", async |page| {
        page.sign_in(&server).await;
        // Browsers have none on a page from another host by plain HTTP.
        page.eval("(Object.defineProperty(navigator, 'clipboard', {value: undefined}), true)").await;
        page.fill("[aria-label='Weight of v2.4.0 in percent']", "50").await;
        page.press("Copy").await;
        page.reads("[role=status]", "This browser does not let the page copy.").await;
    })
    .await;
}

/// Runs the line of each dialog, and leaves the dialog without a change of its own.
async fn each_dialog(page: &Browser, server: &Server) {
    for (open, generation) in [
        (&["Roll back to v2.3.1"][..], 10),
        (&["Restore 7: the split of that generation"], 11),
        (&["More for v2.4.0", "Draw users again…"], 12),
        (&["More for v2.2.0", "Take into service…"], 13),
        (&["More for v2.2.0", "Take out of service…"], 14),
        (&["More for v2.2.0", "Remove…"], 15),
    ] {
        page.reads(".title", &format!("generation {}", generation - 1)).await;
        for name in open {
            page.press(name).await;
        }
        page.sees("dialog").await;
        let made = run_shown(page, server).await;
        assert!(made.contains(&format!("\"generation\":{generation}")), "{open:?}: {made}");
        page.press("Cancel").await;
    }
}

//! A browser with one page, and what a person sees and does in it.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt;
use serde_json::{Value, json};
use thirtyfour::prelude::*;
use tokio::time::sleep;

use crate::driver::Driver;
use crate::server::Server;

/// The longest time until the page shows what it should.
const PATIENCE: Duration = Duration::from_secs(20);

/// The viewports of the tests: a desk, and a phone.
pub(crate) const VIEWPORTS: [(&str, u32, u32); 2] = [("desk", 1280, 800), ("phone", 390, 844)];
pub(crate) const THEMES: [&str; 2] = ["light", "dark"];

/// One tab of Chromium.
pub(crate) struct Browser {
    pub(crate) tab: WebDriver,
    _driver: Arc<Driver>,
}

/// Runs `test` in a browser. It fails if the browser has logged anything but statuses of the API, and keeps a screenshot of
/// a failure.
pub(crate) async fn in_browser(name: &str, test: impl AsyncFnOnce(&Browser)) {
    let browser = Browser::start().await;
    let outcome = AssertUnwindSafe(test(&browser)).catch_unwind().await;
    let log = browser.log().await;
    if outcome.is_err() || !log.is_empty() {
        browser.shoot(&folder().join(format!("{name}.png"))).await;
    }
    browser.tab.clone().quit().await.unwrap();
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
    assert_eq!(log, [""; 0], "the browser has logged something");
}

/// `target/console`, for screenshots.
fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("console");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

impl Browser {
    async fn start() -> Self {
        let driver = Driver::shared();
        let mut capabilities = DesiredCapabilities::chrome();
        // The sandbox does not work for root.
        for argument in ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-sandbox"] {
            capabilities.add_arg(argument).unwrap();
        }
        capabilities.set("goog:loggingPrefs", json!({"browser": "ALL"})).unwrap();
        let tab = WebDriver::new(&driver.url, capabilities).await.unwrap();
        let browser = Self { tab, _driver: driver };
        browser.emulate(VIEWPORTS[0], "light").await;
        browser
    }

    /// Sets the size of the viewport and the preferred theme, without motion.
    pub(crate) async fn emulate(&self, (_, width, height): (&str, u32, u32), theme: &str) {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.tab.cdp().send_raw("Emulation.setDeviceMetricsOverride", metrics).await.unwrap();
        let media = json!({"features": [
            {"name": "prefers-color-scheme", "value": theme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]});
        self.tab.cdp().send_raw("Emulation.setEmulatedMedia", media).await.unwrap();
    }

    /// Opens the console of `server` and signs in with a token.
    pub(crate) async fn sign_in(&self, server: &Server) {
        self.open(server).await;
        self.enter_token(&server.token()).await;
        self.sees("header.top").await;
    }

    pub(crate) async fn open(&self, server: &Server) {
        self.tab.goto(server.console()).await.unwrap();
    }

    pub(crate) async fn enter_token(&self, token: &str) {
        self.fill("#token", token).await;
        self.press("Sign in").await;
    }

    /// Waits until an element matches and returns it.
    pub(crate) async fn sees(&self, css: &str) -> WebElement {
        let query = self.tab.query(By::Css(css)).wait(PATIENCE, Duration::from_millis(20));
        query.first().await.unwrap_or_else(|_| panic!("there is no {css}"))
    }

    /// Waits until the text of an element contains `text`.
    pub(crate) async fn reads(&self, css: &str, text: &str) {
        self.reads_within(css, text, PATIENCE).await;
    }

    /// As [`reads`](Self::reads), and returns how long it took.
    pub(crate) async fn reads_within(&self, css: &str, text: &str, limit: Duration) -> Duration {
        let start = Instant::now();
        let script = format!(
            "[...document.querySelectorAll({})].some(of => of.innerText.includes({}))",
            json!(css),
            json!(text)
        );
        while self.eval(&script).await != json!(true) {
            if start.elapsed() > limit {
                let page = self.eval("document.body.innerText").await;
                panic!(
                    "{css} does not say {text:?} within {limit:?}:\n{}",
                    page.as_str().unwrap_or_default()
                );
            }
            sleep(Duration::from_millis(20)).await;
        }
        start.elapsed()
    }

    /// Waits until an expression of JavaScript is true.
    pub(crate) async fn until(&self, expression: &str) {
        let start = Instant::now();
        while self.eval(expression).await != json!(true) {
            assert!(start.elapsed() < PATIENCE, "never: {expression}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The value of an expression of JavaScript.
    pub(crate) async fn eval(&self, expression: &str) -> Value {
        self.tab.execute(format!("return ({expression})"), []).await.unwrap().json().clone()
    }

    /// Presses the button, or the link, with this text or accessible name.
    pub(crate) async fn press(&self, name: &str) {
        // In the middle of the page no bar is over it.
        let script = format!(
            "const found = [...document.querySelectorAll('button, summary, a')].filter(of => of.checkVisibility() && \
             (of.ariaLabel ?? of.textContent).trim() === {}).at(-1); \
             found?.scrollIntoView({{block: 'center'}}); return found;",
            json!(name)
        );
        let start = Instant::now();
        loop {
            let found = self.tab.execute(script.clone(), []).await.unwrap().element();
            // The page may replace the element between the two calls.
            if let Ok(button) = found
                && button.click().await.is_ok()
            {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "there is no button {name:?} to press");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Replaces the text of a field by keys.
    pub(crate) async fn fill(&self, css: &str, text: &str) {
        let field = self.sees(css).await;
        field.send_keys(Key::Control + "a").await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Sends keys to the element that has the focus.
    pub(crate) async fn keys(&self, keys: impl Into<TypingData>) {
        self.tab.active_element().await.unwrap().send_keys(keys).await.unwrap();
    }

    /// Looks at the page in both themes and viewports: axe finds nothing, and nothing is wider than the viewport, down to
    /// 320 px. With `CANARY_TEST_SHOTS=1` it keeps screenshots.
    pub(crate) async fn looks_right(&self, name: &str) {
        let keeps = std::env::var_os("CANARY_TEST_SHOTS").is_some();
        for theme in THEMES {
            for viewport in VIEWPORTS {
                self.emulate(viewport, theme).await;
                self.is_accessible(&format!("{name}, {theme}, {}", viewport.0)).await;
                if keeps {
                    self.shoot(&folder().join(format!("{name}-{theme}-{}.png", viewport.0))).await;
                }
            }
        }
        self.emulate(("small phone", 320, 640), "light").await;
        let wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(self.eval(wide).await, json!(0), "{name} is wider than 320 px");
        self.emulate(VIEWPORTS[0], "light").await;
    }

    async fn is_accessible(&self, what: &str) {
        let file =
            std::env::var("CANARY_TEST_AXE").expect("CANARY_TEST_AXE is the path of axe.min.js: see .ci/run");
        if self.eval("typeof axe").await == json!("undefined") {
            let axe = std::fs::read_to_string(file).unwrap();
            self.tab.cdp().send_raw("Runtime.evaluate", json!({ "expression": axe })).await.unwrap();
        }
        let run = "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})\
                   .then(of => of.violations.map(it => `${it.id}: ${it.nodes.map(node => node.target + ' ' + node.failureSummary).join('; ')}`))";
        let asked = json!({"expression": run, "awaitPromise": true, "returnByValue": true});
        let found = self.tab.cdp().send_raw("Runtime.evaluate", asked).await.unwrap();
        assert_eq!(found["result"]["value"], json!([]), "{what}: {found}");
    }

    /// Keeps a picture of the page, down to where it ends.
    async fn shoot(&self, path: &Path) {
        let whole = json!({"captureBeyondViewport": true});
        let shot = self.tab.cdp().send_raw("Page.captureScreenshot", whole).await.unwrap();
        std::fs::write(path, STANDARD.decode(shot["data"].as_str().unwrap()).unwrap()).unwrap();
    }

    /// What the browser has logged, without the statuses of the API that are no success: the page shows those itself.
    async fn log(&self) -> Vec<String> {
        let entries = self.tab.handle().get_log("browser").await.unwrap();
        let lines = entries.iter().map(|entry| format!("{entry:?}"));
        lines.filter(|line| !line.contains("Failed to load resource")).collect()
    }
}

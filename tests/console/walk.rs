//! A first use of the gateway, from its printed address to a rollback.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::Router;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::browser::{Browser, in_browser};

/// A gateway with its demo, killed when dropped.
struct Gateway {
    process: Child,
    console: String,
    data: String,
    token: String,
    _folder: TempDir,
}

impl Gateway {
    /// Starts the example and reads what it prints for a person.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = format!("sqlite://{}/canary.db?mode=rwc", folder.path().display());
        let test = std::env::current_exe().unwrap();
        let program = test.ancestors().nth(2).unwrap().join("examples/gateway");
        let mut command = Command::new(program);
        command.args([
            "--print-token",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--database",
            &database,
        ]);
        let spawned = command.env_remove("DATABASE_URL").stdout(Stdio::piped()).spawn();
        let mut process = spawned.expect("needs the gateway: cargo build --all-features --examples");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut after = |prefix: &str| {
            let line = lines.find_map(|line| Some(line.strip_prefix(prefix)?.trim().to_owned())).unwrap();
            line.split_whitespace().next().unwrap().to_owned()
        };
        let console = after("# console");
        let data = after("export GATEWAY=");
        let token = after("export TOKEN=");
        // A full pipe would stop the gateway.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, console, data, token, _folder: folder }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A backend, the new version of the service.
async fn backend() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(async || "v1.2\n");
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn newcomer_moves_ten_percent_and_rolls_back() {
    let gateway = Gateway::start();
    let backend = backend().await;
    let client = reqwest::Client::new();
    let hello = format!("{}/auth/hello", gateway.data);
    let traffic = tokio::spawn(async move {
        loop {
            let _ = client.get(&hello).send().await;
            sleep(Duration::from_millis(2)).await;
        }
    });
    in_browser("walk", async |page| {
        page.tab.goto(&gateway.console).await.unwrap();
        page.enter_token(&gateway.token).await;
        page.reads("h1", "auth").await;
        register_and_move(page, &backend).await;
        page.sees("[aria-label='Observed over'] label:first-child").await.click().await.unwrap();
        page.reads_within("[aria-labelledby=split]", "✓ As configured: v1.2 got", Duration::from_secs(20))
            .await;
        page.looks_right("walk").await;
        page.press("Roll back to v1.0").await;
        page.reads("dialog", "10 % of users move from v1.2 to v1.0").await;
        page.press("Roll back").await;
        page.reads("[role=status]", "Generation 5").await;
        page.reads(".title", "steady v1.0 has all traffic").await;
    })
    .await;
    traffic.abort();
}

/// Registers v1.2 and moves 10 % to it.
async fn register_and_move(page: &Browser, backend: &str) {
    page.press("Register version").await;
    page.fill("dialog input[placeholder='v1.2']", "v1.2").await;
    page.fill("dialog textarea", backend).await;
    page.press("Register").await;
    page.reads("[role=status]", "Generation 3").await;
    page.reads("tr", "v1.2 ready").await;
    page.fill("[aria-label='Weight of v1.2 in percent']", "10").await;
    page.reads(".draft", "10 % of users move from v1.0 to v1.2, nobody else.").await;
    page.press("Apply 10 %").await;
    page.reads("[role=status]", "Generation 4").await;
    page.reads(".title", "rolling out v1.2 at 10 %").await;
}

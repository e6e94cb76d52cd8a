//! Helpers of the campaigns: gateways on a database, continuous load, and statistics.

use std::fs::File;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::{Method, Request, StatusCode};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::harness::{Gateway, HttpClient, client, empty, read};
use crate::launch::command;

/// Defines a test on SQLite, and the same test on the servers, in the modules `on_postgres` and `on_mysql`. These are ignored,
/// since they need the URL of a server.
macro_rules! on_every_database {
    (async fn $name:ident($kind:ident: Kind) $body:block) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let $kind = Kind::Sqlite;
            $body
        }

        #[cfg(feature = "postgres")]
        mod on_postgres {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs CANARY_TEST_POSTGRES_URL"]
            async fn $name() {
                let $kind = Kind::Postgres;
                $body
            }
        }

        #[cfg(feature = "mysql")]
        mod on_mysql {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs CANARY_TEST_MYSQL_URL"]
            async fn $name() {
                let $kind = Kind::MySql;
                $body
            }
        }
    };
}
pub(crate) use on_every_database;

/// Maximum time until a gateway starts or reports why it cannot.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// Number of connections of [`concurrently`].
const CONNECTIONS: usize = 16;

/// Maximum time of one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Starts a gateway on the database at `url`.
pub(crate) fn gateway_on(url: &str) -> Gateway {
    Gateway::start(&["--no-demo", "--database", url])
}

/// The one-line error of a start.
#[derive(Debug)]
pub(crate) struct StartError {
    pub(crate) line: String,
    pub(crate) took: Duration,
}

/// Starts a gateway on the database at `url`, or returns its error. Either must happen soon.
pub(crate) fn boot(url: &str) -> Result<Gateway, StartError> {
    let dir = tempfile::tempdir().unwrap();
    let [out, err] = ["out", "err"].map(|name| dir.path().join(name));
    let mut command = command(dir.path());
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command.args(["--print-token", "--no-demo", "--database", url]);
    command.stdout(Stdio::from(File::create(&out).unwrap()));
    let mut child = command.stderr(Stdio::from(File::create(&err).unwrap())).spawn().unwrap();
    let start = Instant::now();
    let mut exit = None;
    while exit.is_none() && !std::fs::read_to_string(&out).unwrap().contains("export TOKEN=") {
        let late = start.elapsed() > START_TIMEOUT;
        if late {
            child.kill().unwrap();
        }
        assert!(!late, "{url}: neither started nor refused within {START_TIMEOUT:?}");
        std::thread::sleep(Duration::from_millis(5));
        exit = child.try_wait().unwrap();
    }
    let Some(exit) = exit else {
        child.kill().unwrap();
        child.wait().unwrap();
        return Ok(gateway_on(url));
    };
    let took = start.elapsed();
    let line = std::fs::read_to_string(&err).unwrap();
    assert_eq!((exit.code(), line.lines().count()), (Some(1), 1), "{line}");
    Err(StartError { line: line.trim().into(), took })
}

/// Continuous requests over several connections.
#[derive(Debug)]
pub(crate) struct Load {
    stopped: Arc<AtomicBool>,
    connections: Vec<JoinHandle<(u64, Vec<String>)>>,
}

impl Load {
    pub(crate) fn start(gateway: &Gateway, path: &str, connections: usize) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        Self {
            connections: (0..connections)
                .map(|_| tokio::spawn(requests(client(), gateway.url(path), Arc::clone(&stopped))))
                .collect(),
            stopped,
        }
    }

    /// Ends the load and returns the number of requests. No request may have failed.
    pub(crate) async fn end(self) -> u64 {
        self.stopped.store(true, Ordering::Relaxed);
        let mut count = 0;
        let mut failures = Vec::new();
        for connection in self.connections {
            let (more, failed) = connection.await.unwrap();
            count += more;
            failures.extend(failed);
        }
        assert!(failures.is_empty(), "{} of {count} failed: {:?}", failures.len(), failures.first());
        count
    }
}

async fn requests(client: HttpClient, url: String, stopped: Arc<AtomicBool>) -> (u64, Vec<String>) {
    let mut count = 0;
    let mut failures = Vec::new();
    while !stopped.load(Ordering::Relaxed) {
        count += 1;
        if let Err(failure) = request(&client, &url).await {
            failures.push(failure);
        }
    }
    (count, failures)
}

async fn request(client: &HttpClient, url: &str) -> Result<(), String> {
    let request = Request::get(url).body(empty()).unwrap();
    let response = timeout(REQUEST_TIMEOUT, async { Ok(read(client.request(request).await?).await) }).await;
    match response {
        Ok(Ok(response)) if response.status == StatusCode::OK => Ok(()),
        Ok(Ok(response)) => Err(format!("{} {}", response.status, response.text)),
        Ok(Err(error)) => {
            let error: hyper_util::client::legacy::Error = error;
            Err(format!("{error:?}"))
        }
        Err(_) => Err(format!("no response within {REQUEST_TIMEOUT:?}")),
    }
}

/// Calls `ask` with each of `0..count` over several concurrent connections, each kept alive. Returns the
/// results in order.
pub(crate) async fn concurrently<T, A>(
    count: usize,
    ask: impl Fn(HttpClient, usize) -> A + Clone + Send + 'static,
) -> Vec<T>
where
    A: Future<Output = T> + Send,
    T: Send + 'static,
{
    let mut connections = Vec::new();
    for first in 0..CONNECTIONS {
        let client = client();
        let ask = ask.clone();
        connections.push(tokio::spawn(async move {
            let mut responses = Vec::new();
            for i in (first..count).step_by(CONNECTIONS) {
                responses.push((i, ask(client.clone(), i).await));
            }
            responses
        }));
    }
    let mut all = Vec::with_capacity(count);
    for connection in connections {
        all.extend(connection.await.unwrap());
    }
    all.sort_unstable_by_key(|(i, _)| *i);
    all.into_iter().map(|(_, response)| response).collect()
}

/// Reads the split of `service` that `gateway` serves.
pub(crate) async fn read_split(gateway: &Gateway, service: &str) -> Value {
    let listed =
        gateway.admin(Method::GET, &format!("/deployment/services/{service}/versions"), Value::Null).await;
    assert_whole(&listed);
    listed
}

/// Reads every change of `service`, latest first.
pub(crate) async fn history(gateway: &Gateway, service: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut before = String::new();
    loop {
        let path = format!("/deployment/services/{service}/history?limit=200{before}");
        let mut page = gateway.admin(Method::GET, &path, Value::Null).await;
        all.append(page["history"].as_array_mut().unwrap());
        match page["nextBefore"].as_u64() {
            Some(next) => before = format!("&before={next}"),
            None => return all,
        }
    }
}

/// Asserts that the active versions of `split` total 100, if there are any.
pub(crate) fn assert_whole(split: &Value) {
    assert_total(split["versions"].as_array().unwrap().iter(), split);
}

/// Asserts the same of the split after a history entry.
pub(crate) fn assert_whole_entry(entry: &Value) {
    assert_total(entry["after"].as_object().unwrap().values(), entry);
}

fn assert_total<'a>(shares: impl Iterator<Item = &'a Value>, context: &Value) {
    let mut total = 0.0;
    let mut active = false;
    for share in shares {
        let weight = share["weight"].as_f64().unwrap();
        assert!(weight == 0.0 || share["isActive"] == true, "{context}");
        total += weight;
        active |= share["isActive"] == true;
    }
    let expected = if active { 100.0 } else { 0.0 };
    assert!((total - expected).abs() < 1e-9, "the weights total {total}: {context}");
}

/// Returns the median, the 99th percentile and the maximum.
pub(crate) fn percentiles(mut times: Vec<Duration>) -> (Duration, Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100], times[times.len() - 1])
}

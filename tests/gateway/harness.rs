//! The gateway as a process, and clients for it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::pin::pin;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tower_canary::layer::ResponseBody;

use crate::launch::{command, read_export, read_guide};
use crate::wait::wait_until;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type AnyBody = BoxBody<Bytes, BoxError>;
pub(crate) type HttpClient = Client<HttpConnector, AnyBody>;

/// A running gateway, killed when dropped.
#[derive(Debug)]
pub(crate) struct Gateway {
    child: Child,
    output: Option<JoinHandle<String>>,
    /// `127.0.0.1:PORT` for requests.
    pub(crate) data: String,
    pub(crate) admin: String,
    pub(crate) token: String,
    client: HttpClient,
    dir: Option<TempDir>,
}

/// A response with its whole body.
#[derive(Debug)]
pub(crate) struct FullResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) trailers: HeaderMap,
    pub(crate) text: String,
}

impl Gateway {
    /// Starts a gateway with its own database.
    pub(crate) fn start(options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut gateway = Self::start_in(dir.path(), options);
        gateway.dir = Some(dir);
        gateway
    }

    /// Starts a gateway on the database in `dir`.
    pub(crate) fn start_in(dir: &Path, options: &[&str]) -> Self {
        Self::run(command(dir), options)
    }

    /// Starts a gateway with its own database that logs to `log`. `filter` is its `RUST_LOG`.
    pub(crate) fn start_logging(log: File, filter: Option<&str>, options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = command(dir.path());
        command.stderr(log).env_remove("RUST_LOG").envs(filter.map(|filter| ("RUST_LOG", filter)));
        let mut gateway = Self::run(command, options);
        gateway.dir = Some(dir);
        gateway
    }

    /// Starts a gateway with `command`, its environment and these options.
    pub(crate) fn run(mut command: Command, options: &[&str]) -> Self {
        command.args(["--print-token", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).args(options);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let [url, admin, token] = ["GATEWAY=", "ADMIN=", "TOKEN="].map(|name| read_export(&mut lines, name));
        let data = url.split_once("://").unwrap().1.to_owned();
        let output = std::thread::spawn(move || read_guide(lines));
        Self { child, output: Some(output), data, admin, token, client: client(), dir: None }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills the gateway and returns the text that it printed after the token.
    pub(crate) fn printed(mut self) -> String {
        self.kill();
        self.guide()
    }

    /// Returns the text that the gateway with its demo printed after the token.
    pub(crate) fn guide(&mut self) -> String {
        self.output.take().unwrap().join().unwrap()
    }

    /// Returns the `export` lines for a shell.
    pub(crate) fn exports(&self) -> String {
        format!("export GATEWAY=http://{} ADMIN={} TOKEN={}\n", self.data, self.admin, self.token)
    }

    /// Sends SIGKILL and waits for the end.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    pub(crate) async fn exit(&mut self, within: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            sleep(Duration::from_millis(10)).await;
        }
        None
    }

    /// Waits until the gateway accepts no more connections for requests.
    pub(crate) async fn wait_closed(&self) {
        wait_until(Duration::from_secs(15), "no new connections", async || {
            TcpStream::connect(&self.data).await.is_err()
        })
        .await;
    }

    /// Waits until the status of `/readyz` is `status`.
    pub(crate) async fn wait_readiness(&self, status: u16) {
        let url = self.admin.replace("/api/v1/admin", "/readyz");
        wait_until(Duration::from_secs(15), "the status of /readyz", async || {
            read_url(&url).await.status == status
        })
        .await;
    }

    /// Returns the resident memory in KiB: the current value and the maximum.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let [current, maximum] = ["VmRSS:", "VmHWM:"].map(|name| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        });
        (current, maximum)
    }

    /// Returns the number of tasks of the gateway.
    pub(crate) async fn tasks(&self) -> usize {
        let page = read_url(&self.admin.replace("/api/v1/admin", "/metrics")).await.text;
        let line = page.lines().find_map(|line| line.strip_prefix("canary_gateway_tasks "));
        line.unwrap().parse().unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.data)
    }

    pub(crate) async fn get(&self, path: &str) -> FullResponse {
        self.send(Request::get(self.url(path)).body(empty()).unwrap()).await
    }

    pub(crate) async fn send(&self, request: Request<AnyBody>) -> FullResponse {
        read(self.client.request(request).await.unwrap()).await
    }

    /// Calls the admin API. Returns `None` if the gateway has ended.
    pub(crate) async fn try_admin(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Option<(StatusCode, Value)> {
        self.try_admin_if(None, method, path, body).await
    }

    /// Calls the admin API with `If-Match: "generation"`. Returns `None` if the gateway has ended.
    pub(crate) async fn try_admin_if(
        &self,
        generation: Option<u64>,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Option<(StatusCode, Value)> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.admin));
        if let Some(generation) = generation {
            request = request.header("if-match", format!("\"{generation}\""));
        }
        let request = request.header("authorization", format!("Bearer {}", self.token));
        let request = request.header("content-type", "application/json");
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let request = request.body(full(text)).unwrap();
        let read_response = async {
            let response = self.client.request(request).await.ok()?;
            let status = response.status();
            Some((status, response.into_body().collect().await.ok()?.to_bytes()))
        };
        let (status, bytes) = self.unless_ended(read_response).await??;
        Some((
            status,
            serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes))),
        ))
    }

    /// Awaits `response`. Returns `None` if the gateway has ended and there is no response within a second.
    ///
    /// The client may wait forever if the gateway is killed while a request starts.
    async fn unless_ended<T>(&self, response: impl Future<Output = T>) -> Option<T> {
        let mut response = pin!(response);
        loop {
            match timeout(Duration::from_secs(1), &mut response).await {
                Ok(response) => return Some(response),
                Err(_) if self.has_ended() => return None,
                Err(_) => {}
            }
        }
    }

    /// Returns whether the process has ended, reaped or not.
    fn has_ended(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        // The state follows the name of the command, which is in parentheses.
        stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with('Z'))
    }

    /// Opens an event stream of the admin API.
    pub(crate) async fn events(&self, path: &str) -> Response<Incoming> {
        let request = Request::get(format!("{}{path}", self.admin)).header("accept", "text/event-stream");
        let request = request.header("authorization", format!("Bearer {}", self.token));
        self.client.request(request.body(empty()).unwrap()).await.unwrap()
    }

    /// Calls the admin API and expects a success.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, response) = self.try_admin(method, path, &body).await.unwrap();
        assert!(status.is_success(), "{path} {body}: {status} {response}");
        response
    }

    pub(crate) async fn register(&self, service: &str, version: &str, url: &str) {
        let body = json!({ "version": version, "url": url });
        self.admin(Method::POST, &format!("/routing/services/{service}/versions"), body).await;
    }

    pub(crate) async fn set_weight(&self, service: &str, version: &str, weight: f64) {
        let path = format!("/deployment/services/{service}/versions/{version}/weight");
        self.admin(Method::PUT, &path, json!({ "weight": weight })).await;
    }

    pub(crate) async fn switch(&self, service: &str, version: &str) {
        let path = format!("/deployment/services/{service}/versions/{version}/switch");
        self.admin(Method::POST, &path, Value::Null).await;
    }

    pub(crate) async fn versions(&self, service: &str) -> Vec<Value> {
        let path = format!("/deployment/services/{service}/versions");
        let response = self.admin(Method::GET, &path, Value::Null).await;
        response["versions"].as_array().unwrap().clone()
    }

    /// Returns the number of requests in flight at a version of `service`.
    pub(crate) async fn in_flight(&self, service: &str, version: &str) -> usize {
        let path = format!("/deployment/services/{service}/traffic?version={version}");
        let traffic = self.admin(Method::GET, &path, Value::Null).await;
        traffic["versions"][0]["inFlight"].as_u64().unwrap().try_into().unwrap()
    }

    /// Waits until `count` requests are in flight at a version of `service`.
    pub(crate) async fn wait_in_flight(&self, service: &str, version: &str, count: usize) {
        wait_until(Duration::from_secs(10), "the requests are in flight", async || {
            self.in_flight(service, version).await == count
        })
        .await;
    }

    /// Waits until `other`, on the same database, serves what this gateway serves and both have reported as replicas.
    pub(crate) async fn wait_converged(&self, other: &Self) {
        wait_until(Duration::from_secs(10), "both gateways serve the same", async || {
            let listed = self.admin(Method::GET, "/deployment/replicas", Value::Null).await;
            let replicas = listed["replicas"].as_array().unwrap().len();
            replicas == 2 && self.services().await == other.services().await
        })
        .await;
    }

    /// Returns every split that this gateway serves.
    pub(crate) async fn services(&self) -> Value {
        self.admin(Method::GET, "/deployment/services", Value::Null).await
    }

    /// Returns the weights by version.
    pub(crate) async fn weights(&self, service: &str) -> BTreeMap<String, f64> {
        let versions = self.versions(service).await;
        versions
            .iter()
            .map(|v| (v["version"].as_str().unwrap().into(), v["weight"].as_f64().unwrap()))
            .collect()
    }

    /// Sends `count` requests over `connections` concurrent connections and counts the responses by
    /// version. Every status must be 200.
    pub(crate) async fn count_versions(
        &self,
        path: &str,
        count: usize,
        connections: usize,
    ) -> BTreeMap<String, usize> {
        let each = (0..connections).map(|i| {
            let url = self.url(path);
            let client = client();
            let share = count / connections + usize::from(i < count % connections);
            tokio::spawn(async move {
                let mut versions = Vec::new();
                for _ in 0..share {
                    let request = Request::get(&url).body(empty()).unwrap();
                    let response = read(client.request(request).await.unwrap()).await;
                    assert_eq!(response.status, StatusCode::OK, "{}", response.text);
                    versions.push(response.text.split_whitespace().nth(1).unwrap().to_owned());
                }
                versions
            })
        });
        let mut counts = BTreeMap::new();
        for task in each.collect::<Vec<_>>() {
            for version in task.await.unwrap() {
                *counts.entry(version).or_default() += 1;
            }
        }
        counts
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Creates a client with its own connections.
pub(crate) fn client() -> HttpClient {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

/// Sends a GET request without a token.
pub(crate) async fn read_url(url: &str) -> FullResponse {
    read(client().request(Request::get(url).body(empty()).unwrap()).await.unwrap()).await
}

pub(crate) fn empty() -> AnyBody {
    full(Bytes::new())
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> AnyBody {
    Full::new(bytes.into()).map_err(Into::into).boxed()
}

pub(crate) async fn read(response: Response<Incoming>) -> FullResponse {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    FullResponse { status: head.status, headers: head.headers, trailers, text }
}

/// Reads the status and the text of a response that passed through a layer in this process.
pub(crate) async fn read_counted(response: Response<ResponseBody<Incoming>>) -> (StatusCode, String) {
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (head.status, String::from_utf8_lossy(&bytes).into_owned())
}

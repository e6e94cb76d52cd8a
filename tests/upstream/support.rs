//! Scripted backends for HTTP/1.1, and clients.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::rt::Executor;
use hyper_util::rt::TokioExecutor;
use socket2::SockRef;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tower::Service;
use tower_canary::probe::UrlPolicy;
use tower_canary::upstream::{Body, Client, Error, Task};

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type AnyBody = UnsyncBoxBody<Bytes, BoxError>;
pub(crate) type AnyClient = Client<AnyBody>;

/// A backend that runs a script for each connection. It stops when dropped.
pub(crate) struct Backend {
    pub(crate) url: String,
    connections: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Backend {
    /// Runs `script` for each connection, with its number from 0.
    pub(crate) async fn start<F, A>(script: F) -> Self
    where
        F: Fn(Connection, usize) -> A + Send + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let accepting = tokio::spawn(async move {
            // The connections end with the backend.
            let mut running = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let number = counted.fetch_add(1, Ordering::SeqCst);
                running.spawn(script(Connection { stream: BufReader::new(stream) }, number));
            }
        });
        Self { url, connections, accepting }
    }

    /// The connections that were accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// A request for `path` without a body.
    pub(crate) fn request(&self, method: Method, path: &str) -> Request<AnyBody> {
        Request::builder().method(method).uri(format!("{}{path}", self.url)).body(empty()).unwrap()
    }

    pub(crate) fn get(&self) -> Request<AnyBody> {
        self.request(Method::GET, "/")
    }

    pub(crate) fn post(&self, body: AnyBody) -> Request<AnyBody> {
        self.request(Method::POST, "/").map(|_| body)
    }

    /// A gRPC call, which goes over HTTP/2.
    pub(crate) fn call(&self, body: AnyBody) -> Request<AnyBody> {
        let mut request = self.post(body);
        request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        request
    }
}

/// A connection of a backend.
pub(crate) struct Connection {
    pub(crate) stream: BufReader<TcpStream>,
}

impl Connection {
    /// Reads a request without a body. Returns its head in lower case, or `None` at the end.
    pub(crate) async fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if self.stream.read_until(b'\n', &mut head).await.ok()? == 0 {
                return None;
            }
        }
        Some(String::from_utf8(head).unwrap().to_lowercase())
    }

    pub(crate) async fn write(&mut self, text: &str) {
        // A client that has gone is what some tests want.
        let _ = self.stream.write_all(text.as_bytes()).await;
    }

    /// Responds 200 with `headers`, each of which ends with CRLF, and the body `ok`.
    pub(crate) async fn ok(&mut self, headers: &str) {
        self.write(&format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{headers}\r\nok")).await;
    }

    /// Responds to every request with `ok`.
    pub(crate) async fn serve(mut self) {
        while self.head().await.is_some() {
            self.ok("").await;
        }
    }

    /// Waits until the client closes the connection.
    pub(crate) async fn closed(&mut self) {
        let mut rest = [0; 1_024];
        while self.stream.read(&mut rest).await.is_ok_and(|count| count > 0) {}
    }

    /// Closes with a reset instead of a FIN.
    pub(crate) fn reset(self) {
        let stream = self.stream.into_inner();
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// An executor that counts the tasks that run.
#[derive(Clone, Default)]
pub(crate) struct Counting(Arc<AtomicUsize>);

impl Counting {
    pub(crate) fn running(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Executor<Task> for Counting {
    fn execute(&self, task: Task) {
        let running = Arc::clone(&self.0);
        running.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            task.await;
            running.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

pub(crate) fn client() -> AnyClient {
    Client::new(UrlPolicy::new().allow_loopback(), TokioExecutor::new())
}

pub(crate) fn counting_client() -> (AnyClient, Counting) {
    let counting = Counting::default();
    (Client::new(UrlPolicy::new().allow_loopback(), counting.clone()), counting)
}

pub(crate) fn empty() -> AnyBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

pub(crate) fn full(data: impl Into<Bytes>) -> AnyBody {
    Full::new(data.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Sends a request, and fails if it does not resolve.
pub(crate) async fn send(client: &AnyClient, request: Request<AnyBody>) -> Result<Response<Body>, Error> {
    // Always ready.
    let sent = client.clone().call(request);
    timeout(Duration::from_secs(10), sent).await.unwrap()
}

/// Sends a request and reads the response. Returns its status and body.
pub(crate) async fn fetch(
    client: &AnyClient,
    request: Request<AnyBody>,
) -> Result<(StatusCode, Bytes), Error> {
    let (head, body) = send(client, request).await?.into_parts();
    let body = timeout(Duration::from_secs(10), body.collect()).await.unwrap()?;
    Ok((head.status, body.to_bytes()))
}

/// Sends a request that must get `ok`.
pub(crate) async fn expect_ok(client: &AnyClient, request: Request<AnyBody>) {
    let (status, body) = fetch(client, request).await.unwrap();
    assert_eq!((status, body.as_ref()), (StatusCode::OK, &b"ok"[..]));
}

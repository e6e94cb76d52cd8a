//! Backends for the gateway.

use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::header::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::harness::{AnyBody, empty, full};

/// A backend that stops when dropped.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) url: String,
    accepting: JoinHandle<()>,
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Starts a backend that responds with `respond`.
pub(crate) async fn backend<F, A>(respond: F) -> Backend
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Response<AnyBody>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    Backend { url, accepting: tokio::spawn(serve(listener, respond, pending())) }
}

/// Serves requests with `respond` until `stop`, then drains.
pub(crate) async fn serve<F, A>(listener: TcpListener, respond: F, stop: impl Future<Output = ()>)
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Response<AnyBody>> + Send + 'static,
{
    // Connections end with their backend.
    let mut connections = JoinSet::new();
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted.unwrap(),
            () = &mut stop => break,
        };
        stream.set_nodelay(true).unwrap();
        let respond = respond.clone();
        let watcher = graceful.watcher();
        let service = service_fn(move |request| {
            let response = respond(request);
            async move { Ok::<_, Infallible>(response.await) }
        });
        let builder = auto::Builder::new(TokioExecutor::new());
        connections.spawn(async move {
            let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
            _ = watcher.watch(connection.into_owned()).await;
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Starts a backend that responds `auth NAME PATH` after `delay`.
pub(crate) async fn named_backend(name: &'static str, delay: Duration) -> Backend {
    backend(move |request| async move {
        sleep(delay).await;
        let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        Response::new(full(format!("auth {name} {path}\n")))
    })
    .await
}

/// A backend that responds `auth NAME PATH`, to no request before [`release`](Self::release).
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) backend: Backend,
    released: watch::Sender<bool>,
}

impl Held {
    pub(crate) async fn start(name: &'static str) -> Self {
        let released = watch::Sender::new(false);
        let waiting = released.subscribe();
        let backend = backend(move |request| {
            let mut waiting = waiting.clone();
            async move {
                let _ = waiting.wait_for(|released| *released).await;
                let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
                Response::new(full(format!("auth {name} {path}\n")))
            }
        });
        Self { backend: backend.await, released }
    }

    pub(crate) fn release(&self) {
        self.released.send_replace(true);
    }
}

/// Starts a backend that responds with the request head it received, one `name: value` per line.
pub(crate) async fn echo() -> Backend {
    backend(|request| async move {
        let mut text = format!("{} {}\n", request.method(), request.uri());
        for (name, value) in request.headers() {
            text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
        }
        Response::new(full(text))
    })
    .await
}

/// Starts a WebSocket backend that sends its name, then echoes each message. Other requests get an empty
/// 200.
pub(crate) async fn websocket(name: &'static str) -> Backend {
    backend(move |mut request| {
        ready(echo_messages(name, &mut request).unwrap_or_else(|| Response::new(empty())))
    })
    .await
}

/// Accepts a WebSocket that sends `name`, then echoes each message. Returns `None` for other requests.
pub(crate) fn echo_messages(
    name: &'static str,
    request: &mut Request<Incoming>,
) -> Option<Response<AnyBody>> {
    let accept = derive_accept_key(request.headers().get(SEC_WEBSOCKET_KEY)?.as_bytes());
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let Ok(stream) = upgrade.await else { return };
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Server, None).await;
        let mut sent = socket.send(name.into()).await;
        while sent.is_ok()
            && let Some(Ok(message)) = socket.next().await
        {
            if message.is_text() || message.is_binary() {
                sent = socket.send(message).await;
            }
        }
    });
    let response =
        Response::builder().status(101).header("connection", "upgrade").header("upgrade", "websocket");
    Some(response.header(SEC_WEBSOCKET_ACCEPT, accept).body(empty()).unwrap())
}

/// A backend that parses requests as a strict server does and records each complete head.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) url: String,
    heads: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&heads);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(record(stream, Arc::clone(&recorded)));
            }
        });
        Self { url, heads, accepting }
    }

    /// Takes the heads recorded since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.heads.lock().unwrap())
    }
}

async fn record(stream: TcpStream, heads: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_until(b'\n', &mut head).await.ok()? == 0 {
                return None;
            }
        }
        let lower = String::from_utf8_lossy(&head).to_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if lower.contains("transfer-encoding: chunked") {
            skip_chunks(&mut stream).await?;
        } else {
            let mut body = vec![0; length.unwrap_or(0)];
            stream.read_exact(&mut body).await.ok()?;
        }
        heads.lock().unwrap().push(lower);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n").await.ok()?;
    }
}

async fn skip_chunks(stream: &mut BufReader<TcpStream>) -> Option<()> {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let size = usize::from_str_radix(line.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        stream.read_exact(&mut chunk).await.ok()?;
        if size == 0 {
            return Some(());
        }
    }
}

//! Backends to stand behind the gateway.

use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::harness::{AnyBody, full};

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

/// A backend that answers with `answer`.
pub(crate) async fn backend<F, A>(answer: F) -> Backend
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Response<AnyBody>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let accepting = tokio::spawn(async move {
        // Connections end with their backend.
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let answer = answer(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            let builder = auto::Builder::new(TokioExecutor::new());
            connections
                .spawn(async move { _ = builder.serve_connection(TokioIo::new(stream), service).await });
        }
    });
    Backend { url, accepting }
}

/// A backend that answers `auth NAME PATH` after `delay`.
pub(crate) async fn named(name: &'static str, delay: Duration) -> Backend {
    backend(move |request| async move {
        sleep(delay).await;
        let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        Response::new(full(format!("auth {name} {path}\n")))
    })
    .await
}

/// A backend that answers with the head of the request as it came, `name: value` per line.
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

/// A backend that reads requests as a strict server does, and remembers the head of each that is whole.
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
        let noted = Arc::clone(&heads);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(record(stream, Arc::clone(&noted)));
            }
        });
        Self { url, heads, accepting }
    }

    /// The heads of the requests since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.heads.lock().unwrap())
    }
}

async fn record(stream: TcpStream, heads: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.ok()? == 0 {
                return None;
            }
        }
        let lower = head.to_lowercase();
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

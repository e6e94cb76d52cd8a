//! A server whose stream gathers the writes of HTTP/2.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response};
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::time::timeout;
use tower_canary::proxy::CoalescingStream;

/// No test waits for time to pass, so with a paused clock this ends at once where the server waits.
const LIMIT: Duration = Duration::from_secs(1);

/// A stream that counts its writes.
struct Counted {
    stream: DuplexStream,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Responds with what the request sends, and to requests without a body with 1 KiB.
async fn respond(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body = if body.is_empty() { Bytes::from(vec![b'a'; 1_024]) } else { body };
    Ok(Response::new(Full::new(body)))
}

/// Serves one connection. Returns the end of the client, and the number of writes of the server so far.
fn serve<S, B>(service: S, buffer: usize) -> (DuplexStream, Arc<AtomicUsize>)
where
    S: hyper::service::Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let (client, server) = duplex(buffer);
    let writes = Arc::new(AtomicUsize::new(0));
    let server = CoalescingStream::new(Counted { stream: server, writes: Arc::clone(&writes) });
    tokio::spawn(async move {
        let builder = auto::Builder::new(TokioExecutor::new());
        let _ = builder.serve_connection_with_upgrades(TokioIo::new(server), service).await;
    });
    (client, writes)
}

async fn connect<B>(stream: DuplexStream) -> http2::SendRequest<B>
where
    B: http_body::Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn fetch(sender: &http2::SendRequest<Empty<Bytes>>) -> Bytes {
    let response = sender.clone().send_request(Request::get("http://a/").body(Empty::new()).unwrap());
    let response = timeout(LIMIT, response).await.unwrap().unwrap();
    timeout(LIMIT, response.into_body().collect()).await.unwrap().unwrap().to_bytes()
}

#[tokio::test(start_paused = true)]
async fn responses_of_many_streams_share_writes() {
    let (client, writes) = serve(service_fn(respond), 1 << 20);
    let sender = connect(client).await;
    assert_eq!(fetch(&sender).await.len(), 1_024, "a lone one arrives");
    let before = writes.load(Ordering::Relaxed);
    let bodies = join_all((0..64).map(|_| fetch(&sender))).await;
    assert!(bodies.iter().all(|body| body.len() == 1_024));
    let writes = writes.load(Ordering::Relaxed) - before;
    assert!(writes <= 64 / 8, "{writes}");
}

#[tokio::test(start_paused = true)]
async fn each_part_of_a_stream_arrives() {
    let (parts, receive) = tokio::sync::mpsc::channel::<Bytes>(1);
    let receive = Arc::new(tokio::sync::Mutex::new(receive));
    let service = service_fn(move |_: Request<Incoming>| {
        let receive = Arc::clone(&receive);
        let (mut send, body) = Channel::<Bytes, Infallible>::new(1);
        tokio::spawn(async move {
            while let Some(part) = receive.lock().await.recv().await {
                send.send_data(part).await.unwrap();
            }
        });
        async move { Ok(Response::new(body)) }
    });
    let (client, _) = serve(service, 1 << 20);
    let mut sender = connect::<Empty<Bytes>>(client).await;
    let request = Request::get("http://a/").body(Empty::new()).unwrap();
    let mut body = sender.send_request(request).await.unwrap().into_body();
    for size in [1, 300, 20_000, 1] {
        parts.send(Bytes::from(vec![0; size])).await.unwrap();
        let mut left = size;
        while left > 0 {
            let frame = timeout(LIMIT, body.frame()).await.unwrap().unwrap().unwrap();
            left -= frame.into_data().unwrap().len();
        }
    }
}

/// The window of the stream is 64 KiB, so the upload needs the frames by which the server enlarges it.
#[tokio::test(start_paused = true)]
async fn uploads_get_their_windows() {
    let (client, _) = serve(service_fn(respond), 4_096);
    let mut sender = connect(client).await;
    let upload = Bytes::from(vec![b'u'; 4 << 20]);
    let request = Request::post("http://a/").body(Full::new(upload.clone())).unwrap();
    let response = timeout(LIMIT, sender.send_request(request)).await.unwrap().unwrap();
    assert_eq!(timeout(LIMIT, response.into_body().collect()).await.unwrap().unwrap().to_bytes(), upload);
}

#[tokio::test(start_paused = true)]
async fn client_that_does_not_read_stops_the_body() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let service = service_fn(move |_: Request<Incoming>| {
        let counted = Arc::clone(&counted);
        let (mut send, body) = Channel::<Bytes, Infallible>::new(1);
        tokio::spawn(async move {
            while send.send_data(Bytes::from(vec![0; 1_024])).await.is_ok() {
                counted.fetch_add(1_024, Ordering::Relaxed);
            }
        });
        async move { Ok(Response::new(body)) }
    });
    let (client, _) = serve(service, 8_192);
    let mut client = h2::client::Builder::new()
        .initial_window_size(1 << 30)
        .initial_connection_window_size(1 << 30)
        .handshake::<_, Bytes>(client)
        .await
        .unwrap();
    let (response, _) = client.0.send_request(Request::get("http://a/").body(()).unwrap(), true).unwrap();
    // Reads the head and then nothing more.
    let response = tokio::select! { response = response => response, _ = &mut client.1 => unreachable!() };
    assert!(response.is_ok());
    tokio::time::sleep(LIMIT).await;
    let stopped = sent.load(Ordering::Relaxed);
    tokio::time::sleep(LIMIT).await;
    assert_eq!(sent.load(Ordering::Relaxed), stopped);
    // hyper holds 400 KiB for a stream that cannot be written.
    assert!(stopped < 1 << 20, "{stopped}");
}

#[tokio::test(start_paused = true)]
async fn last_response_precedes_the_end() {
    let (client, server) = duplex(1 << 20);
    let mut connection = Box::pin(
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(CoalescingStream::new(server)), service_fn(respond)),
    );
    let sender = tokio::spawn(connect(client));
    let sender = tokio::select! { sender = sender => sender.unwrap(), _ = &mut connection => unreachable!() };
    let response = tokio::spawn(async move { fetch(&sender).await });
    // The request has arrived, and its response has not been written.
    let _ = futures_util::poll!(&mut connection);
    connection.as_mut().graceful_shutdown();
    timeout(LIMIT, connection).await.unwrap().unwrap();
    assert_eq!(response.await.unwrap().len(), 1_024);
}

#[tokio::test(start_paused = true)]
async fn upgrades_are_never_gathered() {
    let service = service_fn(|request: Request<Incoming>| async move {
        tokio::spawn(async move {
            let mut tunnel = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
            while let Ok(byte) = tunnel.read_u8().await {
                tunnel.write_u8(byte).await.unwrap();
            }
        });
        let response =
            Response::builder().status(101).header("connection", "upgrade").header("upgrade", "echo");
        Ok(response.body(Full::<Bytes>::default()).unwrap())
    });
    let (mut client, writes) = serve(service, 1 << 20);
    client
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")
        .await
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(LIMIT, client.read_u8()).await.unwrap().unwrap());
    }
    let before = writes.load(Ordering::Relaxed);
    // The preface of HTTP/2 in a tunnel changes nothing.
    let bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for byte in bytes {
        client.write_u8(*byte).await.unwrap();
        assert_eq!(timeout(LIMIT, client.read_u8()).await.unwrap().unwrap(), *byte);
    }
    assert_eq!(writes.load(Ordering::Relaxed) - before, bytes.len());
}

//! Responses of backends that do not read the whole request (RFC 9112, 9.5).

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tower_canary::probe::{GuardedConnector, UrlPolicy};

const FRAME: Bytes = Bytes::from_static(&[b'x'; 64 * 1024]);
const KIB: usize = 1024;

/// A request body of so many bytes, with a length or chunked.
struct Upload {
    left: usize,
    has_length: bool,
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let len = self.left.min(FRAME.len());
        self.left -= len;
        Poll::Ready((len > 0).then(|| Ok(Frame::data(FRAME.slice(..len)))))
    }

    fn size_hint(&self) -> SizeHint {
        if self.has_length { SizeHint::with_exact(self.left as u64) } else { SizeHint::default() }
    }
}

/// How a backend closes a connection whose request it has not read.
#[derive(Clone, Copy, Debug)]
enum Close {
    /// The system resets the connection, since data is unread.
    Reset,
    /// The stream ends, and then the system resets the connection.
    EndThenReset,
}

/// Starts a backend that sends `response` after each request head. Returns its URL and the number of connections.
async fn backend(response: Arc<[u8]>, close: Close) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/upload", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let response = Arc::clone(&response);
            tokio::spawn(async move { refuse(stream, &response, close).await });
        }
    });
    (url, connections)
}

async fn refuse(mut stream: TcpStream, response: &[u8], close: Close) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    stream.write_all(response).await?;
    if let Close::EndThenReset = close {
        stream.shutdown().await?;
        sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

fn client() -> Client<GuardedConnector, Upload> {
    Client::builder(TokioExecutor::new()).build(UrlPolicy::new().allow_loopback().connector())
}

/// Uploads, and returns the status and the body, with whether it was complete.
async fn upload(
    client: &Client<GuardedConnector, Upload>,
    url: &str,
    size: usize,
    has_length: bool,
) -> Result<(StatusCode, Vec<u8>, bool), Error> {
    let request = Request::post(url).body(Upload { left: size, has_length }).unwrap();
    let sending = timeout(Duration::from_secs(10), client.request(request));
    let response = sending.await.expect("a response or an error in time")?;
    let status = response.status();
    let mut body = response.into_body();
    let mut received = Vec::new();
    loop {
        match body.frame().await {
            Some(Ok(frame)) => received.extend(frame.into_data().unwrap_or_default()),
            Some(Err(_)) => return Ok((status, received, false)),
            None => return Ok((status, received, true)),
        }
    }
}

/// Sends 1,008 uploads.
#[tokio::test]
async fn early_responses_arrive() {
    let responses: [(&str, u16); 6] = [
        ("HTTP/1.1 413 Content Too Large\r\ncontent-length: 7\r\nconnection: close\r\n\r\ntoo big", 413),
        ("HTTP/1.1 401 Unauthorized\r\ncontent-length: 7\r\n\r\ntoo big", 401),
        (
            "HTTP/1.1 413 Content Too Large\r\ntransfer-encoding: chunked\r\n\r\n7\r\ntoo big\r\n0\r\n\r\n",
            413,
        ),
        ("HTTP/1.0 413 Content Too Large\r\ncontent-length: 7\r\n\r\ntoo big", 413),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 Forbidden\r\ncontent-length: 7\r\n\r\ntoo big", 403),
        ("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\ntoo big", 200),
    ];
    for (response, status) in responses {
        for close in [Close::Reset, Close::EndThenReset] {
            let (url, _) = backend(response.as_bytes().into(), close).await;
            let client = client();
            for round in 0..42 {
                let size = [512 * KIB, 1024 * KIB, 3000 * KIB + 1, 8192 * KIB][round % 4];
                for has_length in [true, false] {
                    let seen = upload(&client, &url, size, has_length).await;
                    let case = format!("{response:?} {close:?} {size} {has_length}");
                    assert_eq!(seen.expect(&case), (status_of(status), b"too big".to_vec(), true), "{case}");
                }
            }
        }
    }
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap()
}

/// The body is larger than one read.
#[tokio::test]
async fn large_early_response_is_complete() {
    let body = "y".repeat(100 * KIB);
    let response = format!("HTTP/1.1 413 x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    for close in [Close::Reset, Close::EndThenReset] {
        let (url, _) = backend(response.as_bytes().into(), close).await;
        for has_length in [true, false].repeat(4) {
            let seen = upload(&client(), &url, 8192 * KIB, has_length).await.unwrap();
            assert_eq!((seen.0, seen.1.len(), seen.2), (StatusCode::PAYLOAD_TOO_LARGE, body.len(), true));
        }
    }
}

/// Without a length only the end of the stream says that a body is complete, and a reset is not one (RFC 9112, 8).
#[tokio::test]
async fn body_without_length_arrives() {
    let response = b"HTTP/1.0 401 Unauthorized\r\n\r\ntoo big".as_slice();
    let (url, _) = backend(response.into(), Close::EndThenReset).await;
    for has_length in [true, false].repeat(8) {
        let seen = upload(&client(), &url, 2048 * KIB, has_length).await.unwrap();
        assert_eq!(seen, (StatusCode::UNAUTHORIZED, b"too big".to_vec(), true));
    }
    let (url, _) = backend(response.into(), Close::Reset).await;
    for has_length in [true, false].repeat(8) {
        let (status, body, _) = upload(&client(), &url, 2048 * KIB, has_length).await.unwrap();
        assert_eq!((status, &body[..]), (StatusCode::UNAUTHORIZED, &b"too big"[..]));
    }
}

/// A write that was discarded is no success.
#[tokio::test]
async fn unanswered_upload_fails() {
    for response in ["", "HTTP/1.1 413", "HTTP/1.1 413 x\r\ncontent-length: 9\r\n"] {
        for close in [Close::Reset, Close::EndThenReset] {
            let (url, _) = backend(response.as_bytes().into(), close).await;
            for has_length in [true, false].repeat(4) {
                let seen = upload(&client(), &url, 4096 * KIB, has_length).await;
                assert!(seen.is_err(), "{response:?} {close:?} {seen:?}");
            }
        }
    }
}

/// The response allows reuse, and its connection is gone.
#[tokio::test]
async fn failed_connection_is_not_reused() {
    let response = b"HTTP/1.1 413 x\r\ncontent-length: 7\r\n\r\ntoo big".as_slice();
    let (url, connections) = backend(response.into(), Close::Reset).await;
    let client = client();
    for count in 1..=20 {
        let seen = upload(&client, &url, 4096 * KIB, true).await.unwrap();
        assert_eq!(seen, (StatusCode::PAYLOAD_TOO_LARGE, b"too big".to_vec(), true));
        assert_eq!(connections.load(Ordering::SeqCst), count);
    }
}

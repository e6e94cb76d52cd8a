//! Backends that refuse uploads before they have read them.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::backends::{Backend, backend};
use crate::clients::http2_connection;
use crate::harness::{AnyBody, Gateway, full};
use crate::setting;

const CHUNK: usize = 64 * 1024;

/// Sizes of the uploads in KiB.
const SIZES: [usize; 5] = [512, 1_024, 2_048, 4_096, 8_192];

const TEXT: &str = "too big";

const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// An upload and the response that its backend sends.
#[derive(Clone, Copy, Debug)]
struct Upload {
    service: &'static str,
    status: StatusCode,
    size: usize,
    has_length: bool,
}

/// Starts a backend that responds with the status in the path as soon as it has the head. Then it reads on, or closes
/// at once, which resets the connection.
async fn refusing(reads_on: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(refuse(stream, reads_on));
        }
    });
    url
}

async fn refuse(stream: TcpStream, reads_on: bool) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        stream.read_line(&mut head).await.ok().filter(|count| *count > 0)?;
    }
    let status = head.split(['/', ' ']).nth(2)?;
    let response = format!(
        "HTTP/1.1 {status} Refused\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{TEXT}",
        TEXT.len()
    );
    stream.write_all(response.as_bytes()).await.ok()?;
    let mut part = [0; CHUNK];
    while reads_on && stream.read(&mut part).await.is_ok_and(|count| count > 0) {}
    Some(())
}

/// Uploads over HTTP/1.1 as a simple client does: everything is sent before the response is read.
async fn by_http1(gateway: &Gateway, upload: Upload) -> String {
    let Upload { service, status, size, has_length } = upload;
    let mut stream = TcpStream::connect(&gateway.data).await.unwrap();
    let framing =
        if has_length { format!("content-length: {size}") } else { "transfer-encoding: chunked".into() };
    let head = format!("POST /{service}/{} HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n", status.as_str());
    let data = "x".repeat(CHUNK);
    let chunk = if has_length { data } else { format!("{CHUNK:x}\r\n{data}\r\n") };
    // A failed write means that no more is wanted.
    let mut sent = stream.write_all(head.as_bytes()).await;
    for _ in 0..size / CHUNK {
        if sent.is_ok() {
            sent = stream.write_all(chunk.as_bytes()).await;
        }
    }
    let mut response = Vec::new();
    let mut part = [0; 4_096];
    while !response.ends_with(TEXT.as_bytes()) {
        match stream.read(&mut part).await {
            Ok(count @ 1..) => response.extend_from_slice(&part[..count]),
            end => return format!("{end:?} after {:?}", String::from_utf8_lossy(&response)),
        }
    }
    let response = String::from_utf8(response).unwrap();
    response.split(' ').nth(1).unwrap().to_owned()
}

async fn by_http2(gateway: &Gateway, upload: Upload) -> String {
    let Upload { service, status, size, has_length } = upload;
    let mut request = Request::post(gateway.url(&format!("/{service}/{}", status.as_str())));
    if has_length {
        request = request.header("content-length", size);
    }
    if service == "http2" {
        request = request.header("content-type", "application/grpc");
    }
    let chunk = Bytes::from(vec![b'x'; CHUNK]);
    let chunks = (0..size / CHUNK).map(move |_| Ok(Frame::data(chunk.clone())));
    let body: AnyBody = BodyExt::boxed(StreamBody::new(stream::iter(chunks)));
    let mut client = http2_connection(&gateway.data).await;
    let response = match client.send_request(request.body(body).unwrap()).await {
        Ok(response) => response,
        Err(error) => return format!("{error:?}"),
    };
    let status = response.status();
    match response.into_body().collect().await.map(|body| body.to_bytes()) {
        Ok(text) if text == TEXT => status.as_str().to_owned(),
        other => format!("{status} with {other:?}"),
    }
}

async fn respond(gateway: &Gateway, upload: Upload, is_http2: bool) -> Option<String> {
    let response =
        async { if is_http2 { by_http2(gateway, upload).await } else { by_http1(gateway, upload).await } };
    let response = timeout(RESPONSE_TIMEOUT, response).await;
    let seen = response.unwrap_or_else(|_| format!("nothing within {RESPONSE_TIMEOUT:?}"));
    (seen != upload.status.as_str())
        .then(|| format!("{upload:?} {}: {seen}", if is_http2 { "by HTTP/2" } else { "by HTTP/1.1" }))
}

/// The services of the gateway, and whether the client uses HTTP/2.
const WAYS: [(&str, bool); 5] =
    [("abrupt", false), ("abrupt", true), ("polite", false), ("polite", true), ("http2", true)];

/// Starts a gateway with the services of [`WAYS`]. The HTTP/2 backend ends when it is dropped.
async fn start() -> (Gateway, Backend) {
    let gateway = Gateway::start(&["--no-demo"]);
    let http2 = backend(|request: Request<_>| async move {
        let status = request.uri().path().trim_matches('/').parse::<u16>().unwrap();
        Response::builder().status(status).body(full(TEXT)).unwrap()
    })
    .await;
    gateway.register("abrupt", "v1", &refusing(false).await).await;
    gateway.register("polite", "v1", &refusing(true).await).await;
    gateway.register("http2", "v1", &http2.url).await;
    (gateway, http2)
}

/// Returns 20 kinds of uploads: size in bytes, status of the response, and whether the length is announced.
fn kinds() -> Vec<(usize, StatusCode, bool)> {
    let sizes = SIZES.iter().map(|kibibytes| kibibytes * 1_024);
    let refusals = sizes.flat_map(|size| {
        [StatusCode::PAYLOAD_TOO_LARGE, StatusCode::UNAUTHORIZED].map(|status| (size, status))
    });
    refusals.flat_map(|(size, status)| [true, false].map(|has_length| (size, status, has_length))).collect()
}

/// Sends `rounds` times 100 uploads. Every client must get the response of the backend.
async fn all_arrive(rounds: u64) {
    let (gateway, _http2) = start().await;
    let mut failures = Vec::new();
    let mut count = 0;
    for (size, status, has_length) in (0..rounds).flat_map(|_| kinds()) {
        let responses = WAYS.map(|(service, is_http2)| {
            Box::pin(respond(&gateway, Upload { service, status, size, has_length }, is_http2))
        });
        count += responses.len();
        failures.extend(join_all(responses).await.into_iter().flatten());
    }
    println!("{} of {count} early responses arrived", count - failures.len());
    assert!(failures.is_empty(), "{} of {count} failed: {failures:#?}", failures.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn early_refusals_arrive() {
    all_arrive(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn thousand_early_refusals_arrive() {
    all_arrive(setting("CANARY_CAMPAIGN_REFUSALS", 1_000).div_ceil(100)).await;
}

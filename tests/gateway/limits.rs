//! Memory and time that clients cannot use up.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::backends::backend;
use crate::harness::{AnyBody, Gateway, client, empty, full};

const CHUNK: usize = 64 * 1024;
const CHUNKS: usize = 1024;

/// 64 MiB, made as they are sent.
fn large() -> AnyBody {
    let chunk = Bytes::from(vec![b'x'; CHUNK]);
    let frames = stream::iter((0..CHUNKS).map(move |_| Ok(Frame::data(chunk.clone()))));
    BodyExt::boxed(StreamBody::new(frames))
}

async fn length<B: hyper::body::Body<Data = Bytes, Error: std::fmt::Debug> + Unpin>(mut body: B) -> usize {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.unwrap().data_ref().map_or(0, Bytes::len);
    }
    length
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_and_a_download_of_64_mib_stream_through_little_memory() {
    let backend = backend(|request: Request<hyper::body::Incoming>| async move {
        match request.uri().path() {
            "/down" => Response::new(large()),
            _ => Response::new(full(length(request.into_body()).await.to_string())),
        }
    });
    let backend = backend.await;
    let gateway = Gateway::start(&["--no-demo"]);
    gateway.register("auth", "v1", &backend.url).await;
    gateway.get("/auth/warm").await;
    let (before, _) = gateway.memory();

    let up = gateway.send(Request::post(gateway.url("/auth/up")).body(large()).unwrap()).await;
    assert_eq!(up.text, (CHUNK * CHUNKS).to_string());
    let request = Request::get(gateway.url("/auth/down")).body(empty()).unwrap();
    let down = client().request(request).await.unwrap();
    assert_eq!(length(down.into_body()).await, CHUNK * CHUNKS);

    let (_, most) = gateway.memory();
    let grown = most.saturating_sub(before);
    println!("resident memory grew by {grown} KiB");
    assert!(grown <= 16 * 1024, "{grown} KiB");
}

/// Sends `first`, then one byte of `rest` every five seconds, and waits to be cut off.
async fn cut_off_after(address: String, first: Vec<u8>) -> Option<Duration> {
    let start = Instant::now();
    let (mut from, mut to) = TcpStream::connect(address).await.unwrap().into_split();
    to.write_all(&first).await.unwrap();
    let dripping = tokio::spawn(async move {
        if first.starts_with(b"GET") {
            while to.write_all(b"x").await.is_ok() {
                sleep(Duration::from_secs(5)).await;
            }
        } else {
            std::future::pending::<()>().await;
        }
    });
    let end = timeout(Duration::from_secs(20), async {
        while from.read(&mut [0; 1024]).await.is_ok_and(|count| count > 0) {}
    });
    let ended = end.await.is_ok();
    dripping.abort();
    ended.then(|| start.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_never_finish_a_request_head_are_cut_off_in_15_s_and_delay_no_other() {
    let gateway = Gateway::start(&[]);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let settings = [preface.clone(), vec![0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    let slow =
        [vec![], b"GET /auth/ HTTP/1.1\r\nhost: a\r\nx-slow: ".to_vec(), preface[..9].to_vec(), settings];
    let slow: Vec<_> =
        (0..200).map(|i| tokio::spawn(cut_off_after(gateway.data.clone(), slow[i % 4].clone()))).collect();
    sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    gateway.answers("/auth/", 400, 4).await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    for (i, task) in slow.into_iter().enumerate() {
        let lasted = task.await.unwrap();
        assert!(lasted.is_some_and(|lasted| lasted <= Duration::from_secs(15)), "kind {}: {lasted:?}", i % 4);
    }
}

//! Stalled streams of an HTTP/2 connection, beside requests to another service.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2::SendRequest;
use socket2::SockRef;
use tokio::io::AsyncReadExt;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use crate::backends::{Backend, backend};
use crate::clients::http2_connection;
use crate::harness::{AnyBody, Gateway, full, read};

/// Starts a backend that reads the begin of each request and nothing more, with small buffers. Returns its URL.
async fn stalled_backend() -> String {
    let socket = TcpSocket::new_v4().unwrap();
    SockRef::from(&socket).set_recv_buffer_size(4096).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(256).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 16]).await;
            open.push(stream);
        }
    });
    url
}

/// Starts a backend that responds with the length of the request body.
async fn counting_backend() -> Backend {
    backend(|request| async move {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        http::Response::new(full(body.len().to_string()))
    })
    .await
}

/// A body of 256 MiB, created while it is sent.
fn large() -> AnyBody {
    let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
    BodyExt::boxed(StreamBody::new(stream::iter((0..4_096).map(move |_| Ok(Frame::data(chunk.clone()))))))
}

/// Uploads `size` bytes 20 times, and returns the shortest time: what slows each of them shows there, and what slows some of
/// them, such as other programs, does not.
async fn uploads(client: &mut SendRequest<AnyBody>, gateway: &Gateway, size: usize) -> Duration {
    let mut shortest = Duration::MAX;
    for _ in 0..20 {
        let start = Instant::now();
        let request = Request::post(gateway.url("/stable/")).body(full(vec![b'x'; size])).unwrap();
        client.ready().await.unwrap();
        let response = read(client.send_request(request).await.unwrap()).await;
        assert_eq!((response.status, response.text), (StatusCode::OK, size.to_string()));
        shortest = shortest.min(start.elapsed());
    }
    shortest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_uploads_do_not_slow_others() {
    let stable = counting_backend().await;
    let gateway = Gateway::start(&["--no-demo", "--threads", "1"]);
    gateway.register("canary", "v1", &stalled_backend().await).await;
    gateway.register("stable", "v1", &stable.url).await;
    let mut client = http2_connection(&gateway.data).await;
    let quiet = uploads(&mut client, &gateway, 200_000).await;
    let mut stalled = JoinSet::new();
    for count in [1, 10, 100] {
        while stalled.len() < count {
            let request = Request::post(gateway.url("/canary/")).body(large()).unwrap();
            client.ready().await.unwrap();
            stalled.spawn(client.send_request(request));
        }
        gateway.wait_in_flight("canary", "v1", count).await;
        // Meanwhile the stalled uploads fill the buffers on their way.
        uploads(&mut client, &gateway, 200_000).await;
        let beside = uploads(&mut client, &gateway, 200_000).await;
        println!("shortest of 20 uploads: {quiet:?} alone, {beside:?} beside {count}");
        assert!(beside < quiet * 3 + Duration::from_millis(100), "{quiet:?}, {beside:?} beside {count}");
    }
}

// Each takes at most its own send buffer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_downloads_do_not_slow_others() {
    let large_backend = backend(|_| async { http::Response::new(large()) }).await;
    let stable = counting_backend().await;
    let gateway = Gateway::start(&["--no-demo", "--threads", "1"]);
    gateway.register("canary", "v1", &large_backend.url).await;
    gateway.register("stable", "v1", &stable.url).await;
    let mut client = http2_connection(&gateway.data).await;
    let quiet = uploads(&mut client, &gateway, 20_000).await;
    let mut stalled = Vec::new();
    // hyper's client has a window of 5 MiB, so no more than two of its streams may stall.
    for _ in 0..2 {
        let request = Request::get(gateway.url("/canary/")).body(full("")).unwrap();
        client.ready().await.unwrap();
        stalled.push(client.send_request(request).await.unwrap());
    }
    let beside = uploads(&mut client, &gateway, 20_000).await;
    println!("shortest of 20 uploads: {quiet:?} alone, {beside:?} beside {}", stalled.len());
    assert!(beside < quiet * 3 + Duration::from_millis(100), "{quiet:?}, {beside:?}");
}

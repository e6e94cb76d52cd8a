//! HTTP/1.1: requests that are sent again, and connections that are used again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Method, StatusCode};
use http_body::Frame;
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, StreamBody};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use crate::support::{Backend, BoxError, Connection, client, expect_ok, fetch, full, send};
use crate::wait::wait_until;

/// Serves one request, and ends the first connection at its second one, with `before` as what it writes.
async fn closing(before: &'static str, by_reset: bool) -> (Backend, Arc<AtomicUsize>) {
    let received = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&received);
    let backend = Backend::start(move |mut connection: Connection, number| {
        let counted = Arc::clone(&counted);
        async move {
            let mut served = 0;
            while connection.head().await.is_some() {
                counted.fetch_add(1, Ordering::SeqCst);
                if number == 0 && served == 1 {
                    connection.write(before).await;
                    if by_reset {
                        connection.reset();
                    }
                    return;
                }
                connection.ok("").await;
                served += 1;
            }
        }
    })
    .await;
    (backend, received)
}

#[tokio::test]
async fn lost_safe_requests_are_sent_again() {
    for by_reset in [false, true] {
        for method in [Method::GET, Method::OPTIONS] {
            let (backend, received) = closing("", by_reset).await;
            let client = client();
            expect_ok(&client, backend.get()).await;
            expect_ok(&client, backend.request(method, "/")).await;
            assert_eq!((backend.connections(), received.load(Ordering::SeqCst)), (2, 3));
        }
    }
}

#[tokio::test]
async fn posts_are_never_sent_twice() {
    for by_reset in [false, true] {
        let (backend, received) = closing("", by_reset).await;
        let client = client();
        expect_ok(&client, backend.get()).await;
        let error = send(&client, backend.request(Method::POST, "/")).await.unwrap_err();
        assert!(!error.is_connect() && !error.is_unprocessed(), "{error:?}");
        assert_eq!(received.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test]
async fn begun_responses_are_not_repeated() {
    let (backend, received) = closing("HTTP/1.1 200 OK\r\ncont", false).await;
    let client = client();
    expect_ok(&client, backend.get()).await;
    assert!(send(&client, backend.get()).await.is_err());
    assert_eq!(received.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn new_connections_get_one_try() {
    let backend = Backend::start(|mut connection, _| async move { _ = connection.head().await }).await;
    let error = send(&client(), backend.get()).await.unwrap_err();
    assert!(!error.is_connect(), "{error:?}");
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn bodies_reach_the_backend() {
    let backend = Backend::start(|mut connection, _| async move {
        while let Some(head) = connection.head().await {
            assert!(head.contains("content-length: 5\r\n") && head.contains("host: 127.0.0.1"), "{head}");
            let mut body = [0; 5];
            connection.stream.read_exact(&mut body).await.unwrap();
            assert_eq!(&body, b"hello");
            connection.ok("").await;
        }
    })
    .await;
    let client = client();
    for _ in 0..3 {
        expect_ok(&client, backend.post(full("hello"))).await;
    }
    assert_eq!(backend.connections(), 1);
}

/// The backend closes idle connections after a time that it does not announce.
#[tokio::test]
async fn gets_survive_an_impatient_backend() {
    let backend = Backend::start(|mut connection, _| async move {
        // A new connection is not idle: its first request has all the time.
        let mut head = connection.head().await;
        while head.is_some() {
            connection.ok("").await;
            let next = tokio::time::timeout(Duration::from_millis(20), connection.head());
            head = next.await.ok().flatten();
        }
    })
    .await;
    let client = client();
    for i in 0..60 {
        expect_ok(&client, backend.get()).await;
        sleep(Duration::from_micros(18_000 + 50 * i)).await;
    }
}

#[tokio::test]
async fn keep_alive_hint_shortens_the_idle_time() {
    let backend = Backend::start(|mut connection, _| async move {
        while connection.head().await.is_some() {
            connection.ok("keep-alive: timeout=1\r\n").await;
        }
    })
    .await;
    let client = client();
    expect_ok(&client, backend.get()).await;
    expect_ok(&client, backend.get()).await;
    assert_eq!(backend.connections(), 1);
    sleep(Duration::from_millis(850)).await;
    expect_ok(&client, backend.get()).await;
    assert_eq!(backend.connections(), 2);
}

#[tokio::test]
async fn old_connections_are_replaced() {
    let backend = Backend::start(|connection, _| connection.serve()).await;
    let client = client().with_max_age(Duration::from_millis(50));
    expect_ok(&client, backend.get()).await;
    sleep(Duration::from_millis(60)).await;
    expect_ok(&client, backend.get()).await;
    assert_eq!(backend.connections(), 2);
}

#[tokio::test]
async fn authenticated_connections_are_private() {
    let plain = ("Basic YWxpY2U6", "");
    for (credentials, challenge) in [
        ("Negotiate YWxpY2U=", ""),
        ("nTLM TlRMTVNTUAAB", ""),
        ("Basic YWxpY2U6", "www-authenticate: Negotiate\r\n"),
        (
            "Basic YWxpY2U6",
            "www-authenticate: Basic realm=\"a\"\r\nWWW-Authenticate: Digest x=\"y\", NTLM\r\n",
        ),
        plain,
    ] {
        let backend = Backend::start(move |mut connection, _| async move {
            while connection.head().await.is_some() {
                connection.ok(challenge).await;
            }
        })
        .await;
        let client = client();
        let mut request = backend.get();
        request.headers_mut().insert("authorization", credentials.parse().unwrap());
        expect_ok(&client, request).await;
        expect_ok(&client, backend.get()).await;
        let expected = if (credentials, challenge) == plain { 1 } else { 2 };
        assert_eq!(backend.connections(), expected, "{credentials} {challenge}");
    }
}

#[tokio::test]
async fn space_before_colon_is_removed() {
    let backend = Backend::start(|mut connection, _| async move {
        connection.head().await;
        connection.ok("x-a : b\r\n").await;
    })
    .await;
    assert_eq!(send(&client(), backend.get()).await.unwrap().headers()["x-a"], "b");
}

#[tokio::test]
async fn early_responses_pass_and_end_the_connection() {
    let backend = Backend::start(|mut connection, number| async move {
        while connection.head().await.is_some() {
            connection.ok("").await;
            if number == 0 {
                return connection.closed().await;
            }
        }
    })
    .await;
    let client = client();
    let (mut upload, body) = Channel::<Bytes, BoxError>::new(1);
    upload.send_data(Bytes::from_static(b"first")).await.unwrap();
    expect_ok(&client, backend.post(body.boxed_unsync())).await;
    // The rest of the upload is still on its way, so this needs another connection.
    expect_ok(&client, backend.get()).await;
    assert_eq!(backend.connections(), 2);
    drop(upload);
}

#[tokio::test]
async fn complete_uploads_keep_the_connection() {
    let backend = Backend::start(|mut connection, _| async move {
        while let Some(head) = connection.head().await {
            if head.starts_with("post") {
                let mut chunks = [0; 17];
                connection.stream.read_exact(&mut chunks).await.unwrap();
                assert_eq!(&chunks, b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
            }
            connection.ok("").await;
        }
    })
    .await;
    let client = client();
    let frames = ["a", "b"].map(|text| Ok::<_, BoxError>(Frame::data(Bytes::from(text))));
    expect_ok(&client, backend.post(StreamBody::new(stream::iter(frames)).boxed_unsync())).await;
    expect_ok(&client, backend.get()).await;
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn upgrades_leave_the_pool() {
    let backend = Backend::start(|mut connection, _| async move {
        let head = connection.head().await.unwrap();
        if !head.contains("upgrade: echo") {
            return connection.ok("").await;
        }
        connection
            .write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")
            .await;
        let mut message = [0; 4];
        connection.stream.read_exact(&mut message).await.unwrap();
        connection.stream.write_all(&message).await.unwrap();
        connection.closed().await;
    })
    .await;
    let client = client();
    let mut request = backend.get();
    request.headers_mut().insert("connection", "upgrade".parse().unwrap());
    request.headers_mut().insert("upgrade", "echo".parse().unwrap());
    let response = send(&client, request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let mut tunnel = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    expect_ok(&client, backend.get()).await;
    tunnel.write_all(b"ping").await.unwrap();
    let mut message = [0; 4];
    tunnel.read_exact(&mut message).await.unwrap();
    assert_eq!(&message, b"ping");
    assert_eq!(backend.connections(), 2);
}

#[tokio::test]
async fn dropped_bodies_close_the_connection() {
    let backend = Backend::start(|mut connection, _| async move {
        connection.head().await;
        connection.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nok").await;
        connection.closed().await;
    })
    .await;
    let client = client();
    for _ in 0..2 {
        drop(send(&client, backend.get()).await.unwrap());
    }
    assert_eq!(backend.connections(), 2);
    wait_until(Duration::from_secs(5), "closed", async || client.connections()[0].open == 0).await;
}

#[tokio::test]
async fn bodies_that_break_off_fail() {
    let backend = Backend::start(|mut connection, _| async move {
        connection.head().await;
        connection.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nok").await;
    })
    .await;
    assert!(fetch(&client(), backend.get()).await.is_err());
}

#[tokio::test]
async fn uris_without_a_backend_are_errors() {
    let request = http::Request::get("/path").body(full("")).unwrap();
    let error = send(&client(), request).await.unwrap_err();
    assert!(!error.is_connect(), "{error:?}");
}

#[tokio::test]
async fn denied_addresses_are_not_reached() {
    let backend = Backend::start(|connection, _| connection.serve()).await;
    let strict = tower_canary::upstream::Client::new(
        tower_canary::probe::UrlPolicy::new(),
        hyper_util::rt::TokioExecutor::new(),
    );
    let error = send(&strict, backend.get()).await.unwrap_err();
    assert!(error.is_connect() && backend.connections() == 0, "{error:?}");
}

/// The backend refuses the upload and closes, so the rest of the upload fails.
#[tokio::test]
async fn refused_uploads_get_their_response() {
    let backend = Backend::start(|mut connection, _| async move {
        connection.head().await;
        connection.write("HTTP/1.1 413 Content Too Large\r\ncontent-length: 7\r\n\r\ntoo big").await;
    })
    .await;
    let client = client();
    for size in [512 << 10, 2 << 20, 8 << 20] {
        for is_chunked in [false, true] {
            for _ in 0..20 {
                let chunks =
                    (0..size / 65_536).map(|_| Ok::<_, BoxError>(Frame::data(Bytes::from(vec![0; 65_536]))));
                let body = StreamBody::new(stream::iter(chunks)).boxed_unsync();
                let mut request = backend.post(body);
                if !is_chunked {
                    request.headers_mut().insert("content-length", size.into());
                }
                let (status, text) = fetch(&client, request).await.unwrap();
                assert_eq!((status, text.as_ref()), (StatusCode::PAYLOAD_TOO_LARGE, &b"too big"[..]));
            }
        }
    }
}

//! HTTP/2: stream limits, liveness, windows, and the end of a body.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::frames::{DATA, END_STREAM, Frames, HEADERS};
use crate::support::{AnyBody, Backend, BoxError, Connection, client, empty, expect_ok, fetch, full, send};
use crate::wait::wait_until;

/// Serves HTTP/2 with h2. `/stream` responds with a head and nothing else, `/flood` with 4 MiB, others with `ok`.
async fn serve(connection: Connection, max_streams: u32) {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(max_streams).max_send_buffer_size(1 << 20);
    let Ok(mut accepting) = builder.handshake::<_, Bytes>(connection.stream).await else { return };
    let mut responses = JoinSet::new();
    while let Some(Ok((request, mut respond))) = accepting.accept().await {
        let Ok(mut body) = respond.send_response(Response::new(()), false) else { continue };
        match request.uri().path() {
            "/stream" => {
                responses.spawn(async move {
                    // The stream ends when the client resets it.
                    let _ = std::future::poll_fn(|cx| body.poll_reset(cx)).await;
                });
            }
            "/flood" => _ = body.send_data(Bytes::from(vec![0; 4 << 20]), true),
            _ => _ = body.send_data(Bytes::from_static(b"ok"), true),
        }
    }
}

fn call(backend: &Backend, path: &str) -> http::Request<AnyBody> {
    let mut request = backend.call(empty());
    *request.uri_mut() = format!("{}{path}", backend.url).parse().unwrap();
    request
}

#[tokio::test]
async fn stream_limits_lead_to_more_connections() {
    let backend = Backend::start(|connection, _| serve(connection, 2)).await;
    let client = client();
    let streams = join_all((0..100).map(|_| send(&client, call(&backend, "/stream")))).await;
    assert!(streams.iter().all(Result::is_ok), "{:?}", streams.iter().find(|stream| stream.is_err()));
    expect_ok(&client, call(&backend, "/")).await;
    let connections = &client.connections()[0];
    assert_eq!((connections.streams, connections.open >= 50), (100, true), "{connections:?}");
    drop(streams);
    wait_until(Duration::from_secs(5), "free", async || client.connections()[0].streams == 0).await;
    expect_ok(&client, call(&backend, "/")).await;
}

#[tokio::test]
async fn streams_share_connections() {
    let backend = Backend::start(|connection, _| serve(connection, 1_000)).await;
    let client = client();
    let streams = join_all((0..300).map(|_| send(&client, call(&backend, "/stream")))).await;
    assert!(streams.iter().all(Result::is_ok));
    // At most 128 streams for each, so that their windows fit into the connection's.
    assert!((3..=6).contains(&backend.connections()), "{}", backend.connections());
}

#[tokio::test]
async fn changed_stream_limits_are_followed() {
    let backend = Backend::start(|connection, number| async move {
        let Some(mut frames) = Frames::accept(connection, Some(100)).await else { return };
        if number > 0 {
            return frames.serve().await;
        }
        let Some((first, _)) = frames.request().await else { return };
        // From now on, one stream at a time.
        frames.settings(Some(1)).await;
        frames.ok(first).await;
        let Some((second, _)) = frames.request().await else { return };
        frames.head(second, 0).await;
        let third = timeout(Duration::from_millis(100), frames.request()).await;
        assert!(third.is_err(), "a third request came");
        frames.settings(Some(2)).await;
        let Some((fourth, _)) = frames.request().await else { return };
        frames.ok(fourth).await;
        pending::<()>().await;
    })
    .await;
    let client = client();
    expect_ok(&client, call(&backend, "/")).await;
    let _open = send(&client, call(&backend, "/")).await.unwrap();
    expect_ok(&client, call(&backend, "/")).await;
    assert_eq!(backend.connections(), 2);
    sleep(Duration::from_millis(200)).await;
    expect_ok(&client, call(&backend, "/")).await;
    assert_eq!(backend.connections(), 2);
}

/// The backend's limit is known before the first request is sent, so a burst does not overrun it.
#[tokio::test]
async fn requests_wait_for_the_settings() {
    let backend = Backend::start(|connection, _| async move {
        sleep(Duration::from_millis(100)).await;
        serve(connection, 1).await;
    })
    .await;
    let client = client();
    let calls = join_all((0..10).map(|_| fetch(&client, call(&backend, "/")))).await;
    assert!(calls.iter().all(Result::is_ok), "{calls:?}");
}

#[tokio::test]
async fn connections_without_settings_time_out() {
    let backend = Backend::start(|mut connection, _| async move { connection.closed().await }).await;
    let client = client().with_connect_timeout(Duration::from_millis(200));
    let calls = join_all((0..10).map(|_| fetch(&client, call(&backend, "/")))).await;
    for call in calls {
        let error = call.unwrap_err();
        assert!(error.is_connect() && error.is_timeout(), "{error:?}");
    }
    wait_until(Duration::from_secs(5), "closed", async || client.connections()[0].open == 0).await;
}

/// Serves HTTP/2 until `silent` is set. Then it reads on, and says nothing more.
async fn falling_silent(connection: Connection, silent: Arc<AtomicBool>) {
    let Some(mut frames) = Frames::accept(connection, None).await else { return };
    loop {
        if silent.load(Ordering::SeqCst) {
            while frames.read_silently().await.is_some() {}
            return;
        }
        let Some(frame) = frames.read().await else { return };
        if frame.ends_stream() && !silent.load(Ordering::SeqCst) {
            frames.ok(frame.stream).await;
        }
    }
}

/// A backend whose first connection falls silent when the flag is set.
async fn with_one_silent_connection() -> (Backend, Arc<AtomicBool>) {
    let silent = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&silent);
    let backend = Backend::start(move |connection, number| {
        let silent = if number == 0 { Arc::clone(&shared) } else { Arc::default() };
        falling_silent(connection, silent)
    })
    .await;
    (backend, silent)
}

#[tokio::test]
async fn silent_connections_are_left() {
    let (backend, silent) = with_one_silent_connection().await;
    let client = client().with_ping(Duration::from_millis(200), Duration::from_secs(1));
    expect_ok(&client, call(&backend, "/")).await;
    silent.store(true, Ordering::SeqCst);
    let began = Instant::now();
    let error = send(&client, call(&backend, "/")).await.unwrap_err();
    assert!(error.is_timeout() && !error.is_unprocessed(), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    for _ in 0..100 {
        expect_ok(&client, call(&backend, "/")).await;
    }
    assert_eq!(backend.connections(), 2);
}

/// While the answer to the PING is overdue, the old request still waits, and new ones do not join it.
#[tokio::test]
async fn overdue_pings_evict_the_connection() {
    let (backend, silent) = with_one_silent_connection().await;
    let client = client().with_ping(Duration::from_millis(100), Duration::from_secs(60));
    expect_ok(&client, call(&backend, "/")).await;
    silent.store(true, Ordering::SeqCst);
    let first = client.clone();
    let request = call(&backend, "/");
    let waiting = tokio::spawn(async move { send(&first, request).await });
    // The time until the PING, the second after which its answer is overdue, and some more for a slow machine.
    sleep(Duration::from_secs(4)).await;
    for _ in 0..100 {
        expect_ok(&client, call(&backend, "/")).await;
    }
    assert_eq!((backend.connections(), waiting.is_finished()), (2, false));
    waiting.abort();
}

#[tokio::test]
async fn stalled_readers_do_not_starve_others() {
    for stalled in [1, 20, 100] {
        let backend = Backend::start(|connection, _| serve(connection, 1_000)).await;
        let client = client();
        let floods = join_all((0..stalled).map(|_| send(&client, call(&backend, "/flood")))).await;
        assert!(floods.iter().all(Result::is_ok));
        // The windows of the streams are full now.
        sleep(Duration::from_millis(200)).await;
        let began = Instant::now();
        for _ in 0..20 {
            expect_ok(&client, call(&backend, "/")).await;
        }
        let whole = fetch(&client, call(&backend, "/flood")).await.unwrap();
        assert_eq!(whole.1.len(), 4 << 20);
        assert!(began.elapsed() < Duration::from_secs(8), "{stalled}: {:?}", began.elapsed());
        assert_eq!(backend.connections(), 1);
    }
}

/// Sends a part of a response, and resets its stream with `NO_ERROR`. `flags` belong to the last frame.
async fn resetting(flags: u8) -> Backend {
    Backend::start(move |connection, _| async move {
        let Some(mut frames) = Frames::accept(connection, None).await else { return };
        while let Some((stream, _)) = frames.request().await {
            frames.head(stream, 0).await;
            frames.write(DATA, flags, stream, b"ok").await;
            frames.reset(stream, 0).await;
        }
    })
    .await
}

#[tokio::test]
async fn reset_before_the_end_is_an_error() {
    let backend = resetting(0).await;
    let error = fetch(&client(), call(&backend, "/")).await.unwrap_err();
    assert_eq!(error.to_string(), "the response body stopped before its end");
}

#[tokio::test]
async fn reset_after_the_end_is_none() {
    let backend = resetting(END_STREAM).await;
    let client = client();
    for _ in 0..20 {
        expect_ok(&client, call(&backend, "/")).await;
    }
}

#[tokio::test]
async fn host_is_the_authority() {
    let backend = Backend::start(|connection, _| async move {
        let mut accepting = h2::server::handshake(connection.stream).await.unwrap();
        while let Some(Ok((request, mut respond))) = accepting.accept().await {
            assert!(!request.headers().contains_key("host"));
            let authority = request.uri().authority().unwrap().to_string();
            let mut body = respond.send_response(Response::new(()), false).unwrap();
            body.send_data(Bytes::from(authority), true).unwrap();
        }
    })
    .await;
    let client = client();
    let own = fetch(&client, call(&backend, "/")).await.unwrap();
    assert_eq!(own.1, backend.url.trim_start_matches("http://"));
    let mut preserved = call(&backend, "/");
    preserved.headers_mut().insert("host", HeaderValue::from_static("shop.example"));
    assert_eq!(fetch(&client, preserved).await.unwrap().1, "shop.example");
}

#[tokio::test]
async fn authenticated_connections_take_no_new_streams() {
    let backend = Backend::start(|connection, _| serve(connection, 100)).await;
    let client = client();
    let open = send(&client, call(&backend, "/stream")).await.unwrap();
    let mut request = call(&backend, "/");
    request.headers_mut().insert("authorization", HeaderValue::from_static("Negotiate YWxpY2U="));
    expect_ok(&client, request).await;
    expect_ok(&client, call(&backend, "/")).await;
    assert_eq!(backend.connections(), 2);
    drop(open);
}

#[tokio::test]
async fn old_connections_take_no_new_streams() {
    let backend = Backend::start(|connection, _| serve(connection, 100)).await;
    let client = client().with_max_age(Duration::from_millis(100));
    let _open = send(&client, call(&backend, "/stream")).await.unwrap();
    sleep(Duration::from_millis(120)).await;
    expect_ok(&client, call(&backend, "/")).await;
    assert_eq!(backend.connections(), 2);
}

/// A stream is free when the response has ended and the request body was sent.
#[tokio::test]
async fn uploads_keep_their_streams() {
    // Responds as soon as the head is there.
    let backend = Backend::start(|connection, _| async move {
        let Some(mut frames) = Frames::accept(connection, Some(1)).await else { return };
        while let Some(frame) = frames.read().await {
            if frame.kind == HEADERS {
                frames.ok(frame.stream).await;
            }
        }
    })
    .await;
    let client = client();
    let (upload, body) = Channel::<Bytes, BoxError>::new(1);
    let mut request = call(&backend, "/");
    *request.body_mut() = body.boxed_unsync();
    expect_ok(&client, request).await;
    assert_eq!(client.connections()[0].streams, 1);
    expect_ok(&client, call(&backend, "/")).await;
    assert_eq!(backend.connections(), 2);
    drop(upload);
    wait_until(Duration::from_secs(5), "free", async || client.connections()[0].streams == 0).await;
}

/// Trailers of requests and of responses pass.
#[tokio::test]
async fn trailers_pass_both_ways() {
    let received = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&received);
    let backend = Backend::start(move |connection, _| {
        let counted = Arc::clone(&counted);
        async move {
            let mut accepting = h2::server::handshake(connection.stream).await.unwrap();
            let mut tasks = JoinSet::new();
            while let Some(Ok((request, mut respond))) = accepting.accept().await {
                let counted = Arc::clone(&counted);
                tasks.spawn(async move {
                    let mut body = request.into_body();
                    while body.data().await.is_some() {}
                    let trailers = body.trailers().await.unwrap().unwrap();
                    counted.fetch_add(trailers.len(), Ordering::SeqCst);
                    let mut body = respond.send_response(Response::new(()), false).unwrap();
                    body.send_trailers(trailers).unwrap();
                });
            }
        }
    })
    .await;
    let trailers = HeaderMap::from_iter([(HeaderName::from_static("x-sum"), HeaderValue::from_static("42"))]);
    let body = full("data").with_trailers(std::future::ready(Some(Ok(trailers)))).boxed_unsync();
    let response = send(&client(), backend.call(body)).await.unwrap();
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["x-sum"], "42");
    assert_eq!(received.load(Ordering::SeqCst), 1);
}

//! The limits for heads, trailers and connections.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body_util::BodyExt;
use tokio::time::sleep;
use tower_canary::upstream::Http2;

use crate::support::{Backend, client, expect_ok, fetch, send};
use crate::wait::wait_until;

/// Fields of `size` bytes altogether, in values of 1 KiB.
fn fields(size: usize) -> HeaderMap {
    fn name(i: usize) -> HeaderName {
        HeaderName::from_bytes(format!("x-{i:03}").as_bytes()).unwrap()
    }

    let value = HeaderValue::from_bytes(&[b'x'; 1_000]).unwrap();
    (0..size / 1_024).map(|i| (name(i), value.clone())).collect()
}

/// Over HTTP/1.1: `/head` and `/trailers` respond with `size` bytes there.
async fn large_http1(size: usize) -> Backend {
    Backend::start(move |mut connection, _| async move {
        while let Some(head) = connection.head().await {
            let fields = fields(size);
            let lines: String = fields
                .iter()
                .map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap()))
                .collect();
            if head.contains("/trailers") {
                let head =
                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-000\r\n\r\n2\r\nok\r\n0\r\n";
                connection.write(&format!("{head}{lines}\r\n")).await;
            } else {
                connection.ok(if head.contains("/head") { &lines } else { "" }).await;
            }
        }
    })
    .await
}

/// The same over HTTP/2.
async fn large_http2(size: usize) -> Backend {
    Backend::start(move |connection, _| async move {
        let mut accepting = h2::server::handshake(connection.stream).await.unwrap();
        while let Some(Ok((request, mut respond))) = accepting.accept().await {
            let mut response = Response::new(());
            if request.uri().path() == "/head" {
                *response.headers_mut() = fields(size);
            }
            let Ok(mut body) = respond.send_response(response, false) else { continue };
            let has_trailers = request.uri().path() == "/trailers";
            let _ = body.send_data(Bytes::from_static(b"ok"), !has_trailers);
            if has_trailers {
                let _ = body.send_trailers(fields(size));
            }
        }
    })
    .await
}

#[tokio::test]
async fn heads_and_trailers_have_one_limit() {
    const KIB: usize = 1_024;
    for (size, fits) in [(20 * KIB, true), (60 * KIB, true), (70 * KIB, false), (90 * KIB, false)] {
        let backends = [(large_http1(size).await, Http2::Never), (large_http2(size).await, Http2::Always)];
        for (backend, http2) in backends {
            let client = client().with_http2(http2);
            for path in ["/head", "/trailers"] {
                let request = backend.request(http::Method::GET, path);
                let result = match send(&client, request).await {
                    Ok(response) => response.into_body().collect().await,
                    Err(error) => Err(error),
                };
                match result {
                    Ok(body) => {
                        assert!(fits, "{size} {http2:?} {path}");
                        let trailers = body.trailers().map_or(0, HeaderMap::len);
                        assert_eq!(trailers, if path == "/trailers" { size / KIB } else { 0 });
                    }
                    Err(error) => {
                        assert!(!fits, "{size} {http2:?} {path}: {error:?}");
                        let is_visible = error.is_too_large() || (path, http2) == ("/trailers", Http2::Never);
                        assert!(is_visible, "{size} {http2:?} {path}: {error:?}");
                    }
                }
                expect_ok(&client, backend.get()).await;
            }
        }
    }
}

/// Far beyond the limit, other streams of the connection still complete.
#[tokio::test]
async fn large_heads_fail_alone() {
    let backend = large_http2(90 * 1_024).await;
    let client = client().with_http2(Http2::Always).with_max_head_size(16 * 1_024);
    let requests = (0..20)
        .map(|i| fetch(&client, backend.request(http::Method::GET, if i % 2 == 0 { "/head" } else { "/" })));
    for (i, result) in join_all(requests).await.into_iter().enumerate() {
        assert_eq!(result.is_err(), i % 2 == 0, "{i}: {result:?}");
    }
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn number_of_headers_is_a_setting() {
    let size = 50 * 1_024;
    for (backend, http2) in
        [(large_http1(size).await, Http2::Never), (large_http2(size).await, Http2::Always)]
    {
        for (max, fits) in [(60, true), (40, false)] {
            let client = client().with_http2(http2).with_max_headers(max);
            let result = fetch(&client, backend.request(http::Method::GET, "/head")).await;
            assert_eq!(result.is_ok(), fits, "{http2:?} {max}: {result:?}");
        }
    }
}

/// A limit beyond what the libraries can hold means no limit.
#[tokio::test]
async fn endless_settings_do_not_fail() {
    let backend = Backend::start(|connection, number| async move {
        match number {
            0 => connection.serve().await,
            _ => {
                if let Some(frames) = crate::frames::Frames::accept(connection, None).await {
                    frames.serve().await;
                }
            }
        }
    })
    .await;
    let client = client()
        .with_max_headers(usize::MAX)
        .with_max_head_size(usize::MAX)
        .with_ping(Duration::MAX, Duration::MAX)
        .with_connect_timeout(Duration::MAX)
        .with_idle_timeout(Duration::MAX)
        .with_max_age(Duration::MAX);
    expect_ok(&client, backend.get()).await;
    expect_ok(&client, backend.call(crate::support::empty())).await;
}

/// Over HTTP/1.1, a head with more names than a header map can hold.
#[tokio::test]
async fn number_of_headers_is_bounded() {
    let backend = Backend::start(|mut connection, _| async move {
        while connection.head().await.is_some() {
            let lines: String = (0..30_000).map(|i| format!("x-{i:x}: \r\n")).collect();
            connection.ok(&lines).await;
        }
    })
    .await;
    let client = client().with_max_headers(usize::MAX).with_max_head_size(1 << 20);
    let error = send(&client, backend.get()).await.unwrap_err();
    assert!(error.is_too_large(), "{error:?}");
}

#[tokio::test]
async fn requests_beyond_the_most_connections_wait() {
    let backend = Backend::start(|connection, _| connection.serve()).await;
    let client = client().with_max_connections(3);
    let results = join_all((0..100).map(|_| fetch(&client, backend.get()))).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert!(backend.connections() <= 3, "{}", backend.connections());
}

#[tokio::test]
async fn waiting_ends_with_the_connect_timeout() {
    let backend = Backend::start(|mut connection, number| async move {
        match number {
            0 => connection.closed().await,
            _ => connection.serve().await,
        }
    })
    .await;
    let client = client().with_max_connections(1).with_connect_timeout(Duration::from_secs(1));
    let first = client.clone();
    let request = backend.get();
    let running = tokio::spawn(async move { send(&first, request).await });
    wait_until(Duration::from_secs(5), "sent", async || backend.connections() == 1).await;
    let began = Instant::now();
    let error = send(&client, backend.get()).await.unwrap_err();
    assert!(error.is_connect() && error.is_timeout() && began.elapsed() < Duration::from_secs(5));
    running.abort();
    let _ = running.await;
    expect_ok(&client, backend.get()).await;
}

/// Connections of one protocol give way to requests of the other.
#[tokio::test]
async fn idle_connections_give_way() {
    let backend = Backend::start(|connection, number| async move {
        match number {
            1 => {
                if let Some(frames) = crate::frames::Frames::accept(connection, None).await {
                    frames.serve().await;
                }
            }
            _ => connection.serve().await,
        }
    })
    .await;
    let client = client().with_max_connections(1);
    expect_ok(&client, backend.get()).await;
    expect_ok(&client, backend.call(crate::support::empty())).await;
    expect_ok(&client, backend.get()).await;
    assert_eq!(backend.connections(), 3);
}

#[tokio::test]
async fn surplus_idle_connections_are_closed() {
    let backend = Backend::start(|mut connection, _| async move {
        while connection.head().await.is_some() {
            sleep(Duration::from_millis(20)).await;
            connection.ok("").await;
        }
    })
    .await;
    let client = client().with_max_idle(2);
    let results = join_all((0..10).map(|_| fetch(&client, backend.get()))).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    wait_until(Duration::from_secs(5), "two are left", async || {
        let figures = &client.connections()[0];
        (figures.open, figures.idle) == (2, 2)
    })
    .await;
}

#[tokio::test]
async fn connections_are_counted_over_all_pools() {
    let backend = Backend::start(|connection, _| connection.serve()).await;
    let client = client();
    let other = client.with_own_pool();
    expect_ok(&client, backend.get()).await;
    expect_ok(&other, backend.get()).await;
    wait_until(Duration::from_secs(5), "idle", async || client.connections()[0].idle == 2).await;
    let figures = client.connections();
    assert_eq!(figures, other.connections());
    assert_eq!((figures[0].backend.as_str(), figures[0].open), (backend.url.as_str(), 2));
    assert_eq!((figures[0].idle, figures[0].in_use), (2, 0));
    drop(other);
    wait_until(Duration::from_secs(5), "closed", async || client.connections()[0].open == 1).await;
}

#[cfg(feature = "metrics")]
#[tokio::test]
async fn connections_are_published() {
    let backend = Backend::start(|connection, _| connection.serve()).await;
    let client = client();
    expect_ok(&client, backend.get()).await;
    wait_until(Duration::from_secs(5), "idle", async || client.connections()[0].idle == 1).await;
    let recorder = metrics_util::debugging::DebuggingRecorder::new();
    metrics::with_local_recorder(&recorder, || client.publish_metrics());
    let published = recorder.snapshotter().snapshot().into_vec();
    let mut values: Vec<_> = published
        .iter()
        .map(|(key, _, _, value)| {
            let labels = key.key().labels().map(|label| label.value().to_owned());
            (key.key().name().to_owned(), labels.collect::<Vec<_>>(), format!("{value:?}"))
        })
        .collect();
    values.sort();
    let name = "canary_upstream_connections".to_owned();
    let [idle, in_use] = ["idle", "in_use"].map(|state| vec![backend.url.clone(), state.to_owned()]);
    let expected = [(name.clone(), idle, "Gauge(1.0)".to_owned()), (name, in_use, "Gauge(0.0)".to_owned())];
    assert_eq!(values, expected);
}

//! Requests that wait for a connection, when a backend may have no further one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Request;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tower_canary::upstream::Http2;

use crate::frames::Frames;
use crate::support::{AnyBody, AnyClient, Backend, client, empty, expect_ok};
use crate::wait::wait_until;

/// A connect timeout that no test lasts for.
const NEVER: Duration = Duration::from_secs(3_600);

/// The longest time for what must not need the connect timeout.
const SOON: Duration = Duration::from_secs(8);

const REFUSED_STREAM: u32 = 7;

/// Sends a request that must get `ok`, as a task.
fn spawn_ok(client: &AnyClient, request: Request<AnyBody>) -> JoinHandle<()> {
    let client = client.clone();
    tokio::spawn(async move { expect_ok(&client, request).await })
}

/// Speaks HTTP/2 on connection `number`, and HTTP/1.1 on the others. The first response waits for `gate`.
async fn mixed(number_of_http2: usize, gate: &Arc<Notify>) -> Backend {
    let gate = Arc::clone(gate);
    Backend::start(move |mut connection, number| {
        let gate = Arc::clone(&gate);
        async move {
            if number == number_of_http2 {
                let Some(mut frames) = Frames::accept(connection, None).await else { return };
                while let Some((stream, _)) = frames.request().await {
                    if number == 0 {
                        gate.notified().await;
                    }
                    frames.ok(stream).await;
                }
                return;
            }
            while connection.head().await.is_some() {
                if number == 0 {
                    gate.notified().await;
                }
                connection.ok("").await;
            }
        }
    })
    .await
}

/// The one connection becomes idle while a request of the other protocol waits.
#[tokio::test]
async fn other_protocol_gets_the_place() {
    for number_of_http2 in [1, 0] {
        let gate = Arc::new(Notify::new());
        let backend = mixed(number_of_http2, &gate).await;
        let client = client().with_max_connections(1).with_connect_timeout(NEVER);
        let mut requests = [backend.get(), backend.call(empty())];
        if number_of_http2 == 0 {
            requests.reverse();
        }
        let [first, second] = requests;
        let first = spawn_ok(&client, first);
        wait_until(SOON, "connected", async || backend.connections() == 1).await;
        let began = Instant::now();
        let second = spawn_ok(&client, second);
        tokio::time::sleep(Duration::from_millis(100)).await;
        gate.notify_one();
        first.await.unwrap();
        second.await.unwrap();
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    }
}

/// The only connection refused the request, and has a stream for it again.
#[tokio::test]
async fn refused_request_returns_to_the_only_connection() {
    let backend = Backend::start(|connection, _| async move {
        let Some(mut frames) = Frames::accept(connection, None).await else { return };
        let Some((stream, _)) = frames.request().await else { return };
        frames.reset(stream, REFUSED_STREAM).await;
        frames.serve().await;
    })
    .await;
    let began = Instant::now();
    let client = client().with_max_connections(1).with_connect_timeout(NEVER);
    expect_ok(&client, backend.call(empty())).await;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

/// The backend allows more streams while a request waits for one.
#[tokio::test]
async fn raised_stream_limit_serves_waiting_requests() {
    let gate = Arc::new(Notify::new());
    let opened = Arc::clone(&gate);
    let backend = Backend::start(move |connection, _| {
        let gate = Arc::clone(&opened);
        async move {
            let Some(mut frames) = Frames::accept(connection, Some(1)).await else { return };
            let Some((hanging, _)) = frames.request().await else { return };
            gate.notified().await;
            frames.settings(Some(10)).await;
            let Some((stream, _)) = frames.request().await else { return };
            frames.ok(stream).await;
            frames.ok(hanging).await;
            frames.serve().await;
        }
    })
    .await;
    let client = client().with_max_connections(1).with_http2(Http2::Always).with_connect_timeout(NEVER);
    let hanging = spawn_ok(&client, backend.get());
    wait_until(SOON, "sent", async || client.connections().iter().any(|figures| figures.streams == 1)).await;
    let began = Instant::now();
    let second = spawn_ok(&client, backend.get());
    tokio::time::sleep(Duration::from_millis(100)).await;
    gate.notify_one();
    second.await.unwrap();
    hanging.await.unwrap();
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

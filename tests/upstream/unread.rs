//! Backends that do not read the body of a request.

use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::time::timeout;

use crate::support::{AnyBody, Backend, BoxError, client, expect_ok, send};
use crate::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(5);

/// Responds or not, and keeps the connection without reading on.
async fn backend(responds: bool) -> Backend {
    Backend::start(move |mut connection, _| async move {
        connection.head().await;
        if responds {
            connection.ok("").await;
        }
        pending().await
    })
    .await
}

/// A body without end.
fn endless() -> AnyBody {
    let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
    StreamBody::new(stream::repeat_with(move || Ok::<_, BoxError>(Frame::data(chunk.clone())))).boxed_unsync()
}

#[tokio::test]
async fn cancelled_uploads_close_at_once() {
    let backend = backend(false).await;
    let client = client().with_idle_timeout(Duration::from_secs(3_600));
    for connections in 1..=3 {
        // The buffers on the way are full after that.
        let upload = timeout(Duration::from_millis(200), send(&client, backend.post(endless())));
        assert!(upload.await.is_err());
        wait_until(LIMIT, "closed", async || {
            (client.connections()[0].open, backend.connections()) == (0, connections)
        })
        .await;
    }
}

#[tokio::test]
async fn uploads_stall_for_a_minute_after_the_response() {
    let backend = backend(true).await;
    let client = client().with_idle_timeout(Duration::from_secs(3_600));
    expect_ok(&client, backend.post(endless())).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(client.connections()[0].open, 1);
    // The clock runs forward to the next timer now.
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    let limit = Duration::from_secs(120);
    wait_until(limit, "closed", async || client.connections()[0].open == 0).await;
    assert!(start.elapsed() > Duration::from_secs(58), "{:?}", start.elapsed());
}

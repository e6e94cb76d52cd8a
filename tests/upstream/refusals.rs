//! HTTP/2: requests that the backend says it has not processed.

use std::error::Error as _;
use std::iter::successors;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use crate::frames::{DATA, END_STREAM, Frames};
use crate::support::{AnyBody, Backend, BoxError, client, empty, expect_ok, fetch, full, send};

const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const NO_ERROR: u32 = 0;

/// How a backend refuses a request.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    Reset(u32),
    /// `GOAWAY` with the stream before as the last one, then the end of the connection.
    GoAway(u32),
}

/// Refuses the first `refusals` requests after one that is served, and then echoes bodies.
async fn refusing(refusal: Refusal, refusals: usize) -> Backend {
    let requests = Arc::new(AtomicUsize::new(0));
    Backend::start(move |connection, _| {
        let requests = Arc::clone(&requests);
        async move {
            let Some(mut frames) = Frames::accept(connection, None).await else { return };
            while let Some((stream, body)) = frames.request().await {
                let number = requests.fetch_add(1, Ordering::SeqCst);
                match refusal {
                    _ if number == 0 || number > refusals => {
                        frames.head(stream, 0).await;
                        for chunk in body.chunks(16_384) {
                            frames.write(DATA, 0, stream, chunk).await;
                        }
                        frames.write(DATA, END_STREAM, stream, &[]).await;
                    }
                    Refusal::Reset(code) => frames.reset(stream, code).await,
                    Refusal::GoAway(code) => {
                        frames.go_away(stream.saturating_sub(2), code).await;
                        return frames.drain().await;
                    }
                }
            }
        }
    })
    .await
}

fn in_chunks(chunks: &[&'static str]) -> AnyBody {
    let frames: Vec<_> =
        chunks.iter().map(|text| Ok::<_, BoxError>(Frame::data(Bytes::from(*text)))).collect();
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

#[tokio::test]
async fn refused_requests_are_sent_again() {
    for refusal in [Refusal::Reset(REFUSED_STREAM), Refusal::GoAway(NO_ERROR), Refusal::GoAway(11)] {
        for refusals in [1, 2, 3] {
            let backend = refusing(refusal, refusals).await;
            let client = client();
            assert_eq!(fetch(&client, backend.call(empty())).await.unwrap().1, "");
            let echoed = fetch(&client, backend.call(in_chunks(&["a", "b", "c"]))).await.unwrap();
            assert_eq!(echoed.1, "abc", "{refusal:?} {refusals}");
        }
    }
}

/// The h2 error of the backend is in the chain, so that a server can pass it on.
fn refusal_in_chain(error: &tower_canary::upstream::Error) -> Option<h2::Reason> {
    let mut chain = successors(error.source(), |&error| error.source());
    chain.find_map(|error| error.downcast_ref::<h2::Error>()).and_then(h2::Error::reason)
}

#[tokio::test]
async fn last_refusal_is_passed_on() {
    let backend = refusing(Refusal::Reset(REFUSED_STREAM), 100).await;
    let client = client();
    fetch(&client, backend.call(empty())).await.unwrap();
    let error = send(&client, backend.call(full("x"))).await.unwrap_err();
    assert!(error.is_unprocessed() && !error.is_connect(), "{error:?}");
    assert_eq!(refusal_in_chain(&error), Some(h2::Reason::REFUSED_STREAM));
}

#[tokio::test]
async fn large_bodies_are_not_sent_again() {
    for (size, is_kept) in [(65_536, true), (65_537, false)] {
        let backend = refusing(Refusal::Reset(REFUSED_STREAM), 1).await;
        let client = client();
        fetch(&client, backend.call(empty())).await.unwrap();
        let frames =
            [40_000, size - 40_000].map(|size| Ok::<_, BoxError>(Frame::data(Bytes::from(vec![0; size]))));
        let body = StreamBody::new(stream::iter(frames)).boxed_unsync();
        match fetch(&client, backend.call(body)).await {
            Ok(echoed) => assert!(is_kept && echoed.1.len() == size),
            Err(error) => assert!(!is_kept && error.is_unprocessed(), "{error:?}"),
        }
    }
}

#[tokio::test]
async fn other_resets_are_final() {
    let backend = refusing(Refusal::Reset(CANCEL), 1).await;
    let client = client();
    fetch(&client, backend.call(empty())).await.unwrap();
    let error = send(&client, backend.call(empty())).await.unwrap_err();
    assert!(!error.is_unprocessed(), "{error:?}");
}

/// A request that may have been processed is lost with the connection, and is not sent again.
#[tokio::test]
async fn processed_requests_are_final() {
    let backend = Backend::start(|connection, _| async move {
        let mut frames = Frames::accept(connection, None).await.unwrap();
        let (stream, _) = frames.request().await.unwrap();
        frames.go_away(stream, NO_ERROR).await;
        frames.end().await;
    })
    .await;
    let error = send(&client(), backend.call(empty())).await.unwrap_err();
    assert!(!error.is_unprocessed(), "{error:?}");
    assert_eq!(backend.connections(), 1);
}

/// The connection closes without a word.
#[tokio::test]
async fn lost_safe_requests_are_sent_again() {
    let backend = Backend::start(|connection, number| async move {
        let Some(mut frames) = Frames::accept(connection, None).await else { return };
        while let Some((stream, _)) = frames.request().await {
            if number % 2 == 0 && stream > 1 {
                return;
            }
            frames.ok(stream).await;
        }
    })
    .await;
    let client = client().with_http2(tower_canary::upstream::Http2::Always);
    expect_ok(&client, backend.get()).await;
    expect_ok(&client, backend.get()).await;
    assert_eq!(backend.connections(), 2);
    let client = client.with_own_pool();
    expect_ok(&client, backend.get()).await;
    assert!(send(&client, backend.post(empty())).await.is_err());
    assert_eq!(backend.connections(), 3);
}

/// `GOAWAY` lets the requests before it complete, and new ones go to another connection.
#[tokio::test]
async fn graceful_go_away_loses_nothing() {
    let backend = Backend::start(|connection, _| async move {
        let Some(mut frames) = Frames::accept(connection, None).await else { return };
        while let Some((stream, _)) = frames.request().await {
            frames.go_away(stream, NO_ERROR).await;
            frames.ok(stream).await;
        }
    })
    .await;
    let client = client();
    for _ in 0..20 {
        expect_ok(&client, backend.call(full("x"))).await;
    }
}

/// A connection that closes while requests are queued on it gives them back.
#[tokio::test]
async fn unsent_requests_go_elsewhere() {
    let backend = Backend::start(|connection, number| async move {
        let Some(mut frames) = Frames::accept(connection, None).await else { return };
        if number == 0 {
            let Some((stream, _)) = frames.request().await else { return };
            frames.ok(stream).await;
            frames.go_away(stream, NO_ERROR).await;
            return frames.drain().await;
        }
        frames.serve().await;
    })
    .await;
    let client = client();
    for _ in 0..5 {
        expect_ok(&client, backend.call(full("x"))).await;
    }
}

//! Streams of server-sent events.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use http::HeaderValue;
use http::header::{ACCEPT, HeaderMap, HeaderName};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use crate::deployments::Deployments;

/// The time between two events of a stream.
const EVENT_PERIOD: Duration = Duration::from_secs(2);

/// A stream ends after this time. The client then sends another request, which is authenticated again.
const STREAM_LIMIT: Duration = Duration::from_secs(300);

/// NGINX, and proxies that follow it, collect a response in a buffer before they send it on, unless this header says no.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A source of the data of events.
pub(super) trait EventSource: Send + 'static {
    /// The name of each event.
    const NAME: &'static str;

    /// The data of an event.
    type Data: Serialize + Send;

    /// Reads the data of the next event. `None` ends the stream.
    fn next(&mut self) -> impl Future<Output = Option<Self::Data>> + Send;
}

/// Responds with one event of `source` for each period. The stream ends after [`STREAM_LIMIT`], with its source, and when
/// this gateway shuts down.
pub(super) fn stream<S: EventSource>(deployments: Deployments, source: S) -> Response {
    let end = Instant::now() + STREAM_LIMIT;
    let events = stream::unfold((source, Instant::now()), |(mut source, due)| async move {
        sleep_until(due).await;
        let event = Event::default().event(S::NAME).json_data(source.next().await?).ok()?;
        // From now, not from `due`: a client that reads slowly misses events instead of getting them late.
        Some((Ok::<_, Infallible>(event), (source, Instant::now() + EVENT_PERIOD)))
    });
    let events = events.take_until(Box::pin(async move {
        tokio::select! {
            () = sleep_until(end) => {}
            () = deployments.ended() => {}
        }
    }));
    let mut response = Sse::new(events).into_response();
    response.headers_mut().insert(BUFFERING, HeaderValue::from_static("no"));
    response
}

/// Returns whether the client asks for a stream. Other media ranges, such as `*/*`, get one JSON response.
pub(super) fn are_accepted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|range| range.trim().starts_with("text/event-stream"))
}

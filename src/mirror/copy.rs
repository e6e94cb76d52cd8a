//! The future of a copy.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::sync::OwnedSemaphorePermit;
use tower_service::Service;

use crate::layer::ResponseFuture;
use crate::traffic::InFlight;

/// The future of one copy: it sends the request, and reads and drops the response.
///
/// The executor that you give to [`Mirror::new`](super::Mirror::new) runs it. Dropping it cancels the copy.
#[must_use = "futures do nothing unless polled"]
pub struct RequestCopy(Pin<Box<dyn Future<Output = ()> + Send>>);

/// A copy that is counted in flight.
#[derive(Debug)]
pub(super) struct PreparedCopy {
    pub(super) head: Request<()>,
    pub(super) in_flight: InFlight,
    /// The permit of the copy among the copies at a time, released when it has ended.
    pub(super) slot: OwnedSemaphorePermit,
    pub(super) timeout: Duration,
    pub(super) is_measured: bool,
}

impl PreparedCopy {
    /// Returns the future that sends the copy by `client`.
    pub(super) fn send_by<S, B, R>(self, client: S, body: B) -> RequestCopy
    where
        S: Service<Request<B>, Response = Response<R>, Future: Send> + Send + 'static,
        B: Send + 'static,
        R: Body<Data: From<Bytes> + Send> + Send + 'static,
    {
        let Self { head, in_flight, slot, timeout, is_measured } = self;
        in_flight.record_copy_sent();
        let request = head.map(|()| body);
        RequestCopy(Box::pin(async move {
            // An error means that it took too long. The dropped copy is counted.
            let _ = tokio::time::timeout(timeout, run(client, request, in_flight, is_measured)).await;
            drop(slot);
        }))
    }
}

/// Sends `request` and reads its response to the end.
async fn run<S, B, R>(mut client: S, request: Request<B>, mut in_flight: InFlight, is_measured: bool)
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body<Data: From<Bytes>>,
{
    if is_measured {
        in_flight.start_timer();
    }
    if poll_fn(|cx| client.poll_ready(cx)).await.is_err() {
        in_flight.fail();
        return;
    }
    let response = ResponseFuture::for_copy(client.call(request), in_flight);
    let Ok(response) = response.await else { return };
    let mut body = pin!(response.into_body());
    while let Some(Ok(_)) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {}
}

impl Future for RequestCopy {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for RequestCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestCopy").finish_non_exhaustive()
    }
}

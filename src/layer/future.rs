//! The future of [`WeightedVersion`](super::WeightedVersion).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::HeaderMap;
use http::{Response, StatusCode, Version};
use http_body::Body;
use pin_project_lite::pin_project;

use super::annotations::Annotations;
use super::body::ResponseBody;
use super::overriding::Refused;
use super::rejection::Rejection;
use crate::common::grpc::is_grpc;
use crate::traffic::Flight;

/// Counts a request whose response switches protocols (101), such as a WebSocket handshake, as in flight while it exists.
///
/// The layer puts it into the response's extensions. Code that bridges the tunnel keeps it until the tunnel is closed, so
/// that [`is_drained`](crate::RoutingHandle::is_drained) does not report a version with open tunnels as drained.
///
/// ```
/// use http::Response;
/// use tower_canary::layer::Tunnel;
///
/// async fn bridge<B>(mut response: Response<B>) {
///     let tunnel = response.extensions_mut().remove::<Tunnel>();
///     // ... copy bytes both ways until one side closes ...
///     drop(tunnel);
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Tunnel {
    _flight: Arc<Flight>,
}

pin_project! {
    /// The response future of [`WeightedVersion`](super::WeightedVersion). It is not boxed.
    ///
    /// Dropped before the response head arrived, the request ends as
    /// [`Cancelled`](crate::traffic::Outcome::Cancelled).
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        kind: Kind<F>,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<F> {
        Forwarded {
            #[pin]
            inner: F,
            flight: Option<Flight>,
            annotations: Option<Box<Annotations>>,
        },
        Rejected { rejection: Rejection, grpc: bool, refused: Option<Refused> },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn forwarded(
        inner: F,
        flight: Option<Flight>,
        annotations: Option<Box<Annotations>>,
    ) -> Self {
        Self { kind: Kind::Forwarded { inner, flight, annotations } }
    }

    pub(super) fn rejected(rejection: Rejection, headers: &HeaderMap, refused: Option<Refused>) -> Self {
        Self { kind: Kind::Rejected { rejection, grpc: is_grpc(headers), refused } }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::Forwarded { inner, flight, annotations } => {
                let result = ready!(inner.poll(cx));
                // Taken, so that the request ends here even if the future is kept after it is ready.
                let flight = flight.take();
                match result {
                    Ok(response) => Poll::Ready(Ok(finish(response, flight, annotations.take()))),
                    Err(error) => {
                        if let Some(mut flight) = flight {
                            flight.failed();
                        }
                        Poll::Ready(Err(error))
                    }
                }
            }
            KindProj::Rejected { rejection, grpc, refused } => {
                let mut response = rejection.response(*grpc);
                if let Some(refused) = refused {
                    refused.note(response.headers_mut());
                }
                Poll::Ready(Ok(response))
            }
        }
    }
}

/// Records the response head, and hands the request in flight to the body or to the tunnel.
#[inline]
fn finish<R: Body>(
    mut response: Response<R>,
    mut flight: Option<Flight>,
    annotations: Option<Box<Annotations>>,
) -> Response<ResponseBody<R>> {
    if let Some(flight) = &mut flight {
        record_head(flight, &response);
    }
    if response.status() == StatusCode::SWITCHING_PROTOCOLS
        && let Some(flight) = flight.take()
    {
        response.extensions_mut().insert(Tunnel { _flight: Arc::new(flight) });
    }
    if let Some(annotations) = annotations {
        annotations.add_to(&mut response);
    }
    response.map(|body| ResponseBody::upstream(body, flight))
}

#[inline]
fn record_head<R: Body>(flight: &mut Flight, response: &Response<R>) {
    flight.answered(response.status());
    // gRPC needs HTTP/2, so responses of other versions skip the comparison of their content type.
    let may_be_grpc = response.version() == Version::HTTP_2 && response.status() == StatusCode::OK;
    if may_be_grpc && is_grpc(response.headers()) {
        flight.answered_by_grpc(response.headers());
    }
    if response.body().is_end_stream() {
        // Without a body, the headers hold what trailers would: gRPC calls this "trailers-only".
        flight.trailers(response.headers());
        flight.completed();
    }
}

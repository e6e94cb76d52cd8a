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
use super::overriding::OverrideRefusal;
use super::rejection::Rejection;
use crate::common::grpc::is_grpc;
use crate::traffic::InFlight;

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
    _in_flight: Arc<InFlight>,
}

pin_project! {
    /// The response future of [`WeightedVersion`](super::WeightedVersion). It is not boxed.
    ///
    /// Dropped before the response head arrived, the request ends as
    /// [`Abandoned`](crate::traffic::Outcome::Abandoned).
    ///
    /// See the [module docs](super) for an example.
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
            in_flight: Option<InFlight>,
            annotations: Option<Box<Annotations>>,
        },
        Rejected { rejection: Rejection, is_grpc: bool, refused: Option<OverrideRefusal> },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn forwarded(
        inner: F,
        in_flight: Option<InFlight>,
        annotations: Option<Box<Annotations>>,
    ) -> Self {
        Self { kind: Kind::Forwarded { inner, in_flight, annotations } }
    }

    pub(super) fn rejected(
        rejection: Rejection,
        headers: &HeaderMap,
        refused: Option<OverrideRefusal>,
    ) -> Self {
        Self { kind: Kind::Rejected { rejection, is_grpc: is_grpc(headers), refused } }
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
            KindProj::Forwarded { inner, in_flight, annotations } => {
                let result = ready!(inner.poll(cx));
                // Taken, so that the request ends here even if the future is kept after it is ready.
                let in_flight = in_flight.take();
                match result {
                    Ok(response) => Poll::Ready(Ok(finish(response, in_flight, annotations.take()))),
                    Err(error) => {
                        if let Some(mut in_flight) = in_flight {
                            in_flight.fail();
                        }
                        Poll::Ready(Err(error))
                    }
                }
            }
            KindProj::Rejected { rejection, is_grpc, refused } => {
                let mut response = rejection.response(*is_grpc);
                if let Some(refused) = refused {
                    refused.set_header(response.headers_mut());
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
    mut in_flight: Option<InFlight>,
    annotations: Option<Box<Annotations>>,
) -> Response<ResponseBody<R>> {
    if let Some(in_flight) = &mut in_flight {
        record_head(in_flight, &response);
    }
    if response.status() == StatusCode::SWITCHING_PROTOCOLS
        && let Some(in_flight) = in_flight.take()
    {
        response.extensions_mut().insert(Tunnel { _in_flight: Arc::new(in_flight) });
    }
    if let Some(annotations) = annotations {
        annotations.add_to(&mut response);
    }
    response.map(|body| ResponseBody::upstream(body, in_flight))
}

#[inline]
fn record_head<R: Body>(in_flight: &mut InFlight, response: &Response<R>) {
    in_flight.record_head(response.status());
    // gRPC needs HTTP/2, so responses of other versions skip the comparison of their content type.
    let may_be_grpc = response.version() == Version::HTTP_2 && response.status() == StatusCode::OK;
    if may_be_grpc && is_grpc(response.headers()) {
        in_flight.record_grpc_head(response.headers());
    }
    if response.body().is_end_stream() {
        // Without a body, the headers hold what trailers would: gRPC calls this "trailers-only".
        in_flight.record_trailers(response.headers());
        in_flight.complete();
    }
}

//! The future of [`WeightedVersion`](super::WeightedVersion).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;

use super::annotations::Annotations;
use super::body::ResponseBody;
use super::grpc_status::{GrpcStatus, is_grpc_response};
use super::overriding::OverrideRefusal;
use super::rejection::Rejection;
use crate::common::problem::ProblemForm;
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
        Rejected { rejection: Rejection, form: ProblemForm, refused: Option<OverrideRefusal> },
    }
}

impl<F> ResponseFuture<F> {
    /// Waits for the response of the client.
    pub(super) const fn forwarded(
        inner: F,
        in_flight: Option<InFlight>,
        annotations: Option<Box<Annotations>>,
    ) -> Self {
        Self { kind: Kind::Forwarded { inner, in_flight, annotations } }
    }

    /// Waits for the response to a copy, which nothing is added to.
    #[cfg(feature = "mirror")]
    pub(crate) const fn for_copy(inner: F, in_flight: InFlight) -> Self {
        Self::forwarded(inner, Some(in_flight), None)
    }

    /// Responds without the client.
    pub(super) const fn rejected(
        rejection: Rejection,
        form: ProblemForm,
        refused: Option<OverrideRefusal>,
    ) -> Self {
        Self { kind: Kind::Rejected { rejection, form, refused } }
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
            KindProj::Rejected { rejection, form, refused } => {
                let mut response = rejection.response(*form);
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
    let is_grpc = is_grpc_response(&response);
    if let Some(in_flight) = &mut in_flight {
        record_head(in_flight, &response, is_grpc);
    }
    let grpc_status = if is_grpc { GrpcStatus::from_response(&mut response) } else { GrpcStatus::Settled };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS
        && let Some(in_flight) = in_flight.take()
    {
        response.extensions_mut().insert(Tunnel { _in_flight: Arc::new(in_flight) });
    }
    if let Some(annotations) = annotations {
        annotations.add_to(&mut response);
    }
    response.map(|body| ResponseBody::upstream(body, in_flight).with_grpc_status(grpc_status))
}

/// Records the status of the response, and its end if there is no body to wait for.
#[inline]
fn record_head<R: Body>(in_flight: &mut InFlight, response: &Response<R>, is_grpc: bool) {
    in_flight.record_head(response.status());
    if is_grpc {
        in_flight.record_grpc_head(response.headers());
    }
    if response.body().is_end_stream() {
        // Without a body, the headers hold what trailers would: gRPC calls this "trailers-only".
        in_flight.record_trailers(response.headers());
        in_flight.complete();
    }
}

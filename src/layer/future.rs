//! The future of [`WeightedVersion`](super::WeightedVersion).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::{HeaderMap, SET_COOKIE};
use http::{Response, StatusCode, Version};
use http_body::Body;
use pin_project_lite::pin_project;

use super::body::ResponseBody;
use super::overriding::OverrideRefusal;
use super::rejection::Rejection;
use super::service::{Companion, Extras};
use crate::common::grpc::is_grpc;
use crate::traffic::Flight;

/// In the extensions of a response that switches protocols (101), as for a WebSocket: the request counts as in flight for
/// as long as it is kept. Whoever bridges the tunnel takes it along, so that it shows when a version is idle.
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
    /// The response to come of [`WeightedVersion`](super::WeightedVersion). Not boxed.
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
        Forwarded { #[pin] future: F, companion: Companion },
        Rejected { rejection: Rejection, grpc: bool, refused: Option<OverrideRefusal> },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn forwarded(future: F, companion: Companion) -> Self {
        Self { kind: Kind::Forwarded { future, companion } }
    }

    pub(super) fn rejected(
        rejection: Rejection,
        headers: &HeaderMap,
        refused: Option<OverrideRefusal>,
    ) -> Self {
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
            KindProj::Rejected { rejection, grpc, refused } => {
                let mut response = rejection.response(*grpc);
                if let Some(refused) = refused {
                    refused.set_header(response.headers_mut());
                }
                Poll::Ready(Ok(response))
            }
            KindProj::Forwarded { future, companion } => {
                let answer = ready!(future.poll(cx));
                let Companion { flight, extras } = std::mem::take(companion);
                match answer {
                    Ok(response) => Poll::Ready(Ok(answered(response, flight, extras))),
                    Err(error) => {
                        if let Some(mut flight) = flight {
                            flight.failed();
                        }
                        Poll::Ready(Err(error))
                    }
                }
            }
        }
    }
}

#[inline]
fn answered<R: Body>(
    mut response: Response<R>,
    mut flight: Option<Flight>,
    extras: Option<Box<Extras>>,
) -> Response<ResponseBody<R>> {
    if let Some(flight) = &mut flight {
        flight.answered(response.status());
        // gRPC is HTTP/2 alone, so that others need no look at what they are.
        if response.version() == Version::HTTP_2
            && response.status() == StatusCode::OK
            && is_grpc(response.headers())
        {
            flight.answered_by_grpc(response.headers());
        }
        if response.body().is_end_stream() {
            // The headers of an answer without a body are its last.
            flight.trailers(response.headers());
            flight.completed();
        }
    }
    if response.status() == StatusCode::SWITCHING_PROTOCOLS
        && let Some(flight) = flight.take()
    {
        response.extensions_mut().insert(Tunnel { _flight: Arc::new(flight) });
    }
    if let Some(extras) = extras {
        (*extras).give(&mut response);
    }
    response.map(|body| ResponseBody::upstream(body, flight))
}

impl Extras {
    #[cold]
    fn give<B>(self, response: &mut Response<B>) {
        let Self { choice, pin, refused } = self;
        if let Some(choice) = choice {
            response.extensions_mut().insert(choice);
        }
        if let Some(pin) = pin {
            response.headers_mut().append(SET_COOKIE, pin);
        }
        if let Some(refused) = refused {
            refused.set_header(response.headers_mut());
        }
    }
}

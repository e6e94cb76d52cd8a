//! The future of [`WeightedVersion`](super::WeightedVersion).

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{HeaderMap, SET_COOKIE};
use http::{Response, StatusCode};
use pin_project_lite::pin_project;

use super::body::ResponseBody;
use super::overriding::Refused;
use super::rejection::{Rejection, is_grpc};
use super::service::Companion;
use crate::traffic::InFlightGuard;

/// In the extensions of a response that switches protocols (101), as for a WebSocket: the request counts as in flight for
/// as long as it is kept. Whoever bridges the tunnel takes it along, so that it shows when a version is idle.
///
/// ```
/// use http::{Response, StatusCode};
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
    _in_flight: InFlightGuard,
}

pin_project! {
    /// The response to come of [`WeightedVersion`](super::WeightedVersion). Not boxed.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        kind: Kind<F>,
        refused: Option<Refused>,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<F> {
        Forwarded { #[pin] future: F, companion: Companion },
        Rejected { rejection: Rejection, grpc: bool },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn forwarded(future: F, companion: Companion, refused: Option<Refused>) -> Self {
        Self { kind: Kind::Forwarded { future, companion }, refused }
    }

    pub(super) fn rejected(rejection: Rejection, headers: &HeaderMap, refused: Option<Refused>) -> Self {
        Self { kind: Kind::Rejected { rejection, grpc: is_grpc(headers) }, refused }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = match this.kind.project() {
            KindProj::Rejected { rejection, grpc } => rejection.response(*grpc),
            KindProj::Forwarded { future, companion } => {
                let response = ready!(future.poll(cx))?;
                let Companion { in_flight, choice, pin } = std::mem::take(companion);
                let tunnel =
                    in_flight.clone().filter(|_| response.status() == StatusCode::SWITCHING_PROTOCOLS);
                let mut response = response.map(|body| ResponseBody::upstream(body, in_flight));
                if let Some(choice) = choice {
                    response.extensions_mut().insert(*choice);
                }
                if let Some(tunnel) = tunnel {
                    response.extensions_mut().insert(Tunnel { _in_flight: tunnel });
                }
                if let Some(pin) = pin {
                    response.headers_mut().append(SET_COOKIE, *pin);
                }
                response
            }
        };
        if let Some(refused) = this.refused {
            refused.note(response.headers_mut());
        }
        Poll::Ready(Ok(response))
    }
}

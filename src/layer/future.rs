//! The future of [`WeightedVersion`](super::WeightedVersion).

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http::header::{HeaderMap, SET_COOKIE};
use pin_project_lite::pin_project;

use super::body::ResponseBody;
use super::overriding::Refused;
use super::rejection::{Rejection, is_grpc};
use super::service::Companion;

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
                let mut response = response.map(|body| ResponseBody::upstream(body, in_flight));
                if let Some(choice) = choice {
                    response.extensions_mut().insert(*choice);
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

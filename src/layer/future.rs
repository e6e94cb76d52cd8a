//! The future of [`WeightedVersion`](super::WeightedVersion).

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http::header::HeaderMap;
use pin_project_lite::pin_project;

use super::body::ResponseBody;
use super::rejection::{Rejection, is_grpc};
use super::service::Companion;

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
        Rejected { rejection: Rejection, grpc: bool },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn forwarded(future: F, companion: Companion) -> Self {
        Self { kind: Kind::Forwarded { future, companion } }
    }

    pub(super) fn rejected(rejection: Rejection, headers: &HeaderMap) -> Self {
        Self { kind: Kind::Rejected { rejection, grpc: is_grpc(headers) } }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::Rejected { rejection, grpc } => Poll::Ready(Ok(rejection.response(*grpc))),
            KindProj::Forwarded { future, companion } => {
                let answer = ready!(future.poll(cx));
                let Companion { in_flight, choice } = std::mem::take(companion);
                Poll::Ready(answer.map(|response| {
                    let mut response = response.map(|body| ResponseBody::upstream(body, in_flight));
                    if let Some(choice) = choice {
                        response.extensions_mut().insert(*choice);
                    }
                    response
                }))
            }
        }
    }
}

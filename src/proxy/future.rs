//! The future of [`Proxy`](super::Proxy).

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Response, StatusCode, Version};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};

use super::body::Progress;
use super::headers::{only_chunked, strip_hop_by_hop};
use super::problems;
use super::upgrade::Handshake;
use crate::layer::{Problem, ResponseBody};
use crate::traffic::{Outcome, Verdict};

pin_project! {
    /// The response to come of [`Proxy`](super::Proxy). Not boxed.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        kind: Kind<F>,
        grpc: bool,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<F> {
        Sent { #[pin] answer: F, #[pin] sleep: Sleep, sent: Sent },
        Refused { problem: &'static Problem },
    }
}

/// A request that was sent on.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) progress: Progress,
    pub(super) limit: Duration,
    /// The upgrade that it asks for. Boxed, since few do.
    pub(super) handshake: Option<Box<Handshake>>,
}

impl<F> ResponseFuture<F> {
    pub(super) fn sent(answer: F, sent: Sent, grpc: bool) -> Self {
        let sleep = sleep_until(sent.progress.deadline(sent.limit));
        Self { kind: Kind::Sent { answer, sleep, sent }, grpc }
    }

    pub(super) const fn refused(problem: &'static Problem, grpc: bool) -> Self {
        Self { kind: Kind::Refused { problem }, grpc }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = Result<Response<ResponseBody<R>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = match this.kind.project() {
            KindProj::Refused { problem } => Err(*problem),
            KindProj::Sent { answer, sleep, sent } => match answer.poll(cx) {
                Poll::Ready(answer) => sent.judge(answer),
                Poll::Pending => Err(ready!(sent.poll_expired(sleep, cx))),
            },
        };
        Poll::Ready(Ok(answer.unwrap_or_else(|problem| problem.response(*this.grpc))))
    }
}

impl Sent {
    /// Waits until the request has not moved for as long as an answer may take.
    fn poll_expired(&self, mut sleep: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<&'static Problem> {
        loop {
            ready!(sleep.as_mut().poll(cx));
            let deadline = self.progress.deadline(self.limit);
            if deadline <= sleep.deadline() {
                tracing::warn!("a backend did not answer in time");
                self.progress.verdict().is(Outcome::Error);
                return Poll::Ready(problems::GATEWAY_TIMEOUT);
            }
            sleep.as_mut().reset(deadline);
        }
    }

    /// Makes a backend's answer one for the client.
    fn judge<R, E>(
        &mut self,
        answer: Result<Response<R>, E>,
    ) -> Result<Response<ResponseBody<R>>, &'static Problem>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        match answer {
            Ok(response) => to_client(response, self.handshake.take(), self.progress.verdict()),
            Err(_) if self.progress.is_broken() => Err(problems::MALFORMED_BODY),
            Err(error) => Err(problems::no_answer(&*error.into())),
        }
    }
}

fn to_client<R>(
    mut response: Response<R>,
    handshake: Option<Box<Handshake>>,
    verdict: &Verdict,
) -> Result<Response<ResponseBody<R>>, &'static Problem> {
    let refused = |what| {
        verdict.is(Outcome::Error);
        problems::no_such_answer(what)
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let asked = handshake.filter(|asked| asked.is_answered_by(&response));
        asked.ok_or_else(|| refused("a protocol that was not asked for"))?.complete(&mut response);
    } else if only_chunked(response.headers()) {
        strip_hop_by_hop(response.headers_mut());
    } else {
        return Err(refused("a transfer coding other than chunked"));
    }
    // The backend's version is for the backend's connection.
    *response.version_mut() = Version::HTTP_11;
    Ok(response.map(|body| ResponseBody::upstream(body, None)))
}

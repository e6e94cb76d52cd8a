//! The future of [`Proxy`](super::Proxy).

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::CONTENT_LENGTH;
use http::{Response, StatusCode, Version};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::body::Progress;
use super::headers::{Found, is_framed_clearly, settle_length, strip_hop_by_hop, trailers_to_client};
use super::problems;
use super::settings::Settings;
use super::upgrade::Handshake;
use crate::common::problem::Problem;
use crate::layer::ResponseBody;
use crate::traffic::Outcome;

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
pub(super) struct Sent {
    pub(super) progress: Progress,
    pub(super) settings: Arc<Settings>,
    /// The upgrade that it asks for. Boxed, since few do.
    pub(super) handshake: Option<Box<Handshake>>,
}

impl<F> ResponseFuture<F> {
    pub(super) fn sent(answer: F, sent: Sent, grpc: bool) -> Self {
        let sleep = sleep_until(sent.progress.deadline());
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
                Poll::Pending => {
                    ready!(sent.progress.poll_expired(sleep, cx));
                    Err(sent.expired())
                }
            },
        };
        Poll::Ready(Ok(
            answer.unwrap_or_else(|problem| problem.response(*this.grpc).map(ResponseBody::from_bytes))
        ))
    }
}

impl Sent {
    /// What to answer a request that has not moved for too long, by whose fault it is.
    fn expired(&self) -> &'static Problem {
        if self.progress.is_awaited() {
            self.progress.outcome().set(Outcome::Cancelled);
            problems::REQUEST_TIMEOUT
        } else {
            self.settings.complaints.tell("a backend did not answer in time", None);
            self.progress.outcome().set(Outcome::Error);
            problems::GATEWAY_TIMEOUT
        }
    }

    /// What to answer where the backend's answer is `what` it may not be.
    fn refused(&self, what: &'static str) -> &'static Problem {
        self.settings.complaints.tell(what, None);
        self.progress.outcome().set(Outcome::Error);
        problems::BAD_GATEWAY
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
            Ok(response) => {
                self.progress.note_answer();
                let handshake = self.handshake.take();
                to_client(response, handshake, |what| self.refused(what))
            }
            Err(_) if self.progress.is_broken() => Err(problems::MALFORMED_BODY),
            Err(_) if self.progress.deadline() <= Instant::now() && self.progress.is_awaited() => {
                Err(self.expired())
            }
            Err(error) => Err(self.settings.no_answer(&*error.into())),
        }
    }
}

/// The answer for the client. `refused` is told what it is that may not be passed on, before the answer is given up.
fn to_client<R>(
    mut response: Response<R>,
    handshake: Option<Box<Handshake>>,
    refused: impl Fn(&'static str) -> &'static Problem,
) -> Result<Response<ResponseBody<R>>, &'static Problem> {
    let found = Found::among(response.headers());
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let asked = handshake.filter(|asked| asked.is_answered_by(&response));
        let foreign = || refused("a backend switched to a protocol that was not asked for");
        asked.ok_or_else(foreign)?.complete(&mut response);
    } else if !settle_length(response.headers_mut(), found) {
        return Err(refused("a backend answered with lengths that differ, or with none that is a number"));
    } else if is_framed_clearly(response.headers(), found) {
        strip_hop_by_hop(response.headers_mut(), found);
        if response.status() == StatusCode::NO_CONTENT {
            response.headers_mut().remove(CONTENT_LENGTH);
        }
    } else {
        return Err(refused("a backend answered in a transfer coding other than chunked"));
    }
    // The backend's version is for the backend's connection.
    *response.version_mut() = Version::HTTP_11;
    Ok(response.map(|body| ResponseBody::upstream(body, None).with_trailers(trailers_to_client)))
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { progress, handshake, .. } = self;
        f.debug_struct("Sent")
            .field("progress", progress)
            .field("handshake", handshake)
            .finish_non_exhaustive()
    }
}

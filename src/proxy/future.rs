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

use super::framing::{has_supported_coding, merge_content_lengths};
use super::hop_by_hop::{clean_response_trailers, strip_hop_by_hop};
use super::problems;
use super::progress::RequestProgress;
use super::scan::HeaderScan;
use super::settings::ProxySettings;
use super::upgrade::Handshake;
use crate::common::problem::StaticProblem;
use crate::layer::ResponseBody;
use crate::traffic::Outcome;

pin_project! {
    /// The response future of [`Proxy`](super::Proxy). It is not boxed.
    ///
    /// It resolves when the response head is there, or when the
    /// [response timeout](super::Proxy::with_response_timeout) has passed. Dropping it cancels the
    /// request.
    ///
    /// See the [module docs](super) for an example.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ProxyFuture<F> {
        #[pin]
        kind: Kind<F>,
        is_grpc: bool,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<F> {
        Sent { #[pin] response: F, #[pin] sleep: Sleep, sent: Sent },
        Rejected { problem: &'static StaticProblem },
    }
}

/// A request that the client has taken.
pub(super) struct Sent {
    pub(super) progress: RequestProgress,
    pub(super) settings: Arc<ProxySettings>,
    /// The upgrade that it asks for. Boxed because few requests have one.
    pub(super) handshake: Option<Box<Handshake>>,
}

impl<F> ProxyFuture<F> {
    /// Waits for `response` until the request's deadline.
    pub(super) fn sent(response: F, sent: Sent, is_grpc: bool) -> Self {
        let sleep = sleep_until(sent.progress.deadline());
        Self { kind: Kind::Sent { response, sleep, sent }, is_grpc }
    }

    /// Responds with `problem`.
    pub(super) const fn rejected(problem: &'static StaticProblem, is_grpc: bool) -> Self {
        Self { kind: Kind::Rejected { problem }, is_grpc }
    }
}

impl<F, R, E> Future for ProxyFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = Result<Response<ResponseBody<R>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = match this.kind.project() {
            KindProj::Rejected { problem } => Err(*problem),
            KindProj::Sent { response, sleep, sent } => match response.poll(cx) {
                Poll::Ready(result) => sent.finish(result),
                Poll::Pending => {
                    ready!(sent.progress.poll_expired(sleep, cx));
                    Err(sent.expire())
                }
            },
        };
        Poll::Ready(Ok(
            result.unwrap_or_else(|problem| problem.response(*this.is_grpc).map(ResponseBody::from_bytes))
        ))
    }
}

impl Sent {
    /// Turns the client's result into the response, or into the problem to respond with.
    fn finish<R, E>(
        &mut self,
        result: Result<Response<R>, E>,
    ) -> Result<Response<ResponseBody<R>>, &'static StaticProblem>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        match result {
            Ok(response) => self.accept(response),
            // The order matters. A body that broke off makes the client fail as well, and so does
            // one that stalled until the deadline: neither is the backend's fault.
            Err(_) if self.progress.has_failed_body() => Err(problems::MALFORMED_BODY),
            Err(_) if self.has_stalled_body() => Err(self.expire()),
            Err(error) => Err(self.settings.client_failed(&*error.into())),
        }
    }

    /// Makes the backend's response one for the client.
    fn accept<R>(
        &mut self,
        mut response: Response<R>,
    ) -> Result<Response<ResponseBody<R>>, &'static StaticProblem> {
        self.progress.record_response();
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.complete_upgrade(&mut response)?;
        } else {
            clean_response(&mut response).map_err(|message| self.reject(message))?;
        }
        // The version is a property of the connection to the backend. The server sets its own.
        *response.version_mut() = Version::HTTP_11;
        Ok(response.map(|body| ResponseBody::upstream(body, None).with_trailers(clean_response_trailers)))
    }

    fn complete_upgrade<R>(&mut self, response: &mut Response<R>) -> Result<(), &'static StaticProblem> {
        match self.handshake.take().filter(|handshake| handshake.is_accepted_by(response)) {
            Some(handshake) => {
                handshake.complete(response);
                Ok(())
            }
            None => Err(self.reject("a backend switched to a protocol that was not requested")),
        }
    }

    fn has_stalled_body(&self) -> bool {
        self.progress.waits_for_client() && self.progress.deadline() <= Instant::now()
    }

    /// Returns the problem of a request that timed out, by whose fault it is.
    fn expire(&self) -> &'static StaticProblem {
        if self.progress.waits_for_client() {
            self.progress.set_outcome(Outcome::Cancelled);
            return problems::REQUEST_TIMEOUT;
        }
        self.settings.failure_log.log_failure("a backend did not respond in time", None);
        self.progress.set_outcome(Outcome::Error);
        problems::GATEWAY_TIMEOUT
    }

    /// Returns the problem of a response that must not be forwarded, and logs the reason.
    fn reject(&self, message: &'static str) -> &'static StaticProblem {
        self.settings.failure_log.log_failure(message, None);
        self.progress.set_outcome(Outcome::Error);
        problems::BAD_GATEWAY
    }
}

/// Removes the fields that end at the proxy. The error says why the response must not be forwarded.
fn clean_response<R>(response: &mut Response<R>) -> Result<(), &'static str> {
    let is_empty = response.status() == StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    let scan = HeaderScan::new(headers);
    if !merge_content_lengths(headers, scan) {
        return Err("a backend sent several content lengths, or one that is not a number");
    }
    if !has_supported_coding(headers, scan) {
        return Err("a backend used a transfer coding other than chunked");
    }
    strip_hop_by_hop(headers, scan);
    if is_empty {
        headers.remove(CONTENT_LENGTH);
    }
    Ok(())
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent")
            .field("progress", &self.progress)
            .field("handshake", &self.handshake)
            .finish_non_exhaustive()
    }
}

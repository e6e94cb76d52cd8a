//! The future of [`Proxy`](super::Proxy).

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::CONTENT_LENGTH;
use http::{Response, StatusCode, Version};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::framing::{has_supported_coding, merge_content_lengths};
use super::hop_by_hop::strip_hop_by_hop;
use super::local::LocalResponse;
use super::peeked::Peeked;
use super::problems;
use super::progress::RequestProgress;
use super::redirects::UrlMap;
use super::response_body::ProxyBody;
use super::scan::HeaderScan;
use super::settings::ProxySettings;
use super::upgrade::Handshake;
use super::watch::{IdleLimit, PendingWatch};
use crate::common::error::BoxError;
use crate::common::problem::{ProblemForm, StaticProblem};
use crate::layer::Rewritten;
use crate::traffic::{Outcome, ProxyOutcome};

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
        form: ProblemForm,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<F> {
        Sent { #[pin] response: F, #[pin] sleep: Sleep, sent: Sent },
        Local { response: LocalResponse },
    }
}

/// A request that the client has taken.
pub(super) struct Sent {
    pub(super) progress: RequestProgress,
    pub(super) settings: Arc<ProxySettings>,
    /// The upgrade that it asks for. Boxed because few requests have one.
    pub(super) handshake: Option<Box<Handshake>>,
    /// The prefix that was cut from the path before the proxy. `None` unless redirects are rewritten.
    pub(super) prefix: Option<Box<str>>,
    /// The watch of the body of the request. `None` unless there is one with an idle time.
    pub(super) watch: Option<Box<PendingWatch>>,
}

impl<F> ProxyFuture<F> {
    /// Waits for `response` until the request's deadline.
    pub(super) fn sent(response: F, sent: Sent, form: ProblemForm) -> Self {
        let sleep = sleep_until(sent.progress.deadline());
        Self { kind: Kind::Sent { response, sleep, sent }, form }
    }

    /// Responds without the client.
    pub(super) const fn local(response: LocalResponse, form: ProblemForm) -> Self {
        Self { kind: Kind::Local { response }, form }
    }
}

impl<F, R, E> Future for ProxyFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    E: Into<BoxError>,
{
    type Output = Result<Response<ProxyBody<R>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = match this.kind.project() {
            KindProj::Local { response } => Err(*response),
            KindProj::Sent { response, sleep, sent } => match response.poll(cx) {
                Poll::Ready(result) => sent.finish(result, cx).map_err(Into::into),
                Poll::Pending => {
                    ready!(sent.progress.poll_expired(sleep, cx));
                    Err(sent.expire().into())
                }
            },
        };
        Poll::Ready(Ok(result.unwrap_or_else(|local| local.response(*this.form).map(ProxyBody::local))))
    }
}

impl Sent {
    /// Turns the client's result into the response, or into the problem to respond with: 400 if the body of the request was
    /// broken, 408 or 504 if it stalled, and else 504 after a timeout of the client and 502 after other errors.
    fn finish<R, E>(
        &mut self,
        result: Result<Response<R>, E>,
        cx: &mut Context<'_>,
    ) -> Result<Response<ProxyBody<R>>, &'static StaticProblem>
    where
        R: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
        E: Into<BoxError>,
    {
        match result {
            Ok(response) => self.accept(response, cx),
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
        cx: &mut Context<'_>,
    ) -> Result<Response<ProxyBody<R>>, &'static StaticProblem>
    where
        R: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        self.progress.record_response();
        let is_upgrade = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        if is_upgrade {
            self.complete_upgrade(&mut response)?;
        } else {
            clean_response(&mut response).map_err(|message| self.reject(message))?;
        }
        if let Some(prefix) = &self.prefix {
            rewrite_redirects(&mut response, prefix);
        }
        // The version is a property of the connection to the backend. The server sets its own.
        *response.version_mut() = Version::HTTP_11;
        let limit = self.settings.body_idle.as_ref().filter(|_| !is_upgrade);
        let Some(limit) = limit else { return Ok(response.map(ProxyBody::plain)) };
        let watch = self.watch.take();
        Ok(response.map(|body| wrap(body, self.progress.outcome(), watch, limit, cx)))
    }

    /// Completes the upgrade that the backend accepted. A 101 that is no valid answer to the client's request is an error.
    fn complete_upgrade<R>(&mut self, response: &mut Response<R>) -> Result<(), &'static StaticProblem> {
        match self.handshake.take().filter(|handshake| handshake.is_accepted_by(response)) {
            Some(handshake) => {
                handshake.complete(response);
                Ok(())
            }
            None => Err(self.reject("a backend switched to a protocol that was not requested")),
        }
    }

    /// Returns whether the deadline passed while the backend waited for the client.
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

/// Wraps a body with an idle time. The time starts, unless both bodies have ended by now.
fn wrap<R>(
    body: R,
    outcome: &ProxyOutcome,
    watch: Option<Box<PendingWatch>>,
    limit: &IdleLimit,
    cx: &mut Context<'_>,
) -> ProxyBody<R>
where
    R: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let is_request_done = watch.as_ref().is_none_or(|watch| watch.is_request_done());
    if is_request_done && body.is_end_stream() {
        return ProxyBody::plain(body);
    }
    let mut body = Box::pin(Peeked::new(body));
    if is_request_done && let Some(ahead) = body.as_mut().peek(cx) {
        return ProxyBody::complete(ahead);
    }
    let watch = watch.map_or_else(PendingWatch::new, |watch| *watch);
    ProxyBody::watched(body, outcome.clone(), watch, limit)
}

/// Maps the URLs of the backend to the client's URLs, which begin with `prefix` and the segment that the layer cut.
#[cold]
fn rewrite_redirects<R>(response: &mut Response<R>, prefix: &str) {
    let Some(rewritten) = response.extensions_mut().remove::<Rewritten>() else { return };
    let urls = UrlMap {
        scheme: &rewritten.scheme,
        authority: &rewritten.authority,
        base: &rewritten.base_path,
        prefix: &[prefix, &rewritten.stripped].concat(),
    };
    urls.rewrite(response.headers_mut(), rewritten.backend_cookies);
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

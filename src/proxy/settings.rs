//! The settings of a proxy, which its clones share.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Version, request};

use super::failure_log::FailureLog;
use super::forwarding::Forwarding;
use super::local::LocalResponse;
use super::max_forwards::count_forward;
use super::problems;
use super::request::{
    announce_chunked_body, announce_empty_body, check_request, has_too_many_fields, strip_for_backend,
};
use super::scan::HeaderScan;
use super::timeouts::{TimeoutCheck, is_timeout};
use super::tunnel::TunnelExecutor;
use super::upgrade::Handshake;
use super::watch::IdleLimit;
use crate::common::problem::StaticProblem;

/// The default of [`Proxy::with_response_timeout`](super::Proxy::with_response_timeout).
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// The default of [`Proxy::with_max_headers`](super::Proxy::with_max_headers): the limit of hyper's HTTP/1.1 server.
const MAX_HEADERS: usize = 100;

/// The settings of a proxy, which its clones share.
#[derive(Clone)]
pub(super) struct ProxySettings {
    pub(super) response_timeout: Duration,
    /// `None` does not watch bodies.
    pub(super) body_idle: Option<Arc<IdleLimit>>,
    pub(super) max_headers: usize,
    pub(super) forwarding: Forwarding,
    /// Whether the URLs in responses are mapped back.
    pub(super) rewrites_redirects: bool,
    pub(super) allows_trace: bool,
    /// Whether a request body over HTTP/2 must report its end.
    pub(super) checks_body_end: bool,
    /// Runs the tunnels of upgrades. `None` forwards upgrades as plain requests.
    pub(super) upgrades: Option<Arc<TunnelExecutor>>,
    /// The maximum time without a byte in a tunnel. `None` is no limit.
    pub(super) tunnel_idle: Option<Duration>,
    /// The application's own check for timeouts.
    pub(super) timeout_check: Option<Arc<TimeoutCheck>>,
    pub(super) failure_log: Arc<FailureLog>,
}

impl ProxySettings {
    /// Creates the defaults.
    pub(super) fn new() -> Self {
        Self {
            response_timeout: RESPONSE_TIMEOUT,
            body_idle: None,
            max_headers: MAX_HEADERS,
            forwarding: Forwarding::new(),
            rewrites_redirects: false,
            allows_trace: false,
            checks_body_end: true,
            upgrades: None,
            tunnel_idle: None,
            timeout_check: None,
            failure_log: Arc::new(FailureLog::new()),
        }
    }

    /// Logs an error of the client, and returns the problem to respond with: 504 after a timeout, else 502.
    pub(super) fn client_failed(&self, error: &(dyn Error + 'static)) -> &'static StaticProblem {
        self.failure_log.log_failure("a request to a backend failed", Some(error));
        if is_timeout(error, self.timeout_check.as_deref()) {
            problems::GATEWAY_TIMEOUT
        } else {
            problems::BAD_GATEWAY
        }
    }

    /// Turns a request into the one for the backend, or returns the response to it. Returns the upgrade it asks for, if any.
    pub(super) fn prepare(
        &self,
        head: &mut request::Parts,
        scan: HeaderScan,
        has_body: bool,
        is_grpc: bool,
    ) -> Result<Option<Box<Handshake>>, LocalResponse> {
        if has_too_many_fields(&head.headers, self.max_headers) {
            return Err(problems::TOO_MANY_HEADERS.into());
        }
        check_request(head, scan)?;
        if scan.via {
            self.forwarding.check_loop(&head.headers)?;
        }
        self.check_method(head)?;
        // Before the hop-by-hop fields are removed: they are what asks for an upgrade.
        let upgrades = self.upgrades.as_ref().filter(|_| !has_body && scan.connection);
        let handshake =
            upgrades.and_then(|executor| Handshake::from_request(head, executor, self.tunnel_idle));
        strip_for_backend(head, scan);
        self.announce_body(head, scan, has_body, is_grpc);
        if let Some(handshake) = &handshake {
            handshake.set_request_headers(&mut head.headers);
        }
        self.forwarding.set_forwarding_headers(head, scan.forwarding);
        Ok(handshake.map(Box::new))
    }

    /// Sets the fields without which a backend would misread the presence of a body. gRPC needs HTTP/2, where the frames say
    /// it.
    fn announce_body(&self, head: &mut request::Parts, scan: HeaderScan, has_body: bool, is_grpc: bool) {
        // A middleware that hides the end of a body makes each request over HTTP/2 look like one with a body.
        let is_certain = scan.transfer_encoding || (head.version == Version::HTTP_2 && self.checks_body_end);
        match has_body {
            _ if is_grpc => {}
            false => announce_empty_body(head),
            true if is_certain => announce_chunked_body(head),
            true => {}
        }
    }

    /// Responds to requests about the proxy itself, and counts it in `Max-Forwards` (RFC 9110, 7.6.2).
    fn check_method(&self, head: &mut request::Parts) -> Result<(), LocalResponse> {
        match head.method {
            // `*` is the server that the client talks to, not a resource of a backend.
            Method::OPTIONS if head.uri.path() == "*" || !count_forward(&mut head.headers) => {
                Err(LocalResponse::Options)
            }
            Method::TRACE if !self.allows_trace || !count_forward(&mut head.headers) => {
                Err(problems::METHOD_NOT_ALLOWED.into())
            }
            _ => Ok(()),
        }
    }
}

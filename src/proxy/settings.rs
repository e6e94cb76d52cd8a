//! The settings of a proxy, which its clones share.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::request;

use super::failure_log::FailureLog;
use super::forwarding::Forwarding;
use super::problems;
use super::request::{check_request, strip_for_backend};
use super::scan::HeaderScan;
use super::timeouts::{TimeoutCheck, is_timeout};
use super::upgrade::{Handshake, TunnelExecutor};
use crate::common::problem::StaticProblem;

/// The default of [`Proxy::with_response_timeout`](super::Proxy::with_response_timeout).
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// The settings of a proxy, which its clones share.
#[derive(Clone)]
pub(super) struct ProxySettings {
    pub(super) response_timeout: Duration,
    pub(super) forwarding: Forwarding,
    /// Runs the tunnels of upgrades. `None` forwards upgrades as plain requests.
    pub(super) upgrades: Option<Arc<TunnelExecutor>>,
    /// The application's own check for timeouts.
    pub(super) timeout_check: Option<Arc<TimeoutCheck>>,
    pub(super) failure_log: Arc<FailureLog>,
}

impl ProxySettings {
    /// Creates the defaults.
    pub(super) fn new() -> Self {
        Self {
            response_timeout: RESPONSE_TIMEOUT,
            forwarding: Forwarding::new(),
            upgrades: None,
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

    /// Turns a request into the one for the backend, or rejects it. Returns the upgrade it asks for, if any.
    pub(super) fn prepare(
        &self,
        head: &mut request::Parts,
        scan: HeaderScan,
        has_body: bool,
    ) -> Result<Option<Box<Handshake>>, &'static StaticProblem> {
        check_request(head, scan)?;
        if scan.via {
            self.forwarding.check_loop(&head.headers)?;
        }
        // Before the hop-by-hop fields are removed: they are what asks for an upgrade.
        let upgrades = self.upgrades.as_ref().filter(|_| !has_body && scan.connection);
        let handshake = upgrades.and_then(|executor| Handshake::from_request(head, executor));
        strip_for_backend(head, scan);
        if let Some(handshake) = &handshake {
            handshake.set_request_headers(&mut head.headers);
        }
        self.forwarding.set_forwarding_headers(head, scan.forwarding);
        Ok(handshake.map(Box::new))
    }
}

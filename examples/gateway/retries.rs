//! Requests that are sent to another instance.

use std::future::Ready;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use http::{Request, Response, StatusCode};
use tower::BoxError;
use tower::retry::Policy;
use tower_canary::layer::failover::{Failover, ReplayableBody};
use tower_canary::{RoutingHandle, upstream};

use crate::failure::Failure;
use crate::values::check_time;

/// The options of retries.
#[derive(Args, Debug)]
pub(crate) struct RetryOptions {
    /// Send a safe request without a body (GET, HEAD) to another instance of its version, if its instance responds 502, 503 or
    /// 504, or does not respond. By default only a request that could not be sent goes to another instance
    #[arg(long, env = "CANARY_RETRY_SAFE", value_parser = BoolishValueParser::new())]
    retry_safe: bool,

    /// Maximum time until an instance responds to a safe request, which then goes to another one. All attempts together have the
    /// response timeout [default: the response timeout]
    #[arg(long, value_name = "TIME", env = "CANARY_ATTEMPT_TIMEOUT", value_parser = check_time)]
    pub(crate) attempt_timeout: Option<Duration>,
}

impl RetryOptions {
    /// Checks options that depend on each other.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.attempt_timeout.is_some() && !self.retry_safe {
            return Err(Failure::from_text("--attempt-timeout needs --retry-safe"));
        }
        Ok(())
    }
}

/// Sends a request to another instance: one that could not be sent, and a safe one that failed, if that is enabled.
///
/// The layer chooses the instance, and remembers those that were tried.
#[derive(Clone, Debug)]
pub(crate) struct Retries {
    unsent: Failover<fn(&BoxError) -> bool>,
    handle: RoutingHandle,
    is_failover: bool,
    are_safe_retried: bool,
}

impl Retries {
    /// `is_failover`: the layer chooses another version, if no instance can be connected to.
    pub(crate) fn new(handle: &RoutingHandle, options: &RetryOptions, is_failover: bool) -> Self {
        Self {
            unsent: Failover::new(is_unsent),
            handle: handle.clone(),
            is_failover,
            are_safe_retried: options.retry_safe,
        }
    }
}

impl<B, R> Policy<Request<ReplayableBody<B>>, Response<R>, BoxError> for Retries {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        request: &mut Request<ReplayableBody<B>>,
        result: &mut Result<Response<R>, BoxError>,
    ) -> Option<Ready<()>> {
        if self.are_safe_retried && request.method().is_safe() && is_failure_of_instance(result) {
            // `Failover` decides about errors alone, so a response counts as one here.
            return Failover::new(|_: &()| true).retry(request, &mut Err::<(), ()>(()));
        }
        self.unsent.retry(request, result)
    }

    fn clone_request(&mut self, request: &Request<ReplayableBody<B>>) -> Option<Request<ReplayableBody<B>>> {
        // Without another instance or version to send it to, no copy is needed.
        if !self.is_failover && !self.handle.has_instances() {
            return None;
        }
        Policy::<_, Response<R>, BoxError>::clone_request(&mut self.unsent, request)
    }
}

/// Returns whether not a byte of the request was sent.
fn is_unsent(error: &BoxError) -> bool {
    error.downcast_ref().is_some_and(upstream::Error::is_connect)
}

/// Returns whether another instance may succeed. A response that is too large would be as large there.
fn is_failure_of_instance<R>(result: &Result<Response<R>, BoxError>) -> bool {
    match result {
        Ok(response) => matches!(
            response.status(),
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
        ),
        Err(error) => !error.downcast_ref().is_some_and(upstream::Error::is_too_large),
    }
}

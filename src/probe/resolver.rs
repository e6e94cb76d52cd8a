//! Resolves names, and applies the policy to the addresses.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use thiserror::Error;
use tower_service::Service;

use super::policy::UrlPolicy;
use crate::common::error::BoxError;

type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// A resolver that drops the addresses that the policy denies.
#[derive(Clone, Debug)]
pub(super) struct GuardedResolver<R> {
    pub(super) policy: UrlPolicy,
    pub(super) inner: R,
}

/// The policy denies the connection, for the reason inside.
#[derive(Debug, Error)]
#[error("the address may not be reached: {0}")]
pub(crate) struct Forbidden(pub(super) &'static str);

/// A name could not be resolved.
#[derive(Debug, Error)]
#[error("the name cannot be resolved")]
pub(crate) struct Unresolved(#[source] BoxError);

impl<R> Service<Name> for GuardedResolver<R>
where
    R: Service<Name>,
    R::Response: Iterator<Item = SocketAddr>,
    R::Error: Into<BoxError>,
    R::Future: Send + 'static,
{
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let policy = self.policy;
        let resolving = self.inner.call(name);
        Box::pin(async move {
            let resolved = resolving.await.map_err(|error| Unresolved(error.into()))?;
            retain_allowed(policy, resolved).map(Vec::into_iter).map_err(Into::into)
        })
    }
}

/// Returns the addresses that the policy allows, or the reason against the last one if all are denied.
fn retain_allowed(
    policy: UrlPolicy,
    resolved: impl Iterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, Forbidden> {
    let mut allowed = Vec::new();
    let mut reason = "the name has no address";
    for address in resolved {
        match policy.check_address(address.ip()) {
            Ok(()) => allowed.push(address),
            Err(denied) => reason = denied,
        }
    }
    if allowed.is_empty() { Err(Forbidden(reason)) } else { Ok(allowed) }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::retain_allowed;
    use crate::probe::UrlPolicy;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn denied_addresses_are_dropped() {
        let found =
            addresses(&["169.254.169.254:80", "10.0.0.1:80", "[::ffff:169.254.169.254]:80", "[::1]:80"]);
        let left = retain_allowed(UrlPolicy::new(), found.into_iter()).unwrap();
        assert_eq!(left, addresses(&["10.0.0.1:80"]));
    }
}

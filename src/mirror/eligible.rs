//! Which requests are copied.

use http::header::{TRAILER, UPGRADE};
use http::{HeaderName, Request};

use super::settings::Mirror;
use crate::layer::ForwardContext;
use crate::routing::Reason;

/// The header of a copy.
pub(super) const X_CANARY_MIRROR: HeaderName = HeaderName::from_static("x-canary-mirror");

impl Mirror {
    /// Returns whether `request` can be copied, by its method, its headers and the rule that chose its version.
    pub(super) fn is_eligible<B>(&self, request: &Request<B>, context: &ForwardContext<'_>) -> bool {
        let headers = request.headers();
        self.copies(request.method())
            && !matches!(context.choice.reason, Reason::Override | Reason::Failover)
            && [X_CANARY_MIRROR, UPGRADE, TRAILER].iter().all(|name| !headers.contains_key(name))
    }
}

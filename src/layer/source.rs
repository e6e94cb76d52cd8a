//! The lookup of the routes of a request: a target bound to a handle.

use std::sync::Arc;

use arc_swap::Guard;
use http::Request;

use super::head::RequestHead;
use super::target::{Lookup, Target, TargetKind};
use crate::handle::{Entries, RoutingHandle, ServiceEntry};

/// A [`Target`] bound to a [`RoutingHandle`].
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// One service for all requests, looked up when the layer was created.
    Fixed(Arc<ServiceEntry>),
    Lookup(BoundLookup),
}

/// A lookup per request.
#[derive(Clone, Debug)]
pub(super) struct BoundLookup {
    handle: RoutingHandle,
    lookup: Lookup,
}

impl Source {
    /// Binds a target to a handle. A fixed service gets its entry now, so that a request needs no lookup.
    pub(super) fn new(target: Target, handle: &RoutingHandle) -> Self {
        match target.0 {
            TargetKind::Service(service) => Self::Fixed(handle.entry(&service)),
            TargetKind::Lookup(lookup) => Self::Lookup(BoundLookup { handle: handle.clone(), lookup }),
        }
    }

    /// Logs that no route of `entry` is published.
    #[cold]
    pub(super) fn log_unpublished(&self, entry: &ServiceEntry) {
        let service = entry.service().as_str();
        match self {
            Self::Fixed(_) => tracing::debug!(service, found_by = "fixed target", "unknown service"),
            Self::Lookup(bound) => bound.log_unknown(service),
        }
    }
}

impl BoundLookup {
    /// Returns the entries of all services, for [`locate`](Self::locate).
    pub(super) fn entries(&self) -> Guard<Arc<Entries>> {
        self.handle.entries()
    }

    /// Returns the entry of the request's service, and the number of bytes to strip from the front of its path. `None`
    /// if the request names no service or one without an entry: then it counts as a request for an unknown service.
    pub(super) fn locate<'e, B>(
        &self,
        entries: &'e Entries,
        request: &Request<B>,
    ) -> Option<(&'e ServiceEntry, usize)> {
        let Some((name, strip)) = self.lookup.find(&RequestHead::new(request)) else {
            self.handle.count_unknown();
            self.log_unnamed();
            return None;
        };
        let Some(entry) = entries.get(name.as_str()) else {
            self.handle.count_unknown();
            self.log_unknown(name.as_str());
            return None;
        };
        Some((&**entry, strip))
    }

    /// Logs the name that was looked for and where it was found. At `debug`: any client can cause it.
    #[cold]
    fn log_unknown(&self, service: &str) {
        tracing::debug!(service, found_by = %self.lookup, "unknown service");
    }

    /// Logs that the request has nothing where the name should be.
    #[cold]
    fn log_unnamed(&self) {
        tracing::debug!(found_by = %self.lookup, "the request names no service");
    }
}

//! The settings of a layer, and the path of a request through them.

use std::sync::Arc;

use http::Request;

use super::annotations::Annotations;
use super::choice::VersionChoice;
use super::forward_context::ForwardContext;
use super::overriding::{OverrideRefusal, OverrideRequest};
use super::rejection::Rejection;
use super::rewrite::{HostPolicy, rewrite};
use super::rewritten::Rewritten;
use super::rules::Rules;
use super::source::Source;
use crate::common::sharded::{Shard, Sharded};
use crate::handle::{Choice, NoChoice, RouteSnapshot, Upstream};
use crate::traffic::{ApartRecord, InFlight, ProxyOutcome};

/// The settings of a layer. Each service has a copy, which its clones share.
#[derive(Clone, Debug)]
pub(super) struct LayerSettings {
    pub(super) source: Source,
    /// `None` if each request is drawn, which is the fastest path.
    pub(super) rules: Option<Box<Rules>>,
    pub(super) host: HostPolicy,
    pub(super) fallback: Option<Arc<Sharded<Upstream>>>,
    /// Whether the choice is put into the extensions of request and response.
    pub(super) expose_choice: bool,
    /// Whether the time until the response head is measured.
    pub(super) measure_latency: bool,
    /// Whether the choice is recorded in the current span.
    pub(super) record_span_fields: bool,
}

/// The state of a request that is sent.
#[derive(Debug)]
pub(super) struct RoutedRequest {
    /// `None` on the way to the fallback, which is no version.
    pub(super) in_flight: Option<InFlight>,
    pub(super) annotations: Option<Box<Annotations>>,
}

/// Why a request is not sent.
#[derive(Debug)]
pub(super) struct RejectedRequest {
    pub(super) rejection: Rejection,
    /// Why the request did not get the version that its override names. `None`: it had no override, or was rejected at
    /// that version.
    pub(super) refused: Option<OverrideRefusal>,
}

impl LayerSettings {
    /// Creates settings with the defaults: no rules, the host of the backend, latencies measured.
    pub(super) const fn new(source: Source) -> Self {
        Self {
            source,
            rules: None,
            host: HostPolicy::Upstream,
            fallback: None,
            expose_choice: false,
            measure_latency: true,
            record_span_fields: false,
        }
    }

    /// Chooses a version for `request` and points the request at it, or at the fallback. Calls `tap` in between, before the
    /// request counts as in flight at its version. `tap` returns the record by which the request is counted apart, if it is.
    #[inline]
    pub(super) fn route<B>(
        &self,
        request: &mut Request<B>,
        tap: impl FnOnce(&mut Request<B>, ForwardContext<'_>) -> Option<Arc<ApartRecord>>,
    ) -> Result<RoutedRequest, RejectedRequest> {
        // Removed first, whatever becomes of the request: no backend sees it.
        let requested = self.rules.as_deref().and_then(|rules| rules.take_override(request));
        // Both guards end with this function, before the request is sent.
        let entries;
        let located = match &self.source {
            Source::Fixed(entry) => Some((&**entry, 0)),
            Source::Lookup(lookup) => {
                entries = lookup.entries();
                lookup.locate(&entries, request)
            }
        };
        let Some((entry, strip)) = located else {
            return self.fall_back(request, NoChoice::UnknownService, None);
        };
        let loaded = entry.load();
        let Some(snapshot) = loaded.snapshot() else {
            self.source.log_unpublished(entry);
            return self.fall_back(request, NoChoice::UnknownService, None);
        };
        self.route_by(snapshot, request, requested, strip, tap)
    }

    /// Chooses a version by `snapshot`. `requested` is the version that an override names.
    #[inline(always)]
    fn route_by<B>(
        &self,
        snapshot: RouteSnapshot<'_>,
        request: &mut Request<B>,
        requested: Option<OverrideRequest>,
        strip: usize,
        tap: impl FnOnce(&mut Request<B>, ForwardContext<'_>) -> Option<Arc<ApartRecord>>,
    ) -> Result<RoutedRequest, RejectedRequest> {
        let rules = self.rules.as_deref();
        let mut refused = None;
        let pick = match rules {
            None => snapshot.draw(),
            Some(rules) => {
                let picked = rules.pick(request, requested, snapshot);
                refused = picked.refused;
                picked.pick
            }
        };
        let choice = match snapshot.choose(pick) {
            Ok(choice) => choice,
            Err(no_choice) => return self.fall_back(request, no_choice, refused),
        };
        let annotations = rules.and_then(|rules| {
            rules.record_attempt(request, snapshot, choice);
            Annotations::from_rules(rules.new_pin(request, choice), refused)
        });
        self.forward(request, self.forward_context(snapshot, choice, strip), annotations, tap)
    }

    /// Puts the choice together with the options by which the request is forwarded.
    #[inline(always)]
    const fn forward_context<'a>(
        &self,
        snapshot: RouteSnapshot<'a>,
        choice: Choice<'a>,
        strip: usize,
    ) -> ForwardContext<'a> {
        ForwardContext { snapshot, choice, is_measured: self.measure_latency, strip, host: self.host }
    }

    /// Counts the request in flight, and points it at the chosen instance.
    #[inline(always)]
    fn forward<B>(
        &self,
        request: &mut Request<B>,
        context: ForwardContext<'_>,
        mut annotations: Option<Box<Annotations>>,
        tap: impl FnOnce(&mut Request<B>, ForwardContext<'_>) -> Option<Arc<ApartRecord>>,
    ) -> Result<RoutedRequest, RejectedRequest> {
        let ForwardContext { choice, strip, .. } = context;
        // Before the request counts, so that nothing needs to be kept across the call.
        let record = tap(request, context);
        let mut in_flight = choice.enter();
        if let Some(record) = record {
            in_flight.set_apart_record(record);
        }
        let upstream = choice.upstream();
        let rewritten = self.prepare(request, upstream, strip);
        if let Err(rejection) = rewrite(request, upstream, strip, self.host) {
            in_flight.refuse();
            return Err(RejectedRequest { rejection, refused: annotations.and_then(|added| added.refused) });
        }
        if let Some(outcome) = request.extensions().get::<ProxyOutcome>() {
            in_flight.set_proxy_outcome(outcome.clone());
        }
        if rewritten.is_some() {
            annotations.get_or_insert_default().rewritten = rewritten;
        }
        self.report(request, choice, &mut annotations);
        if self.measure_latency {
            in_flight.start_timer();
        }
        Ok(RoutedRequest { in_flight: Some(in_flight), annotations })
    }

    /// Reports the choice where the application asked for it: in the extensions of the request and of the response, and
    /// in the current span.
    #[inline(always)]
    fn report<B>(
        &self,
        request: &mut Request<B>,
        choice: Choice<'_>,
        annotations: &mut Option<Box<Annotations>>,
    ) {
        if self.expose_choice {
            expose(choice, request, annotations);
        }
        if self.record_span_fields {
            record_span_fields(choice);
        }
    }

    /// Adds the stripped prefix to the request, and returns the report for the response, each if the proxy around the
    /// layer asks for it. With the client's own host there is no report, since the proxy has nothing to map back.
    #[inline]
    fn prepare<B>(&self, request: &mut Request<B>, upstream: &Upstream, strip: usize) -> Option<Rewritten> {
        Rewritten::prepare(request, upstream, strip).filter(|_| self.host != HostPolicy::Preserve)
    }

    /// Points a request that has no version at the fallback, or rejects it. The request is in flight at no version.
    #[cold]
    fn fall_back<B>(
        &self,
        request: &mut Request<B>,
        no_choice: NoChoice,
        refused: Option<OverrideRefusal>,
    ) -> Result<RoutedRequest, RejectedRequest> {
        // A version whose requests are to be refused keeps them: the fallback is for services that it replaces.
        let fallback = self.fallback.as_ref().filter(|_| no_choice != NoChoice::NoInstance);
        let Some(fallback) = fallback else {
            return Err(RejectedRequest { rejection: no_choice.into(), refused });
        };
        let upstream = fallback.at(Shard::current());
        let mut annotations = Annotations::from_rules(None, refused);
        // The fallback gets the path as it was received: nothing is stripped.
        if let Some(rewritten) = self.prepare(request, upstream, 0) {
            annotations.get_or_insert_default().rewritten = Some(rewritten);
        }
        match rewrite(request, upstream, 0, self.host) {
            Ok(()) => Ok(RoutedRequest { in_flight: None, annotations }),
            Err(rejection) => Err(RejectedRequest { rejection, refused }),
        }
    }
}

/// Puts the choice into the extensions of the request and of its response.
#[cold]
fn expose<B>(choice: Choice<'_>, request: &mut Request<B>, annotations: &mut Option<Box<Annotations>>) {
    let choice = VersionChoice::new(&choice);
    request.extensions_mut().insert(choice.clone());
    annotations.get_or_insert_default().choice = Some(choice);
}

/// Records the choice in the current span. Fields that the span did not declare are ignored by `tracing`.
#[cold]
fn record_span_fields(choice: Choice<'_>) {
    let span = tracing::Span::current();
    span.record("canary.service", choice.split.service().as_str());
    span.record("canary.version", choice.version().name.as_str());
    span.record("canary.instance", choice.backend().as_str());
    span.record("canary.reason", choice.reason.as_str());
}

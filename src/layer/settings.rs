//! The settings of a layer, and the path of a request through them.

use std::sync::Arc;

use http::Request;

use super::annotations::Annotations;
use super::choice::VersionChoice;
use super::overriding::OverrideRefusal;
use super::rejection::Rejection;
use super::rewrite::{HostPolicy, rewrite};
use super::rules::Rules;
use super::source::Source;
use crate::common::sharded::{Shard, Sharded};
use crate::handle::{Choice, NoChoice, Upstream};
use crate::traffic::{InFlight, ProxyOutcome};

/// The state that all clones of a service share. One pointer leads to it, so a clone per request writes one count.
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
pub(super) struct Routed {
    /// `None` on the way to the fallback, which is no version.
    pub(super) in_flight: Option<InFlight>,
    pub(super) annotations: Option<Box<Annotations>>,
}

/// Why a request is not sent.
#[derive(Debug)]
pub(super) struct Rejected {
    pub(super) rejection: Rejection,
    /// Why the request did not get the version that it asked for.
    pub(super) refused: Option<OverrideRefusal>,
}

impl LayerSettings {
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

    /// Chooses a version for `request` and points the request at it, or at the fallback.
    pub(super) fn route<B>(&self, request: &mut Request<B>) -> Result<Routed, Rejected> {
        // Removed first, whatever becomes of the request: no backend sees it.
        let requested = self.rules.as_deref().and_then(|rules| rules.take_override(request));
        let mut refused = None;
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
            return self.fall_back(request, NoChoice::UnknownService, refused);
        };
        let loaded = entry.load();
        let Some(snapshot) = loaded.snapshot() else {
            self.source.log_unpublished(entry);
            return self.fall_back(request, NoChoice::UnknownService, refused);
        };
        let pick = match &self.rules {
            None => snapshot.draw(),
            Some(rules) => rules.pick(request, requested, &snapshot, &mut refused),
        };
        // From here on the request is in flight.
        let choice = match snapshot.choose(pick) {
            Ok(choice) => choice,
            Err(no_choice) => return self.fall_back(request, no_choice, refused),
        };
        let annotations = match &self.rules {
            None => None,
            Some(rules) => Annotations::from_rules(rules.pin_cookie(&choice), refused),
        };
        self.forward(request, choice, strip, annotations)
    }

    #[inline]
    fn forward<B>(
        &self,
        request: &mut Request<B>,
        mut choice: Choice<'_>,
        strip: usize,
        mut annotations: Option<Box<Annotations>>,
    ) -> Result<Routed, Rejected> {
        if let Err(rejection) = rewrite(request, choice.upstream, strip, self.host) {
            choice.in_flight.refuse();
            return Err(Rejected { rejection, refused: annotations.and_then(|added| added.refused) });
        }
        if let Some(outcome) = request.extensions().get::<ProxyOutcome>() {
            choice.in_flight.set_proxy_outcome(outcome.clone());
        }
        if self.expose_choice {
            expose(&choice, request, &mut annotations);
        }
        if self.record_span_fields {
            record_span_fields(&choice);
        }
        if self.measure_latency {
            choice.in_flight.start_timer();
        }
        Ok(Routed { in_flight: Some(choice.in_flight), annotations })
    }

    #[cold]
    fn fall_back<B>(
        &self,
        request: &mut Request<B>,
        no_choice: NoChoice,
        refused: Option<OverrideRefusal>,
    ) -> Result<Routed, Rejected> {
        let sent = match &self.fallback {
            // The fallback gets the path as it was received: nothing is stripped.
            Some(fallback) => rewrite(request, fallback.at(Shard::current()), 0, self.host),
            None => Err(no_choice.into()),
        };
        match sent {
            Ok(()) => Ok(Routed { in_flight: None, annotations: Annotations::from_rules(None, refused) }),
            Err(rejection) => Err(Rejected { rejection, refused }),
        }
    }
}

#[cold]
fn expose<B>(choice: &Choice<'_>, request: &mut Request<B>, annotations: &mut Option<Box<Annotations>>) {
    let choice = VersionChoice::new(choice);
    request.extensions_mut().insert(choice.clone());
    annotations.get_or_insert_default().choice = Some(choice);
}

#[cold]
fn record_span_fields(choice: &Choice<'_>) {
    let span = tracing::Span::current();
    span.record("canary.service", choice.split.service().as_str());
    span.record("canary.version", choice.split.versions()[choice.version].name.as_str());
    span.record("canary.reason", choice.reason.as_str());
}

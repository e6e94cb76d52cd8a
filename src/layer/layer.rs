use std::sync::Arc;

use tower_layer::Layer;

use super::affinity::Affinity;
use super::overriding::Override;
use super::rewrite::HostPolicy;
use super::rules::Rules;
use super::service::WeightedVersion;
use super::settings::LayerSettings;
use super::source::Source;
use super::target::Target;
use super::uri_check::log_if_uri_ignored;
use crate::common::sharded::Sharded;
use crate::handle::{RoutingHandle, Upstream};
use crate::routing::{Backend, Reason};

/// Chooses a version of a backend for each request and rewrites the request to it. See the [module docs](super).
///
/// The client below is a [`Service`](tower_service::Service) that takes `http::Request<B>`, for any `B`, and returns
/// `http::Response<R>` where `R: http_body::Body`. It must send each request to the scheme and authority of the request's
/// URI. tonic's `Channel` does not: see [clients that ignore the URI](super#clients-that-ignore-the-uri). `M` is `Mirror` if
/// the layer copies requests.
///
/// ```
/// use tower_canary::layer::HostPolicy;
/// use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};
///
/// let handle = RoutingHandle::new();
/// let layer = WeightedVersionLayer::new(&handle, Target::path_segment())
///     .with_host(HostPolicy::Preserve)
///     .with_fallback(&"http://monolith:8080".parse()?)
///     .with_choice();
/// # Ok::<(), tower_canary::routing::InvalidBackend>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct WeightedVersionLayer<M = ()> {
    settings: Arc<LayerSettings>,
    handle: RoutingHandle,
    mirror: M,
}

impl WeightedVersionLayer {
    /// Creates a layer that follows the routes of `handle` and finds a request's service by `target`.
    ///
    /// The service need not exist yet: until it is published, requests for it get 404.
    pub fn new(handle: &RoutingHandle, target: Target) -> Self {
        let settings = LayerSettings::new(Source::new(target, handle));
        Self { settings: Arc::new(settings), handle: handle.clone(), mirror: () }
    }

    /// Sets the mirror, which copies requests.
    #[cfg(feature = "mirror")]
    pub(crate) fn mirrored_by<M>(self, mirror: M) -> WeightedVersionLayer<M> {
        self.handle.add_rule(Reason::Mirror);
        WeightedVersionLayer { settings: self.settings, handle: self.handle, mirror }
    }
}

impl<M> WeightedVersionLayer<M> {
    /// Keeps each user with one version, by the key that `affinity` finds. Requests without a key are drawn by weight.
    ///
    /// It costs the search for the key and its hash. See [`Affinity`] for an example.
    pub fn with_affinity(self, affinity: Affinity) -> Self {
        self.handle.add_rule(Reason::Key);
        self.rule(|rules| rules.affinity = Some(affinity))
    }

    /// Lets requests that the application trusts ask for a version, even one at weight 0. It precedes every other rule.
    ///
    /// See [`Override`] for an example.
    pub fn with_override(self, overriding: Override) -> Self {
        self.zero_weight_rule(Reason::Override, |rules| rules.overriding = Some(overriding))
    }

    /// Sends requests for an unknown service, or for one without an active version, to `backend`.
    ///
    /// Requests that are refused because no instance of their version is usable do not go there.
    ///
    /// Their path stays as it was received: a segment that names a service is not stripped.
    ///
    /// No check is made. `probe::UrlPolicy::check` refuses a URL that the client cannot reach.
    pub fn with_fallback(self, backend: &Backend) -> Self {
        self.set(|settings| {
            settings.fallback = Some(Arc::new(Sharded::new(|shard, _| Upstream::new(backend, shard))))
        })
    }

    /// Sets which `Host` the backend gets. Default: [`HostPolicy::Upstream`].
    pub fn with_host(self, policy: HostPolicy) -> Self {
        self.set(|settings| settings.host = policy)
    }

    /// Puts a [`VersionChoice`](super::VersionChoice) into the extensions of the request and of the response.
    ///
    /// Off by default: it costs at least three allocations per request. See [`VersionChoice`](super::VersionChoice) for an
    /// example.
    pub fn with_choice(self) -> Self {
        self.set(|settings| settings.expose_choice = true)
    }

    /// Records `canary.service`, `canary.version`, `canary.instance` and `canary.reason` in the current span, if the span has such fields.
    /// Declare them where the application creates the span, for example in tower-http's `TraceLayer`. Off by default.
    ///
    /// ```
    /// use http::Request;
    /// use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};
    /// use tower_http::trace::TraceLayer;
    /// use tracing::field::Empty;
    ///
    /// let trace = TraceLayer::new_for_http().make_span_with(|request: &Request<String>| {
    ///     tracing::info_span!("request", method = %request.method(), canary.version = Empty, canary.reason = Empty)
    /// });
    /// let layer = WeightedVersionLayer::new(&RoutingHandle::new(), Target::path_segment()).with_span_fields();
    /// let stack = tower::ServiceBuilder::new().layer(trace).layer(layer);
    /// ```
    pub fn with_span_fields(self) -> Self {
        self.set(|settings| settings.record_span_fields = true)
    }

    /// Disables latency measurement, which reads the clock twice per request.
    ///
    /// Requests are still counted by reason and by outcome: see [`traffic`](crate::traffic).
    pub fn without_latencies(self) -> Self {
        self.set(|settings| settings.measure_latency = false)
    }

    /// Sets a rule that may choose active versions at weight 0, and whose choices have `reason`.
    pub(super) fn zero_weight_rule(self, reason: Reason, rule: impl FnOnce(&mut Rules)) -> Self {
        self.handle.add_rule(reason);
        self.handle.set_zero_weight_reachable();
        self.rule(rule)
    }

    /// Sets a rule.
    pub(super) fn rule(self, rule: impl FnOnce(&mut Rules)) -> Self {
        self.set(|settings| rule(settings.rules.get_or_insert_default()))
    }

    /// Changes a setting of this layer alone: clones that were made before keep theirs.
    fn set(mut self, set: impl FnOnce(&mut LayerSettings)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self
    }
}

impl<S, M: Clone> Layer<S> for WeightedVersionLayer<M> {
    type Service = WeightedVersion<S, M>;

    fn layer(&self, inner: S) -> WeightedVersion<S, M> {
        log_if_uri_ignored::<S>();
        // A copy per service: threads with a service each do not contend for one reference count.
        WeightedVersion::new(inner, LayerSettings::clone(&self.settings), self.mirror.clone())
    }
}

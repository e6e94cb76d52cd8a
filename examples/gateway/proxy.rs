//! The reverse proxy in front of the versions.

use std::convert::Infallible;
use std::net::IpAddr;
use std::task::{Context, Waker};

use http::{Request, Response};
use hyper::service::Service;
use hyper_util::rt::TokioExecutor;
use tower::retry::{Retry, RetryLayer};
use tower::util::MapRequest;
use tower::{Layer, Service as _, ServiceExt};
use tower_canary::layer::failover::{self, ReplayableBody};
use tower_canary::layer::{ClientAddress, HostPolicy, ResponseBody, WeightedVersion};
use tower_canary::mirror::{Mirror, MirrorBody};
use tower_canary::proxy::{Proxy, ProxyBody, RequestBody};
use tower_canary::upstream::{self, Client};
use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};

use crate::attempts::Attempts;
use crate::failure::Failure;
use crate::options::Options;
use crate::requests::ClientBody;
use crate::retries::Retries;
use crate::token::Secret;
use crate::tunnels::Tunnels;

/// The client for backends. Each thread has a pool of its own, so that no thread waits for another one.
pub(crate) type Backends = Client<SentBody>;

/// The body of a request. It can be sent to another instance until its first byte was read, and copied to another version.
type SentBody = ReplayableBody<MirrorBody<RequestBody<ClientBody>>>;

/// Makes the body of a request such a body.
type Prepare = fn(Request<RequestBody<ClientBody>>) -> Request<SentBody>;

/// The versions of all services, without retries.
type Versions = WeightedVersion<Attempts<Backends>, Mirror>;

pub(crate) type VersionProxy = Proxy<MapRequest<Retry<Retries, Versions>, Prepare>>;

/// Creates the layer that chooses a version for each request. `secret` signs the pin cookies that have no secret of
/// their own. `mirror` copies requests, as soon as an operator sets a mirror.
pub(crate) fn layer(
    handle: &RoutingHandle,
    options: &Options,
    secret: &Secret,
    mirror: &Mirror,
) -> Result<WeightedVersionLayer<Mirror>, Failure> {
    let mut layer = WeightedVersionLayer::new(handle, Target::path_segment()).with_instance_failover();
    if options.health.failover {
        layer = layer.with_failover();
    }
    if let Some(fallback) = &options.fallback_url {
        layer = layer.with_fallback(fallback);
    }
    if options.preserve_host {
        layer = layer.with_host(HostPolicy::Preserve);
    }
    if let Some(affinity) = options.affinity() {
        layer = layer.with_affinity(affinity);
    }
    if let Some(pin) = options.pins.cookie(secret, &options.tls.scheme())? {
        layer = layer.with_pin(pin);
    }
    if let Some(overriding) = options.version_override() {
        layer = layer.with_override(overriding);
    }
    Ok(layer.with_mirror(mirror.clone()))
}

fn prepare(request: Request<RequestBody<ClientBody>>) -> Request<SentBody> {
    failover::prepare(request.map(MirrorBody::new))
}

/// Creates the proxy of one thread. The proxies of all threads share the name `via`.
pub(crate) fn proxy(
    layer: &WeightedVersionLayer<Mirror>,
    retries: Retries,
    backends: Backends,
    options: &Options,
    via: &str,
    tunnels: &Tunnels,
) -> Result<VersionProxy, Failure> {
    let trusted = options.trusted_proxies();
    let versions = layer.layer(Attempts::new(backends, options.retries.attempt_timeout));
    let retried = RetryLayer::new(retries).layer(versions);
    let mut proxy = Proxy::new(retried.map_request(prepare as Prepare))
        .with_upgrades(tunnels.clone())
        .with_scheme(&options.tls.scheme())
        .with_response_timeout(options.response_timeout)
        .with_body_idle_timeout(options.body_idle_timeout, TokioExecutor::new())
        .with_max_headers(options.max_headers.into())
        .with_address_header(options.address_header)
        .with_trusted_proxies(move |address: IpAddr| trusted.contains(address));
    if let Some(limit) = options.tunnel_idle_timeout {
        proxy = proxy.with_tunnel_idle_timeout(limit);
    }
    if options.rewrite_redirects {
        proxy = proxy.with_redirect_rewriting();
    }
    if options.no_via {
        return Ok(proxy.without_via());
    }
    proxy.with_via(via).map_err(|error| Failure::new("cannot name the proxy", &error))
}

/// Returns a name for the `Via` header that no other process has.
pub(crate) fn unique_name() -> String {
    format!("canary-{:016x}", rand::random::<u64>())
}

/// The service of one client connection. It adds the client's address to each request.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) proxy: VersionProxy,
    /// `None` if it is unknown. Then no address is forwarded, and no header of the client is trusted.
    pub(crate) client: Option<IpAddr>,
}

impl Service<Request<ClientBody>> for Connection {
    type Response = Response<ProxyBody<ResponseBody<upstream::Body>>>;
    type Error = Infallible;
    type Future = <VersionProxy as tower::Service<Request<ClientBody>>>::Future;

    fn call(&self, mut request: Request<ClientBody>) -> Self::Future {
        if let Some(client) = self.client {
            request.extensions_mut().insert(ClientAddress(client));
        }
        let mut proxy = self.proxy.clone();
        // One poll is enough, since `Backends` is always ready. With another client, use hyper-util's
        // `TowerToHyperService`, which waits until the service is ready.
        let _ready = proxy.poll_ready(&mut Context::from_waker(Waker::noop()));
        proxy.call(request)
    }
}

//! The reverse proxy in front of the versions.

use std::convert::Infallible;
use std::net::IpAddr;
use std::task::{Context, Waker};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use tower::{Layer, Service as _};
use tower_canary::layer::{ClientAddress, ResponseBody, WeightedVersion};
use tower_canary::proxy::Proxy;
use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};

use crate::backends::{BackendBody, Backends};
use crate::failure::Failure;
use crate::options::Options;
use crate::tunnels::Tunnels;

pub(crate) type VersionProxy = Proxy<WeightedVersion<Backends>>;

/// Creates the layer that chooses a version for each request. `secret` signs the pin cookies.
pub(crate) fn layer(
    handle: &RoutingHandle,
    options: &Options,
    secret: &str,
) -> Result<WeightedVersionLayer, Failure> {
    let mut layer = WeightedVersionLayer::new(handle, Target::path_segment());
    if let Some(fallback) = &options.fallback_url {
        layer = layer.with_fallback(fallback);
    }
    if let Some(affinity) = options.affinity() {
        layer = layer.with_affinity(affinity);
    }
    if let Some(pin) = options.pin_cookie(secret)? {
        layer = layer.with_pin(pin);
    }
    if let Some(overriding) = options.version_override() {
        layer = layer.with_override(overriding);
    }
    Ok(layer)
}

/// Creates the proxy of one thread. The proxies of all threads share the name `via`.
pub(crate) fn proxy(
    layer: &WeightedVersionLayer,
    backends: Backends,
    options: &Options,
    via: &str,
    tunnels: &Tunnels,
) -> Result<VersionProxy, Failure> {
    let trusted = options.trusted_proxies.clone();
    Proxy::new(layer.layer(backends))
        .with_upgrades(tunnels.clone())
        .with_response_timeout(options.response_timeout)
        .with_trusted_proxies(move |address: IpAddr| trusted.contains(&address))
        .with_via(via)
        .map_err(|error| Failure::new("cannot name the proxy", &error))
}

/// Returns a name for the `Via` header that no other process has.
pub(crate) fn unique_name() -> String {
    format!("canary-{:016x}", rand::random::<u64>())
}

/// The service of one client connection. It adds the client's address to each request.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) proxy: VersionProxy,
    pub(crate) client: IpAddr,
}

impl Service<Request<Incoming>> for Connection {
    type Response = Response<ResponseBody<ResponseBody<BackendBody>>>;
    type Error = Infallible;
    type Future = <VersionProxy as tower::Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(ClientAddress(self.client));
        let mut proxy = self.proxy.clone();
        // One poll is enough, since `Backends` is always ready. With another client, use hyper-util's
        // `TowerToHyperService`, which waits until the service is ready.
        let _ready = proxy.poll_ready(&mut Context::from_waker(Waker::noop()));
        proxy.call(request)
    }
}

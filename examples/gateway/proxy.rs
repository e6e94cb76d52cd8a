//! The proxy in front of the versions.

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

use crate::backends::{Backends, Download};
use crate::failure::Failure;
use crate::options::Options;
use crate::tunnels::Tunnels;

pub(crate) type VersionProxy = Proxy<WeightedVersion<Backends>>;

/// What chooses versions as the options say; `secret` is that of this run.
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
    if let Some(pin) = options.pin(secret)? {
        layer = layer.with_pin(pin);
    }
    if let Some(overriding) = options.overriding() {
        layer = layer.with_override(overriding);
    }
    Ok(layer)
}

/// The proxy of one thread. All threads are one proxy to others, called `via`.
pub(crate) fn proxy(
    layer: &WeightedVersionLayer,
    backends: Backends,
    options: &Options,
    via: &str,
    tunnels: &Tunnels,
) -> Result<VersionProxy, Failure> {
    let trusted = options.trusted_proxies.clone();
    let proxy = Proxy::new(layer.layer(backends))
        .with_upgrades(tunnels.clone())
        .with_response_timeout(options.response_timeout)
        .with_trusted_proxies(move |address: IpAddr| trusted.contains(&address));
    proxy.with_via(via).map_err(|error| Failure::new("cannot name the proxy", &error))
}

/// A name that only this process has.
pub(crate) fn name() -> String {
    format!("canary-{:016x}", rand::random::<u64>())
}

/// The service of one connection, which knows who is at its other end.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) proxy: VersionProxy,
    pub(crate) peer: IpAddr,
}

impl Service<Request<Incoming>> for Connection {
    type Response = Response<ResponseBody<ResponseBody<Download>>>;
    type Error = Infallible;
    type Future = <VersionProxy as tower::Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(ClientAddress(self.peer));
        let mut proxy = self.proxy.clone();
        // It is ready as soon as it is asked, since `Backends` is: with another client, hyper-util's
        // `TowerToHyperService` waits for it.
        let _ready = proxy.poll_ready(&mut Context::from_waker(Waker::noop()));
        proxy.call(request)
    }
}

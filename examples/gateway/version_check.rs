//! The check of a backend before it is registered or gets traffic.

use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use tower_canary::Backend;
use tower_canary::deployments::{Healthy, Unhealthy, UrlRefused, VersionCheck};
use tower_canary::probe::HttpProbe;
use tower_canary::routing::HealthPath;
use url::{Host, Url};

/// Probes with [`HttpProbe`], and refuses the gateway's own listeners as backends. Such a backend would expose the admin
/// API on the public port, or send requests in a loop.
#[derive(Debug)]
pub(crate) struct RefuseOwnListeners {
    pub(crate) probe: HttpProbe,
    pub(crate) listeners: [SocketAddr; 2],
}

#[async_trait]
impl VersionCheck for RefuseOwnListeners {
    fn admit(&self, backend: &Backend) -> Result<(), UrlRefused> {
        self.probe.admit(backend)?;
        if self.listeners.iter().any(|listener| reaches(backend, *listener)) {
            return Err(UrlRefused::new("this gateway itself listens there"));
        }
        Ok(())
    }

    async fn probe(
        &self,
        backend: &Backend,
        path: Option<&HealthPath>,
    ) -> Result<Option<Healthy>, Unhealthy> {
        self.probe.probe(backend, path).await
    }
}

/// Returns whether `backend` is an address of `listener`, in any spelling, or `localhost` with its port.
///
/// Other names are not resolved, since their addresses can change at any time. A request that loops through such a name
/// is refused by its `Via` header.
fn reaches(backend: &Backend, listener: SocketAddr) -> bool {
    let Ok(url) = Url::parse(backend.as_str()) else { return true };
    if url.port_or_known_default() != Some(listener.port()) {
        return false;
    }
    match url.host() {
        Some(Host::Ipv4(ip)) => is_address_of(ip.into(), listener),
        Some(Host::Ipv6(ip)) => is_address_of(ip.into(), listener),
        Some(Host::Domain(name)) => name.trim_end_matches('.').rsplit('.').next() == Some("localhost"),
        None => true,
    }
}

fn is_address_of(ip: IpAddr, listener: SocketAddr) -> bool {
    let ip = ip.to_canonical();
    ip.is_loopback() || ip.is_unspecified() || ip == listener.ip() || listener.ip().is_unspecified()
}

//! What may be a backend of this gateway: not the gateway itself.

use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use tower_canary::Backend;
use tower_canary::deployments::{Healthy, Unhealthy, UrlRefused, VersionCheck};
use tower_canary::probe::HttpProbe;
use tower_canary::routing::{HealthPath, Version};
use url::{Host, Url};

/// Probes like [`HttpProbe`], and refuses the gateway's own listeners: one call would put the admin API on the public
/// port, or send requests in a circle.
#[derive(Debug)]
pub(crate) struct NotOurselves {
    pub(crate) probe: HttpProbe,
    pub(crate) listeners: [SocketAddr; 2],
}

#[async_trait]
impl VersionCheck for NotOurselves {
    fn admit(&self, backend: &Backend) -> Result<(), UrlRefused> {
        self.probe.admit(backend)?;
        let is_ours = self.listeners.iter().any(|listener| reaches(backend, *listener));
        if is_ours { Err(UrlRefused::new("this gateway itself listens there")) } else { Ok(()) }
    }

    async fn probe(
        &self,
        version: &Version,
        path: Option<&HealthPath>,
    ) -> Result<Option<Healthy>, Unhealthy> {
        self.probe.probe(version, path).await
    }
}

/// Whether an address in any spelling, or a name for this machine, leads to `listener`. What other names resolve to may
/// change at any time: a request in a circle is stopped by its `Via`.
fn reaches(backend: &Backend, listener: SocketAddr) -> bool {
    let Ok(url) = Url::parse(backend.as_str()) else { return true };
    let this_machine = |ip: IpAddr| {
        let ip = ip.to_canonical();
        ip.is_loopback() || ip.is_unspecified() || ip == listener.ip() || listener.ip().is_unspecified()
    };
    let is_here = match url.host() {
        Some(Host::Ipv4(ip)) => this_machine(ip.into()),
        Some(Host::Ipv6(ip)) => this_machine(ip.into()),
        Some(Host::Domain(name)) => {
            matches!(name.trim_end_matches('.').rsplit('.').next(), Some("localhost"))
        }
        None => true,
    };
    is_here && url.port_or_known_default() == Some(listener.port())
}

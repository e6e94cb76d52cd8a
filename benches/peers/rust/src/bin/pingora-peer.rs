//! Pingora as a peer: one thread, 90/10 by its weighted round robin.

use std::collections::BTreeSet;
use std::error::Error;

use async_trait::async_trait;
use peers::Addresses;
use pingora::http::RequestHeader;
use pingora::lb::discovery::Static;
use pingora::lb::selection::RoundRobin;
use pingora::lb::{Backend, Backends, LoadBalancer};
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use tokio::runtime;

/// As many idle connections as the other peers may keep.
const IDLE_CONNECTIONS: usize = 256;

/// Sends each request to one of the versions.
struct Versions(LoadBalancer<RoundRobin>);

#[async_trait]
impl ProxyHttp for Versions {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> pingora::Result<Box<HttpPeer>> {
        let Some(backend) = self.0.select(b"", 2) else {
            return pingora::Error::e_explain(pingora::ErrorType::ConnectError, "no backend is ready");
        };
        Ok(Box::new(HttpPeer::new(backend, false, String::new())))
    }

    /// Tells the backend who asked, as the gateway does.
    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        (): &mut (),
    ) -> pingora::Result<()> {
        if let Some(client) = session.client_addr().and_then(|address| address.as_inet()) {
            request.append_header("X-Forwarded-For", client.ip().to_string())?;
        }
        if let Some(host) = request.headers.get("Host").cloned() {
            request.insert_header("X-Forwarded-Host", host)?;
        }
        request.insert_header("X-Forwarded-Proto", "http")?;
        request.append_header("Via", "1.1 pingora")?;
        Ok(())
    }
}

impl Versions {
    fn of(addresses: Addresses) -> Result<Self, Box<dyn Error>> {
        let one = Backend::new_with_weight(&addresses.one.to_string(), 90)?;
        let two = Backend::new_with_weight(&addresses.two.to_string(), 10)?;
        let backends = Backends::new(Static::new(BTreeSet::from([one, two])));
        let balancer = LoadBalancer::from_backends(backends);
        // Without this it knows of no backend.
        runtime::Builder::new_current_thread().build()?.block_on(balancer.update())?;
        Ok(Self(balancer))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let addresses = Addresses::from_args()?;
    let settings = ServerConf {
        threads: 1,
        // One thread has none to steal from.
        work_stealing: false,
        upstream_keepalive_pool_size: IDLE_CONNECTIONS,
        // Ends at once when told to, not after minutes.
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(0),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, settings);
    server.bootstrap();
    let mut proxy = http_proxy_service(&server.configuration, Versions::of(addresses)?);
    proxy.add_tcp(&addresses.listen.to_string());
    server.add_service(proxy);
    server.run_forever()
}

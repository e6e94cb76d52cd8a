//! Pingora as a peer, with one thread and 90/10 by its weighted round robin.

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

/// The limit of idle connections of the other peers.
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

    /// Sends the client address to the backend, as the gateway does.
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
    fn new(addresses: Addresses) -> Result<Self, Box<dyn Error>> {
        let one = Backend::new_with_weight(&addresses.one.to_string(), 90)?;
        let two = Backend::new_with_weight(&addresses.two.to_string(), 10)?;
        let backends = Backends::new(Static::new(BTreeSet::from([one, two])));
        let balancer = LoadBalancer::from_backends(backends);
        // Without an update the balancer has no backend.
        runtime::Builder::new_current_thread().build()?.block_on(balancer.update())?;
        Ok(Self(balancer))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let addresses = Addresses::from_args()?;
    let settings = ServerConf {
        threads: 1,
        // There is only one thread.
        work_stealing: false,
        upstream_keepalive_pool_size: IDLE_CONNECTIONS,
        // Exit immediately on SIGTERM instead of after minutes.
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(0),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, settings);
    server.bootstrap();
    let mut proxy = http_proxy_service(&server.configuration, Versions::new(addresses)?);
    proxy.add_tcp(&addresses.listen.to_string());
    server.add_service(proxy);
    server.run_forever()
}

//! Gates of rollouts over TLS.

use http::uri::Scheme;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::http_gate::{HttpGate, sender};
use super::tls::ClientTls;
use super::tls_client::TlsProbeConnector;

impl HttpGate {
    /// Asks an `https` URL by TLS. The policy must [allow it](super::UrlPolicy::allow_https). A gate at an `http` URL stays as it
    /// is.
    ///
    /// ```
    /// use tower_canary::probe::{HttpGate, UrlPolicy};
    /// use tower_canary::upstream::ClientTls;
    ///
    /// # fn gate() -> Result<(), Box<dyn std::error::Error>> {
    /// let policy = UrlPolicy::new().allow_https();
    /// let gate = HttpGate::new(policy, "https://ci.internal/smoke".parse()?)?.with_tls(ClientTls::platform()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_tls(self, tls: ClientTls) -> Self {
        if *self.url.scheme() != Scheme::HTTPS {
            return self;
        }
        let connector = TlsProbeConnector::new(self.policy, tls);
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Self { send: sender(client), ..self }
    }
}

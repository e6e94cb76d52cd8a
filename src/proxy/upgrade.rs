//! WebSockets and other upgrades: the handshake, and the tunnel after it.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, Version, request};
use hyper::rt::Executor;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use sha1::{Digest, Sha1};
use tokio::io::copy_bidirectional;
use tokio::time::timeout;

use super::headers::{Found, elements, names, strip_hop_by_hop};
use crate::layer::Tunnel;

/// How long both sides may take to let go of HTTP once they agreed to.
const UPGRADE_LIMIT: Duration = Duration::from_secs(5);

/// Runs what bridges tunnels, for the host.
pub(super) type Executing = dyn Executor<Bridge> + Send + Sync;

/// The work of one tunnel, as of a WebSocket: bytes both ways between client and backend until both have ended, or one
/// has failed. For the executor of [`Proxy::with_upgrades`](super::Proxy::with_upgrades).
///
/// The version that was chosen counts the request as in flight until this has ended. Dropping it closes both connections.
#[must_use = "futures do nothing unless polled"]
pub struct Bridge(Pin<Box<dyn Future<Output = ()> + Send>>);

/// An upgrade that a client asks for.
pub(super) struct Handshake {
    client: OnUpgrade,
    /// What it asks for.
    protocols: Vec<String>,
    /// The answer that shows a WebSocket server to have read the request: `None` where no key was sent.
    accept: Option<String>,
    executor: Arc<Executing>,
}

// === impl Handshake ===

impl Handshake {
    /// The upgrade that a request without a body asks for, where its server can give up the connection.
    pub(super) fn of(head: &mut request::Parts, executor: &Arc<Executing>) -> Option<Self> {
        let asks = head.version == Version::HTTP_11 && names(&head.headers, header::CONNECTION, "upgrade");
        let protocols = if asks { protocols(&head.headers) } else { Vec::new() };
        if protocols.is_empty() {
            return None;
        }
        let accept = key(&head.headers).map(accept);
        let client = head.extensions.remove()?;
        Some(Self { client, protocols, accept, executor: Arc::clone(executor) })
    }

    /// Asks the backend.
    pub(super) fn ask(&self, headers: &mut HeaderMap) {
        put_upgrade(headers, &self.protocols.join(", "));
    }

    /// Whether the backend agreed to what it was asked for, by a client that can give up the connection.
    pub(super) fn is_answered_by<B>(&self, response: &Response<B>) -> bool {
        response.extensions().get::<OnUpgrade>().is_some() && self.is_agreed_to(response.headers())
    }

    fn is_agreed_to(&self, headers: &HeaderMap) -> bool {
        let chosen = protocols(headers);
        let asked =
            |protocol: &String| self.protocols.iter().any(|asked| asked.eq_ignore_ascii_case(protocol));
        let is_websocket = chosen.iter().any(|protocol| protocol.eq_ignore_ascii_case("websocket"));
        let accepted = headers.get(header::SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
        let proven = self.accept.is_some() && accepted == self.accept.as_deref().map(str::as_bytes);
        !chosen.is_empty() && chosen.iter().all(asked) && (!is_websocket || proven)
    }

    /// Gives the tunnel to the executor, and makes `response` the one that opens it.
    pub(super) fn complete<B>(self, response: &mut Response<B>) {
        let chosen = protocols(response.headers());
        let backend = hyper::upgrade::on(&mut *response);
        let tunnel = response.extensions_mut().remove::<Tunnel>();
        self.executor.execute(Bridge(Box::pin(bridge(self.client, backend, tunnel))));
        let found = Found::among(response.headers());
        strip_hop_by_hop(response.headers_mut(), found);
        put_upgrade(response.headers_mut(), &chosen.join(", "));
    }
}

/// The protocols of `Upgrade`, without further ones of HTTP: requests would pass by every rule of the gateway.
fn protocols(headers: &HeaderMap) -> Vec<String> {
    let is_http = |name: &str| ["h2c", "http", "tls"].iter().any(|http| name.starts_with(http));
    let named = elements(headers, header::UPGRADE).filter_map(|name| std::str::from_utf8(name).ok());
    named.filter(|name| !is_http(&name.to_ascii_lowercase())).map(str::to_owned).collect()
}

fn put_upgrade(headers: &mut HeaderMap, protocols: &str) {
    if let Ok(protocols) = HeaderValue::from_str(protocols) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocols);
    }
}

/// The key of a WebSocket's handshake, where there are not several.
fn key(headers: &HeaderMap) -> Option<&[u8]> {
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    keys.next().filter(|_| keys.next().is_none()).map(HeaderValue::as_bytes)
}

/// `Sec-WebSocket-Accept` for `key` (RFC 6455, 4.2.2).
fn accept(key: &[u8]) -> String {
    let hash = Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64_STANDARD.encode(hash.finalize())
}

/// Copies bytes until both sides have ended. `_tunnel` is held as long.
async fn bridge(client: OnUpgrade, backend: OnUpgrade, _tunnel: Option<Tunnel>) {
    if let Err(error) = bridged(client, backend).await {
        tracing::debug!(%error, "a tunnel was broken off");
    }
}

async fn bridged(client: OnUpgrade, backend: OnUpgrade) -> Result<(), Box<dyn Error + Send + Sync>> {
    let upgraded = async { tokio::try_join!(client, backend) };
    let (client, backend) = timeout(UPGRADE_LIMIT, upgraded).await??;
    copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(backend)).await?;
    Ok(())
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").field("protocols", &self.protocols).finish_non_exhaustive()
    }
}

// === impl Bridge ===

impl Future for Bridge {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_accepted_key_is_that_of_rfc_6455() {
        assert_eq!(super::accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}

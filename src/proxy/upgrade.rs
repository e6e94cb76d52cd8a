//! WebSockets and other upgrades: the handshake before the tunnel.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, Version, request};
use hyper::upgrade::OnUpgrade;
use sha1::{Digest, Sha1};

use super::fields::{elements, has_element};
use super::hop_by_hop::strip_hop_by_hop;
use super::scan::HeaderScan;
use super::tunnel::{Bridge, TunnelExecutor};
use crate::layer::Tunnel;

/// What a server appends to the key of a WebSocket before it hashes both (RFC 6455, 1.3).
const WEBSOCKET_GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Protocols that are versions of HTTP, or would carry one.
static HTTP_PROTOCOLS: [&str; 3] = ["h2c", "http", "tls"];

/// An upgrade that a client asks for.
pub(super) struct Handshake {
    /// The client's connection, once the server gives it up.
    client: OnUpgrade,
    /// The protocols that it asks for, without versions of HTTP.
    protocols: Vec<String>,
    /// The `Sec-WebSocket-Accept` that a server must send. `None` if the client sent no key.
    accept: Option<String>,
    executor: Arc<TunnelExecutor>,
    /// The maximum time without a byte in the tunnel. `None` is no limit.
    idle: Option<Duration>,
}

impl Handshake {
    /// Takes the upgrade out of a request without a body. Returns `None` if it asks for none, or if
    /// the server cannot give up the connection.
    pub(super) fn from_request(
        head: &mut request::Parts,
        executor: &Arc<TunnelExecutor>,
        idle: Option<Duration>,
    ) -> Option<Self> {
        if head.version != Version::HTTP_11 || !has_element(&head.headers, header::CONNECTION, "upgrade") {
            return None;
        }
        let mut protocols = protocols(&head.headers);
        protocols.retain(|name| is_forwarded(name));
        if protocols.is_empty() {
            return None;
        }
        let accept = websocket_key(&head.headers).map(accept_value);
        let client = head.extensions.remove()?;
        Some(Self { client, protocols, accept, executor: Arc::clone(executor), idle })
    }

    /// Asks the backend for the same protocols.
    pub(super) fn set_request_headers(&self, headers: &mut HeaderMap) {
        set_upgrade(headers, &self.protocols.join(", "));
    }

    /// Returns whether the backend agreed to a protocol that was requested, and its connection can
    /// be taken over.
    pub(super) fn is_accepted_by<B>(&self, response: &Response<B>) -> bool {
        response.extensions().get::<OnUpgrade>().is_some() && self.agrees_with(response.headers())
    }

    /// Returns whether the backend chose protocols that the client asked for and no others, with the proof that a
    /// WebSocket needs.
    fn agrees_with(&self, headers: &HeaderMap) -> bool {
        // With the versions of HTTP: none was requested, so one that is chosen is refused.
        let chosen = protocols(headers);
        let is_websocket = chosen.iter().any(|protocol| protocol.eq_ignore_ascii_case("websocket"));
        !chosen.is_empty()
            && chosen.iter().all(|protocol| self.has_requested(protocol))
            && (!is_websocket || self.is_proven_by(headers))
    }

    /// Returns whether the client asked for the protocol. Names of protocols have no case.
    fn has_requested(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|requested| requested.eq_ignore_ascii_case(protocol))
    }

    /// Returns whether the backend has read the key, so that it is a WebSocket server.
    fn is_proven_by(&self, headers: &HeaderMap) -> bool {
        let accepted = headers.get(header::SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
        self.accept.is_some() && accepted == self.accept.as_deref().map(str::as_bytes)
    }

    /// Gives the tunnel to the executor, and makes `response` the one that opens it: bytes of the tunnel follow its head.
    pub(super) fn complete<B>(self, response: &mut Response<B>) {
        let chosen = protocols(response.headers());
        let backend = hyper::upgrade::on(&mut *response);
        let tunnel = response.extensions_mut().remove::<Tunnel>();
        self.executor.execute(Bridge::new(self.client, backend, tunnel, self.idle));
        let scan = HeaderScan::new(response.headers());
        strip_hop_by_hop(response.headers_mut(), scan);
        set_upgrade(response.headers_mut(), &chosen.join(", "));
    }
}

/// Returns the protocols that `Upgrade` lists.
fn protocols(headers: &HeaderMap) -> Vec<String> {
    elements(headers, header::UPGRADE).map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

/// Returns whether a backend is asked for the protocol: not for versions of HTTP, and not for texts with spaces or other
/// characters that no protocol has, in which a lenient backend could find one.
fn is_forwarded(protocol: &str) -> bool {
    protocol.bytes().all(|byte| byte.is_ascii_graphic()) && !is_http(protocol)
}

/// Returns whether a protocol is a version of HTTP or would carry one: requests in such a tunnel would bypass every rule
/// of the gateway.
fn is_http(protocol: &str) -> bool {
    let protocol = protocol.to_ascii_lowercase();
    HTTP_PROTOCOLS.iter().any(|http| protocol.starts_with(http))
}

/// Sets the two fields of an upgrade. The names have visible ASCII alone, so they are a valid value.
fn set_upgrade(headers: &mut HeaderMap, protocols: &str) {
    if let Ok(protocols) = HeaderValue::from_str(protocols) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocols);
    }
}

/// Returns the key of a WebSocket handshake, unless there are several.
fn websocket_key(headers: &HeaderMap) -> Option<&[u8]> {
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    match (keys.next(), keys.next()) {
        (Some(key), None) => Some(key.as_bytes()),
        _ => None,
    }
}

/// Computes `Sec-WebSocket-Accept` for `key` (RFC 6455, 4.2.2).
fn accept_value(key: &[u8]) -> String {
    let hash = Sha1::new().chain_update(key).chain_update(WEBSOCKET_GUID);
    BASE64_STANDARD.encode(hash.finalize())
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").field("protocols", &self.protocols).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn accept_key_matches_rfc_6455() {
        assert_eq!(super::accept_value(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}

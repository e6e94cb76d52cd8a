//! The fields that describe the client and the path of a request to a backend.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use http::header::{self, HeaderMap, HeaderValue};
use http::uri::Scheme;
use http::{Extensions, request};

use super::client_address::{AddressHeader, client_address};
use super::fields::{FORWARDING_HEADERS, X_FORWARDED_HOST, X_FORWARDED_PROTO, remove_where};
use super::prefix::{append_prefix, nested_prefix};
use super::problems;
use super::via::Via;
use crate::common::problem::StaticProblem;
use crate::layer::ClientAddress;

/// What a proxy adds to requests about itself, and whose additions it trusts.
#[derive(Clone)]
pub(super) struct Forwarding {
    /// `None` sends no `Via` and detects no loops.
    pub(super) via: Option<Via>,
    /// The scheme that clients use.
    pub(super) scheme: HeaderValue,
    /// Which peers are trusted. `None` trusts no peer.
    pub(super) trusted: Option<Arc<TrustCheck>>,
    /// Where trusted peers report the address of the client.
    pub(super) address_header: AddressHeader,
}

/// A predicate for the addresses of trusted proxies.
pub(super) type TrustCheck = dyn Fn(IpAddr) -> bool + Send + Sync;

impl Forwarding {
    /// Creates the default: a random name, scheme `http`, no trusted peers.
    pub(super) fn new() -> Self {
        Self {
            via: Some(Via::random()),
            scheme: scheme_value(&Scheme::HTTP),
            trusted: None,
            address_header: AddressHeader::default(),
        }
    }

    /// Rejects a request that passed this proxy before.
    pub(super) fn check_loop(&self, headers: &HeaderMap) -> Result<(), &'static StaticProblem> {
        let is_loop = self.via.as_ref().is_some_and(|via| via.is_listed_in(headers));
        if is_loop { Err(problems::LOOP_DETECTED) } else { Ok(()) }
    }

    /// Sets `Via` and the `X-Forwarded-*` fields for the backend, and the [`ClientAddress`] for the layer.
    ///
    /// `has_forwarding_headers` is whether the request has any of [`FORWARDING_HEADERS`]. Unless
    /// the peer is trusted, they are removed before new ones are set.
    pub(super) fn set_forwarding_headers(&self, head: &mut request::Parts, has_forwarding_headers: bool) {
        let known: Option<ClientAddress> = head.extensions.get().copied();
        let peer = known.or_else(|| connect_info(&head.extensions));
        let peer = peer.map(|ClientAddress(peer)| peer.to_canonical());
        let is_trusted = has_forwarding_headers && peer.is_some_and(|peer| self.trusts(peer));
        if has_forwarding_headers && !is_trusted {
            remove_where(&mut head.headers, |name| FORWARDING_HEADERS.contains(&name));
        }
        if let Some(peer) = peer {
            let reported = if is_trusted { self.address_header.reported(&head.headers) } else { Vec::new() };
            let client = client_address(peer, &reported, |address| self.trusts(address));
            if known != Some(ClientAddress(client)) {
                head.extensions.insert(ClientAddress(client));
            }
            self.address_header.append_peer(&mut head.headers, peer, client, is_trusted);
        }
        let nested = nested_prefix(head);
        if !nested.is_empty() {
            let nested = nested.to_owned();
            append_prefix(&mut head.headers, &nested);
        }
        if let Some(host) = requested_host(head) {
            head.headers.entry(X_FORWARDED_HOST).or_insert(host);
        }
        head.headers.entry(X_FORWARDED_PROTO).or_insert_with(|| self.scheme.clone());
        if let Some(via) = &self.via {
            head.headers.append(header::VIA, via.value(head.version));
        }
    }

    /// Returns whether the application trusts a proxy at this address, so that its forwarding headers are kept.
    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.as_ref().is_some_and(|trusted| trusted(address))
    }
}

impl fmt::Debug for Forwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarding")
            .field("via", &self.via)
            .field("scheme", &self.scheme)
            .field("trusts", &self.trusted.is_some())
            .field("address_header", &self.address_header)
            .finish()
    }
}

/// Converts `scheme` to a value of `X-Forwarded-Proto`.
pub(super) fn scheme_value(scheme: &Scheme) -> HeaderValue {
    match scheme.as_str() {
        "http" => HeaderValue::from_static("http"),
        "https" => HeaderValue::from_static("https"),
        other => HeaderValue::from_str(other).unwrap_or(HeaderValue::from_static("http")),
    }
}

/// Returns the address of the peer from axum's connection info.
fn connect_info(extensions: &Extensions) -> Option<ClientAddress> {
    extensions.get().map(|ConnectInfo(address): &ConnectInfo<SocketAddr>| ClientAddress(address.ip()))
}

/// Returns the host that the client asked for: from the URI if it has one, else from `Host`.
fn requested_host(head: &request::Parts) -> Option<HeaderValue> {
    let authority = head.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    authority.or_else(|| head.headers.get(header::HOST).cloned())
}

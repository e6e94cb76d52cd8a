//! The fields that describe the client and the path of a request to a backend.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::uri::Scheme;
use http::{Extensions, request};

use super::fields::{
    FORWARDING_HEADERS, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, elements, join_lines,
    remove_where,
};
use super::problems;
use super::via::Via;
use crate::common::problem::StaticProblem;
use crate::layer::ClientAddress;

/// What a proxy adds to requests about itself, and whose additions it trusts.
#[derive(Clone)]
pub(super) struct Forwarding {
    pub(super) via: Via,
    /// The scheme that clients use.
    pub(super) scheme: HeaderValue,
    /// Which peers are trusted. `None` trusts no peer.
    pub(super) trusted: Option<Arc<Trusted>>,
}

/// A predicate for the addresses of trusted proxies.
pub(super) type Trusted = dyn Fn(IpAddr) -> bool + Send + Sync;

impl Forwarding {
    /// Creates the default: a random name, scheme `http`, no trusted peers.
    pub(super) fn new() -> Self {
        Self { via: Via::random(), scheme: scheme_value(&Scheme::HTTP), trusted: None }
    }

    /// Rejects a request that passed this proxy before.
    pub(super) fn check_loop(&self, headers: &HeaderMap) -> Result<(), &'static StaticProblem> {
        if self.via.is_listed_in(headers) { Err(problems::LOOP_DETECTED) } else { Ok(()) }
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
            let client = ClientAddress(if is_trusted { self.client(peer, &head.headers) } else { peer });
            if known != Some(client) {
                head.extensions.insert(client);
            }
            append_peer(&mut head.headers, peer, is_trusted);
        }
        if let Some(host) = requested_host(head) {
            head.headers.entry(X_FORWARDED_HOST).or_insert(host);
        }
        head.headers.entry(X_FORWARDED_PROTO).or_insert_with(|| self.scheme.clone());
        head.headers.append(header::VIA, self.via.value(head.version));
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.as_ref().is_some_and(|trusted| trusted(address))
    }

    /// Returns the address of the client: from the right, the first that is not a trusted proxy's.
    ///
    /// An address counts only if the hop that reported it is trusted, so the search stops at the
    /// first one that is not, and at the first element that is not an address.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let hops: Vec<_> = elements(headers, X_FORWARDED_FOR).collect();
        let mut client = peer;
        for reported in hops.into_iter().rev().map_while(parse_address) {
            if !self.trusts(client) {
                break;
            }
            client = reported;
        }
        client
    }
}

impl fmt::Debug for Forwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarding")
            .field("via", &self.via)
            .field("scheme", &self.scheme)
            .field("trusts", &self.trusted.is_some())
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

/// Parses an element of `X-Forwarded-For`. Some proxies add the port, and brackets for IPv6.
fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// Appends `peer` to `X-Forwarded-For`, or replaces the field if its lines are not trusted.
fn append_peer(headers: &mut HeaderMap, peer: IpAddr, is_trusted: bool) {
    let peer = format_address(peer);
    // The existing value stays byte for byte: a client may have begun it with anything.
    let before = if is_trusted { join_lines(headers, &X_FORWARDED_FOR, b", ") } else { None };
    let all = match before {
        Some(before) => [before.as_bytes(), b", ", peer.as_bytes()].concat(),
        None => peer.into_bytes(),
    };
    if let Ok(all) = HeaderValue::from_maybe_shared(Bytes::from(all)) {
        headers.insert(X_FORWARDED_FOR, all);
    }
}

/// Formats an address like `Display`, which takes many times as long for IPv4.
fn format_address(address: IpAddr) -> String {
    let IpAddr::V4(address) = address else { return address.to_string() };
    let [first, second, third, fourth] = address.octets();
    let [mut a, mut b, mut c, mut d] = [itoa::Buffer::new(); 4];
    [a.format(first), b.format(second), c.format(third), d.format(fourth)].join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn address_text_matches_display(v4: [u8; 4], v6: [u16; 8]) {
            for address in [IpAddr::from(v4), IpAddr::from(v6)] {
                proptest::prop_assert_eq!(format_address(address), address.to_string());
            }
        }
    }

    // Addresses are read from the last one back, as far as they are trusted.
    #[test]
    fn client_address_from_trusted_proxies() {
        let mut forwarding = Forwarding::new();
        let client = |forwarding: &Forwarding, told: &str| {
            let headers = HeaderMap::from_iter([(X_FORWARDED_FOR, told.parse().unwrap())]);
            forwarding.client([10, 0, 0, 1].into(), &headers).to_string()
        };
        assert_eq!(client(&forwarding, "192.0.2.1"), "10.0.0.1", "nobody is trusted");
        forwarding.trusted = Some(Arc::new(|address: IpAddr| address.to_string().starts_with("10.")));
        for (told, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("6.6.6.6, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("6.6.6.6, nonsense, 10.0.0.2", "10.0.0.2"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(client(&forwarding, told), expected, "{told}");
        }
    }
}

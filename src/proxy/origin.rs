//! Who asked, and by which way: what the proxy believes and what it tells backends.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::Scheme;
use http::{Extensions, request};

use super::headers::{elements, joined, remove};
use super::problems;
use super::via::Via;
use crate::common::problem::Problem;
use crate::layer::ClientAddress;

const FOR: &str = "x-forwarded-for";
const HOST: &str = "x-forwarded-host";
const PROTO: &str = "x-forwarded-proto";

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static(FOR);
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static(HOST);
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static(PROTO);

/// What proxies in front are sometimes believed.
pub(super) static CLAIMS: [&str; 7] =
    [FOR, HOST, PROTO, "forwarded", "x-forwarded-port", "x-forwarded-prefix", "x-real-ip"];

/// What a proxy knows of itself and of those in front of it.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) via: Via,
    pub(super) protocol: HeaderValue,
    pub(super) trusted: Option<Arc<Trusted>>,
}

pub(super) type Trusted = dyn Fn(IpAddr) -> bool + Send + Sync;

impl Origin {
    pub(super) fn new() -> Self {
        Self { via: Via::drawn(), protocol: protocol(&Scheme::HTTP), trusted: None }
    }

    /// Refuses what has been here before.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), &'static Problem> {
        if self.via.is_in(headers) { Err(problems::LOOP_DETECTED) } else { Ok(()) }
    }

    /// Tells the backend, by headers, and the layer beneath, by the [`ClientAddress`], who asked and how. `claims` says
    /// whether the request has any of [`CLAIMS`].
    pub(super) fn tell(&self, head: &mut request::Parts, claims: bool) {
        let told = head.extensions.get().copied();
        let peer =
            told.or_else(|| of_server(&head.extensions)).map(|ClientAddress(peer)| peer.to_canonical());
        let believed = claims && peer.is_some_and(|peer| self.trusts(peer));
        if claims && !believed {
            remove(&mut head.headers, |name| CLAIMS.contains(&name));
        }
        if let Some(peer) = peer {
            let client = ClientAddress(if believed { self.client(peer, &head.headers) } else { peer });
            if told != Some(client) {
                head.extensions.insert(client);
            }
            tell_address(&mut head.headers, peer, believed);
        }
        let host = head.uri.authority().map(|authority| authority.as_str());
        let host = host.and_then(|host| HeaderValue::from_str(host).ok());
        if let Some(host) = host.or_else(|| head.headers.get(header::HOST).cloned()) {
            head.headers.entry(X_FORWARDED_HOST).or_insert(host);
        }
        head.headers.entry(X_FORWARDED_PROTO).or_insert_with(|| self.protocol.clone());
        head.headers.append(header::VIA, self.via.of(head.version));
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.as_ref().is_some_and(|trusted| trusted(address))
    }

    /// The last address that somebody who is trusted told of: that of `peer` itself, where it is not.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let told: Vec<_> = elements(headers, X_FORWARDED_FOR).collect();
        let mut client = peer;
        for told in told.into_iter().rev().map_while(address) {
            if !self.trusts(client) {
                break;
            }
            client = told;
        }
        client
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { via, protocol, trusted } = self;
        let mut debug = f.debug_struct("Origin");
        debug.field("via", via).field("protocol", protocol).field("trusts", &trusted.is_some()).finish()
    }
}

pub(super) fn protocol(scheme: &Scheme) -> HeaderValue {
    let http = HeaderValue::from_static("http");
    match scheme.as_str() {
        "http" => http,
        "https" => HeaderValue::from_static("https"),
        other => HeaderValue::from_str(other).unwrap_or(http),
    }
}

/// Who opened the connection, as axum says.
fn of_server(extensions: &Extensions) -> Option<ClientAddress> {
    extensions.get().map(|ConnectInfo(address): &ConnectInfo<SocketAddr>| ClientAddress(address.ip()))
}

/// An address as it stands in `X-Forwarded-For`: some write the port as well.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    bare.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

/// Tells of `peer`, behind what was told before where that is believed.
fn tell_address(headers: &mut HeaderMap, peer: IpAddr, believed: bool) {
    let peer = text(peer);
    // What was told before is kept byte for byte: clients may have begun it with anything.
    let before = if believed { joined(headers, &X_FORWARDED_FOR, b", ") } else { None };
    let all = match before {
        Some(before) => [before.as_bytes(), b", ", peer.as_bytes()].concat(),
        None => peer.into_bytes(),
    };
    if let Ok(all) = HeaderValue::from_maybe_shared(Bytes::from(all)) {
        headers.insert(X_FORWARDED_FOR, all);
    }
}

/// As `Display` writes it, which takes many times as long for IPv4.
fn text(address: IpAddr) -> String {
    let IpAddr::V4(address) = address else { return address.to_string() };
    let ([mut a, mut b, mut c, mut d], [first, second, third, fourth]) =
        ([itoa::Buffer::new(); 4], address.octets());
    [a.format(first), b.format(second), c.format(third), d.format(fourth)].join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn addresses_are_written_as_display_writes_them(v4: [u8; 4], v6: [u16; 8]) {
            for address in [IpAddr::from(v4), IpAddr::from(v6)] {
                proptest::prop_assert_eq!(text(address), address.to_string());
            }
        }
    }

    #[test]
    fn the_client_is_the_last_address_that_somebody_trusted_told_of() {
        let mut origin = Origin::new();
        let client = |origin: &Origin, told: &str| {
            let headers = HeaderMap::from_iter([(X_FORWARDED_FOR, told.parse().unwrap())]);
            origin.client([10, 0, 0, 1].into(), &headers).to_string()
        };
        assert_eq!(client(&origin, "192.0.2.1"), "10.0.0.1", "nobody is trusted");
        origin.trusted = Some(Arc::new(|address: IpAddr| address.to_string().starts_with("10.")));
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
            assert_eq!(client(&origin, told), expected, "{told}");
        }
    }
}

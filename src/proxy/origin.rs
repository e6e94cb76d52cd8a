//! Who asked, and by which way: what the proxy believes and what it tells backends.

use std::fmt::{self, Write};
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
use crate::layer::{ClientAddress, Problem};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What proxies in front are sometimes believed.
pub(super) static CLAIMS: [HeaderName; 7] = [
    X_FORWARDED_FOR,
    X_FORWARDED_HOST,
    X_FORWARDED_PROTO,
    header::FORWARDED,
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-real-ip"),
];

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

    /// Tells the backend, by headers, and the layer beneath, by the [`ClientAddress`], who asked and how.
    pub(super) fn tell(&self, head: &mut request::Parts) {
        let peer = peer(&head.extensions);
        let is_trusted = peer.is_some_and(|peer| self.trusts(peer));
        if !is_trusted {
            remove(&mut head.headers, |name| CLAIMS.contains(name));
        }
        if let Some(peer) = peer {
            let client = ClientAddress(self.client(peer, &head.headers));
            if head.extensions.get() != Some(&client) {
                head.extensions.insert(client);
            }
            append_address(&mut head.headers, peer);
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
    HeaderValue::from_str(scheme.as_str()).unwrap_or(HeaderValue::from_static("http"))
}

/// Who opened the connection, as far as the host says.
fn peer(extensions: &Extensions) -> Option<IpAddr> {
    let of_server = |ConnectInfo(address): &ConnectInfo<SocketAddr>| address.ip();
    let of_host = extensions.get().map(|ClientAddress(address)| *address);
    of_host.or_else(|| extensions.get().map(of_server)).map(|address| address.to_canonical())
}

/// An address as it stands in `X-Forwarded-For`: some write the port as well.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    bare.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

fn append_address(headers: &mut HeaderMap, peer: IpAddr) {
    // As long as most: no second allocation.
    let mut addresses = String::with_capacity(15);
    let _ = write!(addresses, "{peer}");
    // What was told before is kept byte for byte: clients may have begun it with anything.
    let all = match joined(headers, &X_FORWARDED_FOR, b", ") {
        Some(before) => [before.as_bytes(), b", ", addresses.as_bytes()].concat(),
        None => addresses.into_bytes(),
    };
    if let Ok(all) = HeaderValue::from_maybe_shared(Bytes::from(all)) {
        headers.insert(X_FORWARDED_FOR, all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

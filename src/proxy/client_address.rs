//! The address of the client: where trusted proxies report it, and how this proxy passes it on.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue};

use super::fields::{X_FORWARDED_FOR, elements, join_lines};

/// The header in which trusted proxies report the address of the client. The default is `X-Forwarded-For`.
///
/// Only one of them is read. Proxies extend the header that they know and pass on the other one as the client sent it, so a
/// proxy that read both would take the address from a client that forges the other header.
///
/// ```
/// use tower_canary::proxy::{AddressHeader, Proxy};
///
/// # let client = ();
/// let proxy = Proxy::new(client)
///     .with_trusted_proxies(|address| address.is_loopback())
///     .with_address_header(AddressHeader::Forwarded);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressHeader {
    /// `X-Forwarded-For`, to which the proxy appends its peer.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239), to which the proxy appends its peer as `for=`.
    ///
    /// `X-Forwarded-For` is replaced by the client's address and the peer's.
    Forwarded,
}

/// Returns the address of the client, from those that proxies `reported`, nearest first.
///
/// An address counts only if the hop that reported it is trusted, so the search stops at the first one that is not.
pub(super) fn client_address(peer: IpAddr, reported: &[IpAddr], trusts: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut client = peer;
    for address in reported {
        if !trusts(client) {
            break;
        }
        client = *address;
    }
    client
}

impl AddressHeader {
    /// Returns the addresses in the header, nearest first, up to the first element that is not an address.
    pub(super) fn reported(self, headers: &HeaderMap) -> Vec<IpAddr> {
        match self {
            Self::XForwardedFor => nearest_first(elements(headers, X_FORWARDED_FOR).map(parse_address)),
            Self::Forwarded => {
                let lines = headers.get_all(FORWARDED).iter().map(HeaderValue::as_bytes);
                let elements = lines.flat_map(|line| split_unquoted(line, b','));
                nearest_first(elements.filter(|element| !element.is_empty()).map(forwarded_for))
            }
        }
    }

    /// Appends `peer` to the header. Without `keeps_existing` it replaces what the request had.
    ///
    /// With [`Forwarded`](Self::Forwarded), `X-Forwarded-For` becomes the client and the peer in any case, or the peer alone if
    /// it is the client.
    pub(super) fn append_peer(
        self,
        headers: &mut HeaderMap,
        peer: IpAddr,
        client: IpAddr,
        keeps_existing: bool,
    ) {
        match self {
            Self::XForwardedFor => append(headers, X_FORWARDED_FOR, format_address(peer), keeps_existing),
            Self::Forwarded => {
                append(headers, FORWARDED, forwarded_element(peer), keeps_existing);
                if client != peer {
                    append(headers, X_FORWARDED_FOR, format_address(client), false);
                }
                append(headers, X_FORWARDED_FOR, format_address(peer), client != peer);
            }
        }
    }
}

/// Returns the reported addresses from the nearest hop outwards, up to the first that is not an address:
/// everything behind it may be invented.
fn nearest_first(reported: impl Iterator<Item = Option<IpAddr>>) -> Vec<IpAddr> {
    let reported: Vec<_> = reported.collect();
    reported.into_iter().rev().map_while(|address| address).collect()
}

/// Sets the field `name` to `element`, after its existing value if `keeps_existing`.
///
/// The existing value stays byte for byte: a client may have begun it with anything.
fn append(headers: &mut HeaderMap, name: HeaderName, element: String, keeps_existing: bool) {
    let existing = if keeps_existing { join_lines(headers, &name, b", ") } else { None };
    let all = match existing {
        Some(existing) => [existing.as_bytes(), b", ", element.as_bytes()].concat(),
        None => element.into_bytes(),
    };
    if let Ok(all) = HeaderValue::from_maybe_shared(Bytes::from(all)) {
        headers.insert(name, all);
    }
}

/// Returns the address of an element of `Forwarded`, from its parameter `for`.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let value = split_unquoted(element, b';').find_map(|parameter| {
        let at = parameter.iter().position(|byte| *byte == b'=')?;
        parameter[..at].trim_ascii().eq_ignore_ascii_case(b"for").then(|| parameter[at + 1..].trim_ascii())
    })?;
    let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    parse_address(unquoted.unwrap_or(value))
}

/// Returns the element of `Forwarded` for a client. An IPv6 address is quoted there (RFC 7239, 6).
fn forwarded_element(address: IpAddr) -> String {
    match address {
        IpAddr::V4(_) => ["for=", &format_address(address)].concat(),
        IpAddr::V6(_) => ["for=\"[", &format_address(address), "]\""].concat(),
    }
}

/// Splits `text` at the separators outside of quoted strings, and trims the parts.
fn split_unquoted(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    let parts = text.split(move |byte| {
        if is_escaped {
            is_escaped = false;
            return false;
        }
        is_escaped = is_quoted && *byte == b'\\';
        is_quoted ^= *byte == b'"';
        !is_quoted && *byte == separator
    });
    parts.map(<[u8]>::trim_ascii)
}

/// Parses a reported address. Some proxies add the port, and brackets for IPv6.
fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address: IpAddr| address.to_canonical())
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
                let element = forwarded_element(address);
                proptest::prop_assert_eq!(forwarded_for(element.as_bytes()), Some(address.to_canonical()));
            }
        }

        // A client can put anything in front of the element that its proxy appends on a line of its own.
        #[test]
        fn client_cannot_hide_the_last_line(forged in "[ -~]{0,24}") {
            let mut headers = HeaderMap::from_iter([(FORWARDED, forged.parse().unwrap())]);
            headers.append(FORWARDED, HeaderValue::from_static("for=192.0.2.1"));
            let nearest = AddressHeader::Forwarded.reported(&headers).first().copied();
            proptest::prop_assert_eq!(nearest, Some([192, 0, 2, 1].into()));
        }
    }

    fn client(header: AddressHeader, name: HeaderName, value: &str, trusts: fn(IpAddr) -> bool) -> String {
        let headers = HeaderMap::from_iter([(name, value.parse().unwrap())]);
        client_address([10, 0, 0, 1].into(), &header.reported(&headers), trusts).to_string()
    }

    fn trusts_private(address: IpAddr) -> bool {
        address.to_string().starts_with("10.")
    }

    // Addresses are read from the last one back, as far as they are trusted.
    #[test]
    fn client_address_from_trusted_proxies() {
        let of = |value, trusts| client(AddressHeader::XForwardedFor, X_FORWARDED_FOR, value, trusts);
        assert_eq!(of("192.0.2.1", |_| false), "10.0.0.1", "nobody is trusted");
        for (reported, expected) in [
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
            assert_eq!(of(reported, trusts_private), expected, "{reported}");
        }
    }

    #[test]
    fn client_address_from_forwarded() {
        for (reported, expected) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=6.6.6.6, proto=https; FOR = \"192.0.2.1:4711\" ;by=x, for=10.0.0.2", "192.0.2.1"),
            ("for=\"[2001:db8::1]:80\"", "2001:db8::1"),
            ("for=6.6.6.6, for=unknown, for=10.0.0.2", "10.0.0.2"),
            ("for=6.6.6.6, for=_hidden", "10.0.0.1"),
            ("for=6.6.6.6, proto=https", "10.0.0.1"),
            ("for=192.0.2.1;host=\"a, for=6.6.6.6\"", "192.0.2.1"),
            ("for=192.0.2.1;host=\"a\\\", for=6.6.6.6\"", "192.0.2.1"),
            ("for=\"6.6.6.6, for=192.0.2.1", "10.0.0.1"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(
                client(AddressHeader::Forwarded, FORWARDED, reported, trusts_private),
                expected,
                "{reported}"
            );
        }
    }
}

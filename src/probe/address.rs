//! What an address is, whatever it is written as.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of place an address or a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Somewhere a backend may be.
    Ordinary,
    /// This machine.
    Loopback,
    /// Nowhere a backend may be, for this reason.
    Denied(&'static str),
}

const METADATA: Place = Place::Denied("it is a metadata service of a cloud");

/// Names under which clouds serve credentials to whoever asks from inside. Names below them count too.
const METADATA_NAMES: [&str; 12] = [
    "instance-data",
    "instance-data.ec2.internal",
    "metadata",
    "metadata.azure.internal",
    "metadata.goog",
    "metadata.google.internal",
    "metadata.internal",
    "metadata.oraclecloud.com",
    "metadata.packet.net",
    "metadata.platformequinix.com",
    "metadata.tencentyun.com",
    "rancher-metadata",
];

/// Names that hosts files give to this machine. Names below them count too.
const LOOPBACK_NAMES: [&str; 5] =
    ["localhost", "localhost.localdomain", "localhost6", "ip6-localhost", "ip6-loopback"];

/// Metadata services outside the link-local range: Alibaba, Oracle (classic), Azure.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192), Ipv4Addr::new(168, 63, 129, 16)];

impl Place {
    pub(super) fn of_name(name: &str) -> Self {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let is =
            |known: &str| name.strip_suffix(known).is_some_and(|left| left.is_empty() || left.ends_with('.'));
        if METADATA_NAMES.iter().any(|known| is(known)) {
            METADATA
        } else if LOOPBACK_NAMES.iter().any(|known| is(known)) {
            Self::Loopback
        } else {
            Self::Ordinary
        }
    }

    pub(super) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        if METADATA_V4.contains(&address) {
            METADATA
        } else if address.is_link_local() {
            Self::Denied("it is link-local, where clouds serve metadata")
        } else if address.octets()[0] == 0 {
            Self::Denied("it is unspecified")
        } else if address.is_multicast() {
            Self::Denied("it is multicast")
        } else if address.is_broadcast() {
            Self::Denied("it is broadcast")
        } else if address.is_loopback() {
            Self::Loopback
        } else {
            Self::Ordinary
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        match address.segments() {
            _ if address.is_loopback() => Self::Loopback,
            _ if address.is_unspecified() => Self::Denied("it is unspecified"),
            _ if address.is_multicast() => Self::Denied("it is multicast"),
            [0xfe80..=0xfebf, ..] => Self::Denied("it is link-local, where clouds serve metadata"),
            // AWS; Google.
            [0xfd00, 0xec2, ..] | [0xfd20, 0xce, ..] => METADATA,
            // Where the IPv4 address is inside depends on the network.
            [0x64, 0xff9b, 1, ..] => Self::Denied("it is a local NAT64 prefix"),
            segments => embedded_v4(segments).map_or(Self::Ordinary, Self::of_v4),
        }
    }
}

/// The IPv4 address that an IPv6 one leads to: compatible, mapped, translated (SIIT), NAT64, 6to4.
const fn embedded_v4(segments: [u16; 8]) -> Option<Ipv4Addr> {
    let ([0, 0, 0, 0, 0, 0 | 0xffff, high, low]
    | [0, 0, 0, 0, 0xffff, 0, high, low]
    | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
    | [0x2002, high, low, ..]) = segments
    else {
        return None;
    };
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Some(Ipv4Addr::new(a, b, c, d))
}

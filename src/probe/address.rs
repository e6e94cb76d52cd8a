//! The kind of an address, in any notation.
//!
//! The lists are of names and ranges that hand out credentials, or reach the machine itself, in the
//! large clouds and in common hosts files.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The kind of destination that an address or a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressKind {
    /// A destination that a backend may have.
    Ordinary,
    /// This machine.
    Loopback,
    /// A destination that no backend has, with the reason.
    Denied(&'static str),
}

/// The kind of the addresses at which clouds serve credentials.
const METADATA: AddressKind = AddressKind::Denied("it is a metadata service of a cloud");

/// Names under which clouds serve credentials to any process of a machine. Names below them count too.
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

impl AddressKind {
    /// Classifies a name without resolving it.
    pub(super) fn from_name(name: &str) -> Self {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if METADATA_NAMES.iter().any(|known| is_within(&name, known)) {
            METADATA
        } else if LOOPBACK_NAMES.iter().any(|known| is_within(&name, known)) {
            Self::Loopback
        } else {
            Self::Ordinary
        }
    }

    /// Classifies an address.
    pub(super) fn from_address(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::from_v4(address),
            IpAddr::V6(address) => Self::from_v6(address),
        }
    }

    /// Classifies an IPv4 address. Metadata comes first: it is the most useful reason for an operator.
    fn from_v4(address: Ipv4Addr) -> Self {
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

    /// Classifies an IPv6 address that does not stand for an IPv4 one.
    fn from_v6(address: Ipv6Addr) -> Self {
        match address.segments() {
            _ if address.is_loopback() => Self::Loopback,
            _ if address.is_unspecified() => Self::Denied("it is unspecified"),
            _ if address.is_multicast() => Self::Denied("it is multicast"),
            [0xfe80..=0xfebf, ..] => Self::Denied("it is link-local, where clouds serve metadata"),
            // The metadata services of AWS and of Google.
            [0xfd00, 0xec2, ..] | [0xfd20, 0xce, ..] => METADATA,
            // The position of the IPv4 address depends on the network, so it cannot be judged.
            [0x64, 0xff9b, 1, ..] => Self::Denied("it is a local NAT64 prefix"),
            segments => embedded_v4(segments).map_or(Self::Ordinary, Self::from_v4),
        }
    }
}

/// Returns whether `name` is `parent` or below it.
fn is_within(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Returns the IPv4 address to which packets for an IPv6 address go.
///
/// The patterns are, in this order: compatible (`::/96`) and mapped (`::ffff:0:0/96`), translated
/// by SIIT (`::ffff:0:0:0/96`), NAT64 (`64:ff9b::/96`), and 6to4 (`2002::/16`).
const fn embedded_v4(segments: [u16; 8]) -> Option<Ipv4Addr> {
    let ([0, 0, 0, 0, 0, 0 | 0xffff, high, low]
    | [0, 0, 0, 0, 0xffff, 0, high, low]
    | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
    | [0x2002, high, low, ..]) = segments
    else {
        return None;
    };
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    Some(Ipv4Addr::new(a, b, c, d))
}

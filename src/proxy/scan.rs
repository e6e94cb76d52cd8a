//! One pass over the header names of a message, so that later steps can skip absent fields.

use http::HeaderMap;

use super::fields::FORWARDING_HEADERS;

/// Fields for one connection only (RFC 9110, 7.6.1), besides those that `Connection` lists.
///
/// `Trailer` is absent on purpose: it announces trailers, and clients send none without it.
pub(super) static HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "proxy-authenticate",
    "proxy-authorization",
];

/// The kinds of header fields that a message has, of those that need work.
///
/// Most messages have few of them. A scan costs one pass over the names and no allocation, and
/// saves a lookup for each absent field.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HeaderScan {
    pub(super) connection: bool,
    pub(super) via: bool,
    /// Any of [`FORWARDING_HEADERS`].
    pub(super) forwarding: bool,
    pub(super) te: bool,
    pub(super) transfer_encoding: bool,
    pub(super) content_length: bool,
    pub(super) content_type: bool,
    /// Any of [`HOP_BY_HOP`] except `Connection`, which has a flag of its own.
    pub(super) hop_by_hop: bool,
    /// Any name with `_`.
    pub(super) underscore: bool,
}

impl HeaderScan {
    /// Scans the names of `headers`.
    pub(super) fn new(headers: &HeaderMap) -> Self {
        let mut scan = Self::default();
        for name in headers.keys() {
            scan.add(name.as_str());
        }
        scan
    }

    /// Records what the name of one field means to the proxy.
    fn add(&mut self, name: &str) {
        match name {
            "host" => {}
            "connection" => self.connection = true,
            "content-length" => self.content_length = true,
            "content-type" => self.content_type = true,
            "via" => self.via = true,
            name if HOP_BY_HOP.contains(&name) => {
                self.hop_by_hop = true;
                self.te |= name == "te";
                self.transfer_encoding |= name == "transfer-encoding";
            }
            name => {
                self.forwarding |= FORWARDING_HEADERS.contains(&name);
                self.underscore |= has_underscore(name);
            }
        }
    }
}

/// Returns whether a field's name has `_`, which some backends read as `-`.
pub(super) fn has_underscore(name: &str) -> bool {
    name.as_bytes().contains(&b'_')
}

//! The name of the proxy in `Via` (RFC 9110, 7.6.3), by which it detects loops.

use http::header::{HeaderMap, HeaderValue, VIA};
use http::{HeaderName, Version};
use thiserror::Error;

use super::fields::elements;

/// The name of a proxy, with its entries in `Via` for each version of HTTP.
#[derive(Clone, Debug)]
pub(super) struct Via {
    name: Box<str>,
    http10: HeaderValue,
    http11: HeaderValue,
    http2: HeaderValue,
}

/// The error of [`Proxy::with_via`](super::Proxy::with_via): the name is not a token (RFC 9110, 5.6.2).
///
/// ```
/// use tower_canary::proxy::Proxy;
///
/// let error = Proxy::new(()).with_via("gateway 1").unwrap_err();
/// assert_eq!(error.to_string(), "\"gateway 1\" is not a name for Via: use letters, digits, '-', '.' and '_'");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name:?} is not a name for Via: use letters, digits, '-', '.' and '_'")]
pub struct InvalidViaName {
    name: String,
}

impl Via {
    /// Draws a name that no other proxy has, so that only its own requests look like a loop.
    pub(super) fn random() -> Self {
        Self::from_token(&format!("canary-{:016x}", rand::random::<u64>()))
    }

    /// Uses `name` if it is a token.
    pub(super) fn new(name: &str) -> Result<Self, InvalidViaName> {
        // The name of a header field is a token too.
        let Ok(_token) = HeaderName::from_bytes(name.as_bytes()) else {
            return Err(InvalidViaName { name: name.to_owned() });
        };
        Ok(Self::from_token(name))
    }

    /// Creates the entries for each version of HTTP, once for all requests.
    fn from_token(name: &str) -> Self {
        Self {
            name: name.into(),
            http10: entry("1.0", name),
            http11: entry("1.1", name),
            http2: entry("2", name),
        }
    }

    /// Returns the entry for a request that was received over `version`.
    pub(super) fn value(&self, version: Version) -> HeaderValue {
        match version {
            Version::HTTP_10 => self.http10.clone(),
            Version::HTTP_2 => self.http2.clone(),
            _ => self.http11.clone(),
        }
    }

    /// Returns whether the request passed a proxy of this name before.
    pub(super) fn is_listed_in(&self, headers: &HeaderMap) -> bool {
        elements(headers, VIA)
            .filter_map(received_by)
            .any(|name| name.eq_ignore_ascii_case(self.name.as_bytes()))
    }
}

/// Returns an entry of `Via`: the version of HTTP and the name of the proxy (RFC 9110, 7.6.3).
fn entry(version: &str, name: &str) -> HeaderValue {
    // A token is always a valid value, so the fallback is never used.
    HeaderValue::try_from(format!("{version} {name}")).unwrap_or(HeaderValue::from_static("1.1 canary"))
}

/// Returns the second word of an entry, which is the name of the proxy.
fn received_by(entry: &[u8]) -> Option<&[u8]> {
    entry.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).nth(1)
}

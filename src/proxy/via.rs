//! The name of the proxy in `Via` (RFC 9110, 7.6.3), by which it knows its own requests again.

use http::header::{HeaderMap, HeaderValue, VIA};
use http::{HeaderName, Version};
use thiserror::Error;

use super::headers::elements;

/// The name of a proxy in `Via`, in the forms that it is sent in.
#[derive(Clone, Debug)]
pub(super) struct Via {
    name: Box<str>,
    http10: HeaderValue,
    http11: HeaderValue,
    http2: HeaderValue,
}

/// The name is none that `Via` can have: a token (RFC 9110, 5.6.2), such as `gateway-1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a name for Via: letters, digits, '-', '.' and '_' make one")]
pub struct InvalidViaName(());

impl Via {
    /// A name that only this proxy has, so that only its own requests look like a loop.
    pub(super) fn drawn() -> Self {
        let name = format!("canary-{:016x}", rand::random::<u64>());
        Self::of_token(&name)
    }

    pub(super) fn named(name: &str) -> Result<Self, InvalidViaName> {
        // The name of a header is a token.
        HeaderName::from_bytes(name.as_bytes()).map(|_| Self::of_token(name)).map_err(|_| InvalidViaName(()))
    }

    fn of_token(name: &str) -> Self {
        let by = |version: &str| {
            let value = HeaderValue::try_from(format!("{version} {name}"));
            value.unwrap_or(HeaderValue::from_static("1.1 canary"))
        };
        Self { name: name.into(), http10: by("1.0"), http11: by("1.1"), http2: by("2") }
    }

    /// The entry for a request that came by `version`.
    pub(super) fn of(&self, version: Version) -> HeaderValue {
        match version {
            Version::HTTP_10 => self.http10.clone(),
            Version::HTTP_2 => self.http2.clone(),
            _ => self.http11.clone(),
        }
    }

    /// Whether one of the proxies that a request came by is of this name.
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        let name_of = |hop: &[u8]| {
            let mut words = hop.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            words.nth(1).is_some_and(|name| name.eq_ignore_ascii_case(self.name.as_bytes()))
        };
        elements(headers, VIA).any(name_of)
    }
}

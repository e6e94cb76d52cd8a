//! Whether a shared cache may store a response (RFC 9111, section 3), and how to forbid it.
//!
//! `Vary` does not matter. It selects among stored responses, which is no rule of storage, and some caches ignore it.
//! `Vary: Cookie` would not help either: first visits have no cookie, and so one stored response.

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_LOCATION, EXPIRES, HeaderMap, HeaderName, HeaderValue,
};
use http::{Method, StatusCode};

/// The statuses that may be stored without explicit freshness (RFC 9110, section 15.1), and 304, which updates a stored
/// response (RFC 9111, section 4.3.4).
const HEURISTIC: [u16; 13] = [200, 203, 204, 206, 300, 301, 304, 308, 404, 405, 410, 414, 501];

/// The part of a request that decides about the storage of its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CacheableRequest {
    method: CacheableMethod,
    has_authorization: bool,
}

/// How caches treat the method of a request (RFC 9110, section 9.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CacheableMethod {
    /// `GET`, `HEAD`, which updates stored responses to `GET`, and `QUERY`.
    Always,
    /// `POST` and `PATCH`: with explicit freshness and the URL of the stored content.
    IfExplicit,
    Never,
}

impl CacheableRequest {
    /// Takes the facts of the request that RFC 9111 asks for. The request is gone when the response comes.
    pub(super) fn new(method: &Method, headers: &HeaderMap) -> Self {
        let method = match method.as_str() {
            "GET" | "HEAD" | "QUERY" => CacheableMethod::Always,
            "POST" | "PATCH" => CacheableMethod::IfExplicit,
            _ => CacheableMethod::Never,
        };
        Self { method, has_authorization: headers.contains_key(AUTHORIZATION) }
    }

    /// Returns whether a shared cache may store the response with this head.
    ///
    /// A cache that a field such as `CDN-Cache-Control` is for follows that field instead of `Cache-Control` (RFC 9213),
    /// so the answer is no only if both forbid it.
    pub(super) fn allows_storage(self, status: StatusCode, headers: &HeaderMap) -> bool {
        if status.is_informational() || self.method == CacheableMethod::Never {
            return false;
        }
        let targeted = headers.keys().filter(|name| is_targeted(name));
        targeted.chain([&CACHE_CONTROL]).any(|field| {
            let directives = Directives::parse(headers, field);
            let is_explicit = directives.has_freshness || headers.contains_key(EXPIRES);
            directives.allow_storage(self.has_authorization)
                && match self.method {
                    CacheableMethod::Always => is_explicit || HEURISTIC.contains(&status.as_u16()),
                    CacheableMethod::IfExplicit => is_explicit && headers.contains_key(CONTENT_LOCATION),
                    CacheableMethod::Never => false,
                }
        })
    }
}

/// The directives of a field that decide about storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Directives {
    no_store: bool,
    /// Without field names. With them, only these fields must not be stored.
    private: bool,
    must_understand: bool,
    /// A directive that allows storage where `Authorization` would forbid it (RFC 9111, section 3.5).
    allows_authorized: bool,
    /// An explicit lifetime, or `public`.
    has_freshness: bool,
}

impl Directives {
    /// Reads the directives of all lines of a field. Names are case-insensitive, and unknown directives are
    /// ignored (RFC 9111, 5.2.3).
    fn parse(headers: &HeaderMap, field: &HeaderName) -> Self {
        let mut found = Self::default();
        for directive in headers.get_all(field).iter().flat_map(|line| elements(line.as_bytes())) {
            let name = name_of(directive).to_ascii_lowercase();
            match &*name {
                b"no-store" => found.no_store = true,
                b"private" => found.private |= name.len() == directive.len(),
                b"must-understand" => found.must_understand = true,
                b"must-revalidate" => found.allows_authorized = true,
                b"max-age" => found.has_freshness = true,
                b"public" | b"s-maxage" => {
                    found.allows_authorized = true;
                    found.has_freshness = true;
                }
                _ => {}
            }
        }
        found
    }

    /// Returns whether no directive forbids storage. A cache that knows `must-understand` ignores `no-store` beside it.
    const fn allow_storage(self, has_authorization: bool) -> bool {
        !self.private
            && (!self.no_store || self.must_understand)
            && (!has_authorization || self.allows_authorized)
    }
}

/// Forbids shared caches to store the response, and leaves to private caches what they may do.
pub(super) fn make_private(headers: &mut HeaderMap) {
    let targeted: Vec<HeaderName> = headers.keys().filter(|name| is_targeted(name)).cloned().collect();
    for name in targeted {
        headers.remove(name);
    }
    let mut directives = b"private".to_vec();
    for directive in headers.get_all(CACHE_CONTROL).iter().flat_map(|line| elements(line.as_bytes())) {
        let is_for_shared = [&b"private"[..], b"public", b"s-maxage", b"proxy-revalidate"]
            .iter()
            .any(|name| name_of(directive).eq_ignore_ascii_case(name));
        if !is_for_shared {
            directives.extend_from_slice(b", ");
            directives.extend_from_slice(directive);
        }
    }
    // The other directives are of a valid field, so the conversion does not fail.
    let value = HeaderValue::from_bytes(&directives).unwrap_or(HeaderValue::from_static("private"));
    headers.insert(CACHE_CONTROL, value);
}

/// Returns whether the field is the `Cache-Control` of certain caches (RFC 9213), or its predecessor.
fn is_targeted(name: &HeaderName) -> bool {
    name.as_str().ends_with("-cache-control") || name == "surrogate-control"
}

/// Splits a list at the commas outside of quoted strings. Elements are trimmed, and empty ones are skipped.
fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    let elements = list.split(move |byte| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match byte {
            b'\\' if is_quoted && !was_escaped => is_escaped = true,
            b'"' if !was_escaped => is_quoted = !is_quoted,
            b',' => return !is_quoted,
            _ => {}
        }
        false
    });
    elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// Returns the name of a directive, which may have an argument.
fn name_of(directive: &[u8]) -> &[u8] {
    directive.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii_end()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::{Index, select, subsequence};

    use super::*;

    const DIRECTIVES: [&str; 15] = [
        "no-store",
        "private",
        "Private=\"set-cookie, x\"",
        "PUBLIC",
        "s-maxage=60",
        "max-age=60",
        "Max-Age=\"0\"",
        "must-revalidate",
        "proxy-revalidate",
        "must-understand",
        "no-cache",
        "no-cache=\"set-cookie\"",
        "immutable",
        "ext=\"a, private, \\\", no-store\"",
        "x-private",
    ];

    const METHODS: [&str; 8] = ["GET", "HEAD", "QUERY", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"];

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let line =
            |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        lines.iter().map(line).collect()
    }

    fn is_storable(method: &str, request: &[(&str, &str)], status: u16, response: &[(&str, &str)]) -> bool {
        let request = CacheableRequest::new(&method.parse().unwrap(), &headers(request));
        request.allows_storage(status.try_into().unwrap(), &headers(response))
    }

    #[test]
    fn storage_follows_the_rfc() {
        let stored = |status, control| is_storable("GET", &[], status, &[("cache-control", control)]);
        assert!(is_storable("GET", &[], 200, &[]), "heuristic freshness");
        assert!(!is_storable("GET", &[], 302, &[]) && !is_storable("GET", &[], 500, &[]));
        assert!(stored(302, "max-age=0") && stored(500, "public") && stored(200, "no-cache"));
        assert!(is_storable("GET", &[], 302, &[("expires", "0")]));
        assert!(!stored(200, "max-age=60,private") && !stored(200, "No-Store") && !stored(101, "public"));
        assert!(stored(200, "private=\"x\"") && stored(200, "no-store, must-understand"));
        assert!(is_storable("GET", &[], 304, &[]), "it updates a stored response");
    }

    #[test]
    fn authorization_needs_a_directive() {
        let stored =
            |control| is_storable("GET", &[("authorization", "x")], 200, &[("cache-control", control)]);
        assert!(!stored("max-age=60") && !stored("no-cache"));
        assert!(stored("public") && stored("s-maxage=0") && stored("max-age=60, must-revalidate"));
    }

    #[test]
    fn unsafe_methods_need_explicit_freshness() {
        let explicit = [("cache-control", "max-age=60"), ("content-location", "/x")];
        assert!(is_storable("POST", &[], 200, &explicit));
        assert!(
            !is_storable("POST", &[], 200, &explicit[..1]) && !is_storable("POST", &[], 200, &explicit[1..])
        );
        assert!(!is_storable("PUT", &[], 200, &explicit));
    }

    #[test]
    fn targeted_fields_count() {
        let split = [("cache-control", "private"), ("cdn-cache-control", "max-age=60")];
        assert!(is_storable("GET", &[], 200, &split));
        let closed = [("cache-control", "no-store"), ("surrogate-control", "no-store")];
        assert!(!is_storable("GET", &[], 200, &closed));
    }

    #[test]
    fn private_caches_keep_their_directives() {
        let mut response =
            headers(&[("cache-control", "public, max-age=60"), ("cache-control", "s-maxage=9, immutable")]);
        make_private(&mut response);
        assert_eq!(response, headers(&[("cache-control", "private, max-age=60, immutable")]));
        let mut plain = headers(&[("cdn-cache-control", "max-age=60"), ("vary", "x")]);
        make_private(&mut plain);
        assert_eq!(plain, headers(&[("vary", "x"), ("cache-control", "private")]));
    }

    proptest! {
        // Against the rules of the section, written as one formula over the directives.
        #[test]
        fn storage_agrees_with_the_formula(
            method in select(&METHODS[..]), status in 200..600_u16, authorized: bool, expires: bool, located: bool,
            directives in subsequence(DIRECTIVES.to_vec(), 0..5).prop_shuffle(), line: Index,
        ) {
            let has = |name: &str| directives.iter().any(|directive| directive.to_ascii_lowercase().starts_with(name));
            let cut = line.index(directives.len() + 1);
            let lines = [directives[..cut].join(" ,"), directives[cut..].join(",, ")];
            let mut response = vec![("cache-control", &*lines[0]), ("cache-control", &*lines[1])];
            response.extend(expires.then_some(("expires", "0")));
            response.extend(located.then_some(("content-location", "/x")));
            let request = if authorized { &[("authorization", "x")][..] } else { &[] };
            let explicit = has("public") || has("s-maxage") || has("max-age") || expires;
            let expected = (!has("no-store") || has("must-understand"))
                && !directives.contains(&"private")
                && (!authorized || has("public") || has("s-maxage") || has("must-revalidate"))
                && match method {
                    "GET" | "HEAD" | "QUERY" => explicit || HEURISTIC.contains(&status),
                    "POST" | "PATCH" => explicit && located,
                    _ => false,
                };
            prop_assert_eq!(is_storable(method, request, status, &response), expected, "{:?}", response);
        }

        #[test]
        fn private_responses_are_never_stored(
            method in select(&METHODS[..]), status in 100..600_u16, values in prop::collection::vec("[ -~]{0,40}", 0..4),
            directives in subsequence(DIRECTIVES.to_vec(), 0..6), names in prop::collection::vec(0..3_usize, 4),
        ) {
            let fields = ["cache-control", "cdn-cache-control", "surrogate-control"];
            let directives = directives.join(", ");
            let lines = values.iter().map(|value| &**value).chain([&*directives]);
            let mut response: HeaderMap = lines
                .zip(names)
                .map(|(value, name)| (HeaderName::from_static(fields[name]), value.parse().unwrap()))
                .collect();
            make_private(&mut response);
            let request = CacheableRequest::new(&method.parse().unwrap(), &HeaderMap::new());
            prop_assert!(!request.allows_storage(status.try_into().unwrap(), &response), "{response:?}");
        }
    }
}

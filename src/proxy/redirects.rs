//! The URLs in a backend's response, as the client has to use them.

use http::header::{CONTENT_LOCATION, HeaderMap, HeaderName, HeaderValue, LOCATION, REFRESH, SET_COOKIE};
use http::uri::{Authority, Scheme};

use super::host::{begins_with_host, default_port, is_same_authority};

/// How the URLs of a backend appear to the client: the inverse of what the layer does with the target of a request.
#[derive(Debug)]
pub(super) struct UrlMap<'a> {
    pub(super) scheme: &'a Scheme,
    pub(super) authority: &'a Authority,
    /// The base path of the backend. Empty, or a path that does not end with `/`.
    pub(super) base: &'a str,
    /// The prefix that was cut from the path, by all proxies. Empty, or a path that does not end with `/`.
    pub(super) prefix: &'a str,
}

impl UrlMap<'_> {
    /// Maps the fields of a response that hold URLs or paths. A field with another URL or with no valid one stays.
    ///
    /// `backend_cookies` is the number of `Set-Cookie` fields that the backend sent. They come first; the layer has appended
    /// the others, such as its pin, which have the client's paths already.
    pub(super) fn rewrite(&self, headers: &mut HeaderMap, backend_cookies: usize) {
        let mut cookies_left = backend_cookies;
        for (name, value) in headers.iter_mut() {
            if *name == SET_COOKIE {
                let Some(rest) = cookies_left.checked_sub(1) else { continue };
                cookies_left = rest;
            }
            let mapped = value.to_str().ok().and_then(|text| self.field(name, text));
            if let Some(mapped) = mapped.and_then(|text| HeaderValue::try_from(text).ok()) {
                *value = mapped;
            }
        }
    }

    /// Returns the new value of a field, if it changes.
    fn field(&self, name: &HeaderName, value: &str) -> Option<String> {
        match *name {
            LOCATION | CONTENT_LOCATION => self.url(value),
            REFRESH => self.refresh(value),
            SET_COOKIE => self.cookie(value),
            _ => None,
        }
    }

    /// Maps a URL or a path. Returns `None` if it is not the backend's, or is the client's already.
    fn url(&self, url: &str) -> Option<String> {
        let Some((authority, path)) = split_authority(url, self.scheme) else { return self.path(url) };
        let port = default_port(Some(self.scheme));
        if !is_same_authority(authority.as_bytes(), self.authority.as_str().as_bytes(), port) {
            return None;
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        let path = [slash, path].concat();
        // A backend that knows the prefix, but not the host, has mapped the path by itself.
        self.path(&path).or_else(|| self.is_public(&path).then_some(path))
    }

    /// Maps a path. Returns `None` if it is not below the base path, or is the client's already.
    fn path(&self, path: &str) -> Option<String> {
        if !path.starts_with('/') || begins_with_host(path) {
            return None;
        }
        let rest = below(path, self.base)?;
        // The longer match counts: a backend at `/auth/v1` behind the prefix `/auth` means its own `/auth/v1`.
        if self.is_public(path) && self.prefix.len() >= self.base.len() {
            return None;
        }
        let slash = if rest.starts_with('/') || !self.prefix.is_empty() { "" } else { "/" };
        let mapped = [self.prefix, slash, rest].concat();
        // Without a prefix, a rest of `//shop` would become a host.
        (!begins_with_host(&mapped)).then_some(mapped)
    }

    /// Returns whether the path begins with the prefix that the client uses.
    fn is_public(&self, path: &str) -> bool {
        !self.prefix.is_empty() && below(path, self.prefix).is_some()
    }

    /// Maps the URL of `Refresh`, such as `5; url=/login`.
    fn refresh(&self, value: &str) -> Option<String> {
        let start = value.to_ascii_lowercase().find("url=")? + "url=".len();
        let (before, url) = value.split_at(start);
        Some([before, &self.url(url.trim().trim_matches(['"', '\'']))?].concat())
    }

    /// Maps the path of a cookie, and leaves its other attributes byte for byte.
    fn cookie(&self, cookie: &str) -> Option<String> {
        let mut attributes: Vec<_> = cookie.split(';').map(str::to_owned).collect();
        let mut is_changed = false;
        // The first is the name and the value.
        for attribute in attributes.iter_mut().skip(1) {
            if let Some(mapped) = self.cookie_path(attribute) {
                *attribute = mapped;
                is_changed = true;
            }
        }
        is_changed.then(|| attributes.join(";"))
    }

    /// Returns the attribute `Path` of a cookie as the client has to use it. `None` for another attribute,
    /// and for a path that stays.
    fn cookie_path(&self, attribute: &str) -> Option<String> {
        let (name, path) = attribute.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("path") {
            return None;
        }
        let path = path.trim();
        let mut mapped = self.path(path)?;
        // The root of the backend includes the prefix itself: a cookie for `/auth/` is not sent to `/auth`.
        if below(path, self.base) == Some("/") && mapped.len() > 1 {
            mapped.pop();
        }
        Some([name, "=", &mapped].concat())
    }
}

/// Returns what follows `base` in `path`, if `base` ends there at the end of a segment.
fn below<'a>(path: &'a str, base: &str) -> Option<&'a str> {
    path.strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
}

/// Splits a URL of this scheme, or one without a scheme, into its authority and the rest.
fn split_authority<'a>(url: &'a str, scheme: &Scheme) -> Option<(&'a str, &'a str)> {
    let rest = match url.split_once("://") {
        Some((found, rest)) if found.eq_ignore_ascii_case(scheme.as_str()) => rest,
        _ => url.strip_prefix("//")?,
    };
    Some(rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with<T>(base: &str, prefix: &str, test: impl FnOnce(&UrlMap<'_>) -> T) -> T {
        let authority = Authority::from_static("Backend:80");
        test(&UrlMap { scheme: &Scheme::HTTP, authority: &authority, base, prefix })
    }

    #[track_caller]
    fn check(base: &str, prefix: &str, url: &str, expected: Option<&str>) {
        assert_eq!(
            with(base, prefix, |map| map.url(url)).as_deref(),
            expected,
            "{url} at {base:?} behind {prefix:?}"
        );
    }

    #[test]
    fn own_urls_are_mapped() {
        for own in [
            "http://backend/api/login?a=%2f#b",
            "HTTP://BACKEND:80/api/login?a=%2f#b",
            "//backend:/api/login?a=%2f#b",
        ] {
            check("/api", "/auth", own, Some("/auth/login?a=%2f#b"));
        }
        check("/api", "/auth", "/api/login", Some("/auth/login"));
        check("/api", "/auth", "/api", Some("/auth"));
        check("/api", "/auth", "/api?x=1", Some("/auth?x=1"));
        check("", "/auth", "/login", Some("/auth/login"));
        check("", "/auth", "http://backend", Some("/auth/"));
        check("", "/auth", "http://backend?x=1", Some("/auth/?x=1"));
        check("/api", "", "http://backend/api", Some("/"));
        check("/api", "", "http://backend/api?x=1", Some("/?x=1"));
        check("/auth/v1", "/auth", "/auth/v1/login", Some("/auth/login"));
    }

    #[test]
    fn mapped_urls_stay() {
        check("", "/auth", "/auth/login", None);
        check("/api", "/auth", "/auth", None);
        check("/auth/v1", "/auth", "/auth/login", None);
        check("/auth", "/auth", "/auth/login", None);
        check("", "/auth", "http://backend/auth/login", Some("/auth/login"));
    }

    #[test]
    fn other_urls_stay() {
        for other in [
            "http://backend:81/api/x",
            "http://backend.evil/api/x",
            "http://backend@evil/api/x",
            "http://evil/?http://backend/api/x",
            "https://backend/api/x",
            "//evil/api",
            "/apis/x",
            "/other",
            "login",
            "../login",
            "?x=/api/",
            "",
            "mailto:a@b",
        ] {
            check("/api", "/auth", other, None);
        }
    }

    #[test]
    fn redirect_to_a_host_is_never_made() {
        check("/api", "", "/api//evil/x", None);
        check("", "", "http://backend//evil/x", None);
        check("/api", "/auth", "/api//evil/x", Some("/auth//evil/x"));
        for slashes in ["/\\", "/\t/", "/\t\\"] {
            check("/api", "", &format!("/api{slashes}evil/x"), None);
            check("", "", &format!("http://backend{slashes}evil/x"), None);
            check("", "/auth", &format!("{slashes}evil/x"), None);
            check("/api", "/auth", &format!("/api{slashes}evil/x"), Some(&format!("/auth{slashes}evil/x")));
        }
    }

    #[test]
    fn cookie_paths_are_mapped() {
        for (base, prefix, cookie, expected) in [
            ("", "/auth", "a=b; Path=/; Secure", Some("a=b; Path=/auth; Secure")),
            ("/api", "/auth", "a=/api; path=/api/", Some("a=/api; path=/auth")),
            ("/api", "/auth", "a=b;PATH = /api/x/;HttpOnly", Some("a=b;PATH =/auth/x/;HttpOnly")),
            ("/api", "", "a=b; Path=/api", Some("a=b; Path=/")),
            ("/api", "/auth", "Path=/api", None),
            ("/api", "/auth", "a=b; Path=/", None),
            ("", "/auth", "a=b; Path=/auth", None),
            ("", "/auth", "a=b; Domain=/; Pathx=/", None),
        ] {
            assert_eq!(with(base, prefix, |map| map.cookie(cookie)).as_deref(), expected, "{cookie}");
        }
    }

    #[test]
    fn all_fields_are_mapped() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (LOCATION, "http://backend/x"),
            (CONTENT_LOCATION, "/x"),
            (REFRESH, "5; URL='/x'"),
            (SET_COOKIE, "a=b; Path=/"),
            (SET_COOKIE, "pin=1; Path=/"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        headers.append("link", "</x>".parse().unwrap());
        with("", "/auth", |map| map.rewrite(&mut headers, 1));
        let values: Vec<_> = headers.values().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(
            values,
            ["/auth/x", "/auth/x", "5; URL=/auth/x", "a=b; Path=/auth", "pin=1; Path=/", "</x>"]
        );
    }

    proptest! {
        // What the client then asks for is the path that the backend meant.
        #[test]
        fn map_is_the_inverse_of_the_layer(
            base in "(/[a-c]{1,2}){0,2}", prefix in "(/[a-c]{1,2}){0,2}", rest in "(/[a-z0-9.%]{1,6}){1,3}(\\?[a-z/]{0,4})?",
        ) {
            let own = format!("http://backend{base}{rest}");
            let mapped = with(&base, &prefix, |map| map.url(&own)).unwrap();
            // A path with the prefix is taken for one that the backend has mapped already.
            let is_mapped = with(&base, &prefix, |map| map.is_public(&format!("{base}{rest}")));
            prop_assert!(is_mapped || mapped == format!("{prefix}{rest}"), "{mapped}");
            prop_assert!(mapped.starts_with('/') && !mapped.starts_with("//"));
        }

        #[test]
        fn text_of_a_backend_never_panics(text in "[a-z:/?#.=;,@\\[\\]% \u{e4}]{0,24}", base in "(/a)?", prefix in "(/a/b)?") {
            with(&base, &prefix, |map| (map.url(&text), map.refresh(&text), map.cookie(&text)));
        }
    }
}

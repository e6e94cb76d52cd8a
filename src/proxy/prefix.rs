//! The part that was cut from the front of the path before the proxy, for `X-Forwarded-Prefix`.

use axum::extract::OriginalUri;
use http::header::{HeaderMap, HeaderValue};
use http::request;

use super::fields::{X_FORWARDED_PREFIX, elements};
use super::host::begins_with_host;

/// Returns the prefix that routers of the application cut from the path, such as axum's `nest_service`. Empty if none was.
pub(super) fn nested_prefix(head: &request::Parts) -> &str {
    let original = head.extensions.get::<OriginalUri>();
    original.map_or("", |OriginalUri(original)| cut_prefix(original.path(), head.uri.path()))
}

/// Appends `nested` to the prefix that a trusted proxy sent.
pub(super) fn append_prefix(headers: &mut HeaderMap, nested: &str) {
    let prefix = [trusted_prefix(headers).as_str(), nested].concat();
    if let Ok(prefix) = HeaderValue::try_from(prefix) {
        headers.insert(X_FORWARDED_PREFIX, prefix);
    }
}

/// Returns the prefix in the headers. Each proxy may have added a value of its own, outermost first.
///
/// It is empty, or it begins with exactly one `/` and does not end with one: `//shop` would be a host in a redirect.
pub(super) fn trusted_prefix(headers: &HeaderMap) -> String {
    let mut prefix = String::new();
    for value in elements(headers, X_FORWARDED_PREFIX).filter_map(|value| std::str::from_utf8(value).ok()) {
        prefix.push_str(value.trim_end_matches('/'));
    }
    if is_prefix(&prefix) { prefix } else { String::new() }
}

/// Returns the part of `original` before `path`: the path was made from it by removing a prefix.
fn cut_prefix<'a>(original: &'a str, path: &str) -> &'a str {
    let prefix = match original.strip_suffix(path) {
        Some(prefix) => prefix,
        // axum makes `/` of the prefix alone.
        None if path == "/" => original,
        None => return "",
    };
    if is_prefix(prefix) { prefix } else { "" }
}

/// Returns whether a text is one or more segments of a path, without a `/` at the end. `//` would begin a host.
fn is_prefix(text: &str) -> bool {
    text.starts_with('/') && !begins_with_host(text) && !text.ends_with('/')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn cut_prefix_is_found(prefix in "(/[a-z0-9.%~-]{1,6}){1,3}", path in "(/[a-z0-9.%~-]{0,6}){1,3}") {
            let original = format!("{prefix}{path}");
            prop_assert_eq!(cut_prefix(&original, &path), &prefix);
            prop_assert_eq!(cut_prefix(&prefix, "/"), &prefix);
            prop_assert_eq!(cut_prefix(&path, &path), "");
        }

        #[test]
        fn prefix_is_never_a_host(original in "[/a.]{0,8}", path in "[/a.]{0,8}", lines in "[/a, .]{0,12}") {
            let headers = HeaderMap::from_iter([(X_FORWARDED_PREFIX, lines.parse().unwrap())]);
            for prefix in [cut_prefix(&original, &path), &trusted_prefix(&headers)] {
                prop_assert!(prefix.is_empty() || is_prefix(prefix), "{}", prefix);
            }
        }
    }

    #[test]
    fn prefixes_are_joined() {
        for (lines, nested, joined) in [
            (&["/shop"][..], "/api", "/shop/api"),
            (&["/shop/", "/eu"], "/api", "/shop/eu/api"),
            (&["/shop, /eu/"], "/api", "/shop/eu/api"),
            (&["/"], "/api", "/api"),
            (&["//evil"], "/api", "/api"),
            (&["/\\evil"], "/api", "/api"),
            (&["/\t/evil"], "/api", "/api"),
            (&["shop"], "/api", "/api"),
            (&[], "/api", "/api"),
        ] {
            let mut headers: HeaderMap =
                lines.iter().map(|line| (X_FORWARDED_PREFIX, line.parse().unwrap())).collect();
            append_prefix(&mut headers, nested);
            assert_eq!(headers[X_FORWARDED_PREFIX], joined, "{lines:?}");
            assert_eq!(headers.len(), 1, "{lines:?}");
        }
    }
}

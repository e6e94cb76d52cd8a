//! Header fields whose value is a list, over several lines perhaps (RFC 9110, 5.6.1), and the
//! names of the fields in which proxies describe the hops before this one.

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// The addresses of the clients and proxies before.
const FOR: &str = "x-forwarded-for";
/// The host that the client named.
const HOST: &str = "x-forwarded-host";
/// The scheme that the client used.
const PROTO: &str = "x-forwarded-proto";
/// The part of the path that was cut off.
const PREFIX: &str = "x-forwarded-prefix";

/// The addresses of the client and of each proxy behind it, outermost first.
pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static(FOR);
/// The host that the client asked for.
pub(super) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static(HOST);
/// The scheme that the client used.
pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static(PROTO);

/// The prefix that was cut from the path.
pub(super) const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static(PREFIX);

/// Fields in which proxies describe the client and the hops before this one.
///
/// Anybody can send them, so they are kept from trusted peers only.
pub(super) static FORWARDING_HEADERS: [&str; 7] =
    [FOR, HOST, PROTO, "forwarded", "x-forwarded-port", PREFIX, "x-real-ip"];

/// Iterates over the elements of a list-valued field, across all of its lines.
///
/// Elements are trimmed, and empty ones are skipped.
pub(super) fn elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(name).into_iter();
    let elements = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// Returns whether a list-valued field has `element`, compared without case.
pub(super) fn has_element(headers: &HeaderMap, name: HeaderName, element: &str) -> bool {
    elements(headers, name).any(|found| found.eq_ignore_ascii_case(element.as_bytes()))
}

/// Joins the lines of a field into one value. Returns `None` if the field is absent.
pub(super) fn join_lines(headers: &HeaderMap, name: &HeaderName, separator: &[u8]) -> Option<HeaderValue> {
    let values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    if values.is_empty() { None } else { HeaderValue::from_bytes(&values.join(separator)).ok() }
}

/// Removes every field whose name `is_unwanted`.
///
/// The names are collected first: most messages have no such field and then nothing is allocated.
pub(super) fn remove_where(headers: &mut HeaderMap, is_unwanted: impl Fn(&str) -> bool) {
    let names: Vec<_> = headers.keys().filter(|name| is_unwanted(name.as_str())).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

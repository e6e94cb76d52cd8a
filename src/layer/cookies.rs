//! Cookies as they were received, byte for byte (RFC 6265, section 4.2.1).
//!
//! Nothing is decoded: what a key or a signature covers must be the bytes that the backend gets.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// Iterates over the cookies of a request, each as `name=value`.
pub(super) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(COOKIE).iter().flat_map(|header| header.as_bytes().split(|byte| *byte == b';'))
}

/// Returns the value in `pair` if the name of the cookie is `name`.
///
/// White space around the name is ignored, since backends read `name =value` like `name=value`.
pub(super) fn value<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (found, value) = pair.split_at_checked(pair.iter().position(|byte| *byte == b'=')?)?;
    (found.trim_ascii() == name.as_bytes()).then(|| value[1..].trim_ascii_end())
}

/// Removes every cookie called `name`. The other cookies keep their bytes, and the lines without `name` are not changed.
pub(super) fn remove(headers: &mut HeaderMap, name: &str) {
    if !pairs(headers).any(|pair| value(pair, name).is_some()) {
        return;
    }
    let lines: Vec<_> =
        headers.get_all(COOKIE).iter().filter_map(|line| without_cookie(line, name)).collect();
    headers.remove(COOKIE);
    for line in lines {
        headers.append(COOKIE, line);
    }
}

/// Returns `line` without the cookies called `name`, or `None` if no other cookie remains.
fn without_cookie(line: &HeaderValue, name: &str) -> Option<HeaderValue> {
    let pairs = line.as_bytes().split(|byte| *byte == b';');
    let others: Vec<_> = pairs.clone().filter(|pair| value(pair, name).is_none()).collect();
    if others.len() == pairs.count() {
        return Some(line.clone());
    }
    let others = others.join(&b';');
    let others = others.trim_ascii();
    if others.is_empty() {
        return None;
    }
    // It is a part of a valid value, so the conversion does not fail.
    let mut others = HeaderValue::from_bytes(others).ok()?;
    others.set_sensitive(line.is_sensitive());
    Some(others)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cookies(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (COOKIE, line.parse().unwrap())).collect()
    }

    #[test]
    fn removal_leaves_other_lines() {
        let mut headers =
            cookies(&["a=1;b=2 ;; c", "pin=x", "d=4; pin = y;pin=z", "pin=1 ;  e=\"5, pin=6\""]);
        remove(&mut headers, "pin");
        assert_eq!(headers, cookies(&["a=1;b=2 ;; c", "d=4", "e=\"5, pin=6\""]));
        remove(&mut headers, "a=1");
        assert_eq!(headers.get_all(COOKIE).iter().count(), 3);
    }

    proptest! {
        #[test]
        fn other_cookies_keep_their_bytes(
            others in prop::collection::vec("[!-:<-~&&[^p]]([ -:<-~]{0,8}[!-:<-~])?", 0..5), at in 0..6_usize,
        ) {
            let mut pairs = others.clone();
            pairs.insert(at.min(others.len()), "pin=a/b=c".to_owned());
            let mut headers = cookies(&[&pairs.join("; "), "z=1"]);
            remove(&mut headers, "pin");
            let remaining = others.join("; ");
            let expected: Vec<_> = [&*remaining, "z=1"].into_iter().filter(|line| !line.is_empty()).collect();
            prop_assert_eq!(headers, cookies(&expected));
        }
    }
}

//! The head of a request that may be sent again.

use http::{HeaderName, HeaderValue, Method, Request};

/// Ends the name of a field. A name contains neither of the two (RFC 9110, 5.6.2).
const PLAIN: u8 = b':';
/// Ends the name of a field whose value HTTP/2 must not index (RFC 7541, 7.1.3).
const SENSITIVE: u8 = b';';
/// Ends a field. A value contains none.
const END: u8 = b'\n';

/// A copy of the method and of the fields. The fields are one text, which costs a third of a copied `HeaderMap`, since almost
/// every copy is dropped unused.
pub(super) struct SavedHead {
    method: Method,
    fields: Vec<u8>,
}

impl SavedHead {
    /// Copies the head of `request`, without its URI and its extensions.
    pub(super) fn new<B>(request: &Request<B>) -> Self {
        let headers = request.headers();
        let size = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 2).sum();
        let mut fields = Vec::with_capacity(size);
        for (name, value) in headers {
            fields.extend_from_slice(name.as_str().as_bytes());
            fields.push(if value.is_sensitive() { SENSITIVE } else { PLAIN });
            fields.extend_from_slice(value.as_bytes());
            fields.push(END);
        }
        Self { method: request.method().clone(), fields }
    }

    /// Makes a request of the copy.
    pub(super) fn into_request<B>(self, body: B) -> Request<B> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method;
        let fields = self.fields.split(|byte| *byte == END).filter_map(parse_field);
        for (name, value) in fields {
            request.headers_mut().append(name, value);
        }
        request
    }
}

/// Parses one field. `None` for the empty text behind the last one.
fn parse_field(field: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let end = field.iter().position(|byte| matches!(*byte, PLAIN | SENSITIVE))?;
    let name = HeaderName::from_bytes(field.get(..end)?).ok()?;
    let mut value = HeaderValue::from_bytes(field.get(end + 1..)?).ok()?;
    value.set_sensitive(field.get(end) == Some(&SENSITIVE));
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn field() -> impl Strategy<Value = (String, Vec<u8>, bool)> {
        let byte = prop_oneof![Just(b'\t'), b' '..=b'~', 0x80..=0xff_u8];
        ("[a-z!#$%&'*+.^_`|~0-9-]{1,12}", vec(byte, 0..20), any::<bool>())
    }

    proptest! {
        #[test]
        fn saved_head_is_restored(fields in vec(field(), 0..12), method in "[A-Z]{1,8}") {
            let mut request = Request::new(());
            *request.method_mut() = method.parse().unwrap();
            for (name, value, is_sensitive) in fields {
                let mut value = HeaderValue::from_bytes(&value).unwrap();
                value.set_sensitive(is_sensitive);
                request.headers_mut().append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
            }
            let restored = SavedHead::new(&request).into_request(());
            prop_assert_eq!(restored.method(), request.method());
            prop_assert_eq!(restored.headers(), request.headers());
            let sensitive = request.headers().values().map(HeaderValue::is_sensitive);
            prop_assert!(restored.headers().values().map(HeaderValue::is_sensitive).eq(sensitive));
        }
    }
}

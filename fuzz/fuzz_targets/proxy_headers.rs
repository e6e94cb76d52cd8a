//! The head of a request, through the proxy: what reaches a backend can be read in one way only.
#![no_main]

use std::convert::Infallible;
use std::future::ready;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Request, Response, Version};
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;
use tower::{Service, service_fn};
use tower_canary::proxy::Proxy;
use tower_canary_fuzz::{RUNTIME, headers, split_once};

/// Returns the request in `data`: `GET 1/path` with a digit for the version of HTTP, then headers.
fn request(data: &[u8]) -> Option<Request<Full<&'static [u8]>>> {
    let (line, lines) = split_once(data, b'\n')?;
    let (method, line) = split_once(line, b' ')?;
    let (version, uri) = line.split_first()?;
    let mut request = Request::new(Full::new(&b"body"[..]));
    *request.method_mut() = method.try_into().ok()?;
    *request.uri_mut() = uri.try_into().ok()?;
    *request.version_mut() = match version {
        b'0' => Version::HTTP_10,
        b'2' => Version::HTTP_2,
        _ => Version::HTTP_11,
    };
    *request.headers_mut() = headers(lines);
    Some(request)
}

fn check(head: &Parts) {
    let headers = &head.headers;
    let lines = |name| headers.get_all(name).iter().count();
    assert!(lines(&HOST) <= 1 && lines(&CONTENT_LENGTH) <= 1, "{headers:?}");
    if let Some(length) = headers.get(CONTENT_LENGTH) {
        assert!(length.as_bytes().iter().all(u8::is_ascii_digit), "{length:?}");
    }
    // The proxy's own, for a body whose length is not known. Next to a length, the two would be two readings.
    if headers.contains_key(TRANSFER_ENCODING) {
        assert!(lines(&TRANSFER_ENCODING) == 1 && lines(&CONTENT_LENGTH) == 0, "{headers:?}");
        assert_eq!(headers[TRANSFER_ENCODING], "chunked");
    }
    assert!(!headers.contains_key(CONNECTION), "the client's connection reached the backend");
    for name in ["keep-alive", "proxy-connection", "proxy-authorization", "upgrade"] {
        assert!(!headers.contains_key(name), "{name} reached the backend");
    }
    if let Some(te) = headers.get("te") {
        assert_eq!(te, "trailers");
    }
    assert!(headers.keys().all(|name| !name.as_str().contains('_')), "{headers:?}");
    // The peer is not trusted, so its claims about the client are removed.
    assert!(!headers.contains_key("forwarded") && !headers.contains_key("x-real-ip"), "{headers:?}");
}

fuzz_target!(|data: &[u8]| {
    let Some(request) = request(data) else { return };
    let client = service_fn(|request: Request<_>| {
        let (head, _body) = request.into_parts();
        check(&head);
        ready(Ok::<_, Infallible>(Response::new(Full::new(&b""[..]))))
    });
    let mut proxy = Proxy::new(client).with_via("fuzz").unwrap();
    // In a block: the proxy sets its timer when it is called.
    RUNTIME.block_on(async { proxy.call(request).await }).unwrap();
});

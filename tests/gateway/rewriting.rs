//! Hostile values where the gateway removes or inserts a part of a request. A backend still receives one
//! request for each response.

use crate::http2::{self, Field};
use crate::recorded::RecordedGateway;
use crate::smuggling::{ambiguous_requests, in_parts};

/// Inserts header lines before the first header of `request`.
fn with(lines: &[u8], request: &[u8]) -> Vec<u8> {
    let at = request.windows(2).position(|end| end == b"\r\n").unwrap() + 2;
    [&request[..at], lines, b"\r\n", &request[at..]].concat()
}

// The gateway removes an override, reads a pin and prepends a base path.
#[tokio::test]
async fn rewrites_do_not_enable_smuggling() {
    let requests = ambiguous_requests();
    in_parts(&requests, async |part| {
        let pair = RecordedGateway::rewriting().await;
        let lines = format!("x-version: v1\r\ncookie: a=b; {}; c=d", pair.pin().await);
        let requests: Vec<_> =
            part.iter().map(|(name, text)| (*name, with(lines.as_bytes(), text.as_bytes()))).collect();
        pair.try_each(&requests).await;
    })
    .await;
}

/// Values for the places that the gateway reads.
fn contents() -> Vec<(&'static str, Vec<u8>)> {
    let long = [b'v'; 8_192];
    [
        ("nothing", &b""[..]),
        ("a bare CR", b"v1\rx: y"),
        ("a bare CR and a request", b"v1\r\rGET /auth/inner HTTP/1.1\r\rhost: a\r\r"),
        ("a bare LF", b"v1\nx: y"),
        ("a request after bare LFs", b"v1\n\nGET /auth/inner HTTP/1.1\nhost: a\n\n"),
        ("another header", b"v1\r\ntransfer-encoding: chunked"),
        ("a length", b"v1\r\ncontent-length: 38"),
        ("a request", b"v1\r\n\r\nGET /auth/inner HTTP/1.1\r\nhost: a"),
        ("a NUL", b"v1\0"),
        ("a DEL", b"v1\x7f"),
        ("a tab", b"v1\tx"),
        ("folded", b"v1\r\n x: y"),
        ("folded by a tab", b"\r\n\tv1"),
        ("bytes that are no text", b"v1\xff\xc0\x8d\x8a"),
        ("CR and LF of two bytes each", b"v1\xc4\x8d\xc4\x8ax: y"),
        ("CR and LF encoded", b"v1%0d%0ax:%20y"),
        ("semicolons and quotes", b"\"v1; pin_auth=x\"; ;;=; pin_auth"),
        ("8 KiB", &long),
    ]
    .map(|(name, content)| (name, content.to_vec()))
    .into()
}

/// The places that the gateway reads, removes or joins, each with the bytes before and after it.
const PLACES: [(&str, &[u8], &[u8]); 6] = [
    ("override", b"GET /auth/outer HTTP/1.1\r\nhost: a\r\nx-version: ", b"\r\n\r\n"),
    ("override twice", b"GET /auth/outer HTTP/1.1\r\nhost: a\r\nx-version: v1\r\nx-version: ", b"\r\n\r\n"),
    ("pin", b"GET /auth/outer HTTP/1.1\r\nhost: a\r\ncookie: a=b; pin_auth=", b"; c=d\r\n\r\n"),
    ("key", b"GET /auth/outer HTTP/1.1\r\nhost: a\r\nx-user-id: ", b"\r\n\r\n"),
    ("path", b"GET /auth/", b" HTTP/1.1\r\nhost: a\r\n\r\n"),
    ("service", b"GET /auth", b"/x HTTP/1.1\r\nhost: a\r\n\r\n"),
];

fn targets() -> Vec<(&'static str, Vec<u8>)> {
    let long = format!("/auth/{}", "a".repeat(65_000));
    [
        "/auth",
        "/auth?x",
        "/auth#x",
        "//auth/x",
        "/auth//x",
        "/auth/../../x",
        "/auth/%2e%2e/x",
        "/auth\\x",
        "/auth;x/y",
        "/%61uth/x",
        "/auth%2fx",
        "/auth%00/x",
        "auth/x",
        "*",
        "?",
        "http://evil/auth/x",
        "http://auth",
        "http://auth?x",
        "http:///auth/x",
        "evil:80",
        "/auth/x\ty",
        "/auth/x HTTP/1.1 ",
        &long,
    ]
    .map(|target| {
        ("a target", format!("GET {target} HTTP/1.1\r\nhost: a\r\nx-version: v1\r\n\r\n").into_bytes())
    })
    .into()
}

#[tokio::test]
async fn hostile_values_cannot_split_requests() {
    let mut requests = targets();
    for (place, before, after) in PLACES {
        requests.extend(
            contents()
                .into_iter()
                .map(|(_, content): (_, Vec<u8>)| (place, [before, &content, after].concat())),
        );
    }
    println!("{} requests by HTTP/1.1", requests.len());
    in_parts(&requests, async |part| {
        RecordedGateway::rewriting().await.try_each(part).await;
    })
    .await;
}

/// A plain HTTP/2 request with `more` fields.
fn plain<'a>(more: &[Field<'a>]) -> Vec<Field<'a>> {
    let fields: [Field<'a>; 4] =
        [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/auth/outer")];
    [&fields[..], more].concat()
}

/// HTTP/2 requests with fields that would be framing in HTTP/1.1.
fn over_http2() -> Vec<(&'static str, Vec<Field<'static>>)> {
    [fields(), pseudo_fields()].concat()
}

fn fields() -> Vec<(&'static str, Vec<Field<'static>>)> {
    let single: [Field<'static>; 15] = [
        (b"host", b"b"),
        (b"transfer-encoding", b"chunked"),
        (b"connection", b"x-version"),
        (b"keep-alive", b"1"),
        (b"upgrade", b"h2c"),
        (b"te", b"gzip"),
        (b"content-length", b"36"),
        (b"content-length", b"1"),
        (b"content-length", b"+4"),
        (b"content-length", b"4, 4"),
        (b"X-Version", b"v1"),
        (b"x: y", b"z"),
        (b"x: y\r\ncontent-length", b"36"),
        (b"transfer-encoding ", b"chunked"),
        (b"", b"x"),
    ];
    let several: [&[Field<'static>]; 5] = [
        &[(b"host", b"a"), (b"host", b"a")],
        &[(b"content-length", b"4"), (b"content-length", b"0")],
        &[(b"content_length", b"36"), (b"transfer_encoding", b"chunked"), (b"x_version", b"v1")],
        &[(b"x-version", b"v1"), (b":path", b"/auth/inner")],
        &[(b"cookie", b"a=b"), (b"cookie", b"pin_auth=x"), (b"cookie", b""), (b"cookie", b"; ;")],
    ];
    let single = single.map(|field| plain(&[field])).into_iter();
    single.chain(several.map(plain)).map(|fields| ("a field", fields)).collect()
}

fn pseudo_fields() -> Vec<(&'static str, Vec<Field<'static>>)> {
    let [method, scheme, authority, path] = plain(&[])[..] else { unreachable!() };
    let mut requests = vec![
        ("one that is unknown", plain(&[(b":version", b"v1")])),
        ("no path", vec![method, scheme, authority]),
        ("no authority", vec![method, scheme, path]),
        ("one after a field", vec![method, (b"x-version", b"v1"), scheme, authority, path]),
        ("two paths", vec![method, scheme, authority, path, (b":path", b"/auth/inner")]),
    ];
    for bad in [&b"GET /auth/inner HTTP/1.1\r\nhost: a\r\n\r\nGET"[..], b"GET ", b"", b"CONNECT", b"G\rT"] {
        requests.push(("a method", vec![(b":method", bad), scheme, authority, path]));
    }
    for bad in
        [&b"/auth/ HTTP/1.1\r\nx: y"[..], b"/auth/x y", b"", b"auth/x", b"*", b"http://b/auth/x", b"/auth/\0"]
    {
        requests.push(("a path", vec![method, scheme, authority, (b":path", bad)]));
    }
    for bad in [&b"a\r\nx: y"[..], b"u:p@a", b"a b", b"", b"a/b", b"a, b", b"auth/inner HTTP/1.1"] {
        requests.push(("an authority", vec![method, scheme, (b":authority", bad), path]));
    }
    requests
}

#[tokio::test]
async fn http2_fields_cannot_split_requests() {
    let pair = RecordedGateway::rewriting().await;
    let contents = contents();
    let mut requests = over_http2();
    for (name, content) in &contents {
        requests.push((*name, plain(&[(b"x-version", content)])));
        requests
            .push((*name, plain(&[(b"cookie", b"a=b"), (b"cookie", content), (b"cookie", b"pin_auth=x")])));
        requests.push((*name, plain(&[(b"x-user-id", content)])));
    }
    let mut served = [0, 0];
    for (name, fields) in &requests {
        for (i, body) in [None, Some(&b"body"[..])].into_iter().enumerate() {
            let ok = http2::is_ok(&pair.gateway.data, fields, body).await;
            served[i] += usize::from(ok);
            pair.assert_one_for_each(ok.into(), &format!("{name}: {fields:?}, {body:?}")).await;
        }
    }
    println!("{} requests by HTTP/2, each with and without a body: {served:?} were served", requests.len());
    assert!(served.iter().all(|count| *count > 20), "they are read at all");
}

//! Requests that two servers can interpret differently. A backend receives one request for each response.

use futures_util::future::join_all;

use crate::backends::Recorder;
use crate::clients::raw;
use crate::harness::Gateway;
use crate::recorded::RecordedGateway;

const INNER: &str = "GET /auth/inner HTTP/1.1\r\nhost: a\r\n\r\n";

/// Ambiguous requests as bytes, each with its name.
pub(crate) type AmbiguousRequests = Vec<(&'static str, String)>;

pub(crate) fn ambiguous_requests() -> AmbiguousRequests {
    [transfer_encodings(), lengths(), chunks(), heads()].concat()
}

fn post(headers: &str, body: &str) -> String {
    format!("POST /auth/outer HTTP/1.1\r\nhost: a\r\n{headers}\r\n\r\n{body}")
}

fn get(headers: &str) -> String {
    format!("GET /auth/outer HTTP/1.1\r\n{headers}\r\n\r\n")
}

fn chunked_end() -> String {
    format!("0\r\n\r\n{INNER}")
}

fn transfer_encodings() -> AmbiguousRequests {
    let chunked_end = chunked_end();
    vec![
        (
            "CL.TE",
            post(
                &format!("content-length: {}\r\ntransfer-encoding: chunked", chunked_end.len()),
                &chunked_end,
            ),
        ),
        (
            "TE.CL",
            post(
                "content-length: 4\r\ntransfer-encoding: chunked",
                &format!("{:x}\r\n{INNER}\r\n0\r\n\r\n", INNER.len()),
            ),
        ),
        ("TE.TE", post("transfer-encoding: chunked\r\ntransfer-encoding: identity", &chunked_end)),
        ("TE twice", post("transfer-encoding: chunked\r\ntransfer-encoding: chunked", &chunked_end)),
        ("TE: xchunked", post("content-length: 0\r\ntransfer-encoding: xchunked", &chunked_end)),
        ("TE with a tab", post("transfer-encoding:\tchunked", &chunked_end)),
        ("TE with space before the colon", post("transfer-encoding : chunked", &chunked_end)),
        ("TE folded", post("transfer-encoding:\r\n chunked", &chunked_end)),
        ("TE after a bare LF", post("x: y\ntransfer-encoding: chunked", &chunked_end)),
        ("TE after a bare CR", post("x: y\rtransfer-encoding: chunked", &chunked_end)),
        (
            "TE on HTTP/1.0",
            format!(
                "POST /auth/outer HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{chunked_end}"
            ),
        ),
    ]
}

fn lengths() -> AmbiguousRequests {
    vec![
        ("CL twice, differing", post("content-length: 0\r\ncontent-length: 36", INNER)),
        ("CL as a list", post("content-length: 0, 36", INNER)),
        ("CL with a sign", post("content-length: +36", INNER)),
        ("CL negative", post("content-length: -1", INNER)),
        ("CL huge", post("content-length: 99999999999999999999", INNER)),
        ("CL in hex", post("content-length: 0x24", INNER)),
        (
            "CL named by Connection",
            post(&format!("connection: content-length\r\ncontent-length: {}", INNER.len()), INNER),
        ),
        (
            "TE named by Connection",
            post("connection: transfer-encoding\r\ntransfer-encoding: chunked", &chunked_end()),
        ),
        ("CL_ with an underscore", post("content_length: 36", INNER)),
    ]
}

fn chunks() -> AmbiguousRequests {
    vec![
        (
            "chunk size too large",
            post("transfer-encoding: chunked", &format!("fffffffffffffffff\r\n{INNER}")),
        ),
        ("chunk size with a sign", post("transfer-encoding: chunked", &format!("-1\r\n\r\n{INNER}"))),
        ("chunk ended by a bare LF", post("transfer-encoding: chunked", &format!("0\n\n{INNER}"))),
        (
            "chunk with an extension that ends in a bare LF",
            post("transfer-encoding: chunked", &format!("0;a\nb\r\n\r\n{INNER}")),
        ),
        (
            "a chunk's data longer than its size",
            post("transfer-encoding: chunked", &format!("1\r\nxx\r\n0\r\n\r\n{INNER}")),
        ),
        (
            "a trailer that sets CL",
            post(
                "transfer-encoding: chunked\r\ntrailer: content-length",
                &format!("0\r\ncontent-length: 36\r\n\r\n{INNER}"),
            ),
        ),
    ]
}

fn heads() -> AmbiguousRequests {
    vec![
        ("a body on GET", get(&format!("host: a\r\ncontent-length: {}", INNER.len())) + INNER),
        ("Host twice", get("host: a\r\nhost: b")),
        ("no Host", get("x: y")),
        (
            "absolute form and another Host",
            format!("GET http://b/auth/outer HTTP/1.1\r\nhost: a\r\n\r\n{INNER}"),
        ),
        (
            "a space in the target",
            format!("GET /auth/outer HTTP/1.1\r\nx: y HTTP/1.1\r\nhost: a\r\n\r\n{INNER}"),
        ),
        ("a NUL in a value", get("host: a\r\nx: \0y")),
        ("a space before the first header", get(" host: a")),
        ("two requests in one write", format!("{INNER}{INNER}")),
    ]
}

// The backend sees each request in one canonical form.
#[tokio::test]
async fn each_response_matches_one_request() {
    let requests: Vec<_> =
        ambiguous_requests().into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    in_parts(&requests, async |part| {
        RecordedGateway::new(&["--no-demo"], "").await.try_each(part).await;
    })
    .await;
}

/// Runs the parts concurrently, since waiting for silence takes most of the time.
pub(crate) async fn in_parts<T>(all: &[T], run: impl AsyncFn(&[T])) {
    join_all(all.chunks(10).map(|part| run(part))).await;
}

#[tokio::test]
async fn malformed_chunked_body_is_400() {
    let recorder = Recorder::start().await;
    let gateway = Gateway::start(&["--no-demo"]);
    gateway.register("auth", "v1", &recorder.url).await;
    let response =
        raw(&gateway.data, post("transfer-encoding: chunked", "1\r\nxx\r\n0\r\n\r\n").as_bytes()).await;
    assert!(response.starts_with("HTTP/1.1 400") && response.contains("malformed-body"), "{response}");
}

#[tokio::test]
async fn ambiguous_requests_are_refused() {
    let recorder = Recorder::start().await;
    let gateway = Gateway::start(&["--no-demo"]);
    gateway.register("auth", "v1", &recorder.url).await;
    let refused = [
        "TE.TE",
        "TE: xchunked",
        "CL twice, differing",
        "CL as a list",
        "CL with a sign",
        "Host twice",
        "no Host",
        "TE on HTTP/1.0",
        "TE folded",
    ];
    for (name, request) in ambiguous_requests().into_iter().filter(|(name, _)| refused.contains(name)) {
        let response = raw(&gateway.data, request.as_bytes()).await;
        assert!(
            response.starts_with("HTTP/1.1 400")
                || response.starts_with("HTTP/1.1 501")
                || response.starts_with("HTTP/1.0 400"),
            "{name}: {response}"
        );
        assert_eq!(recorder.take(), Vec::<String>::new(), "{name}");
    }
}

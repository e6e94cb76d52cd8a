//! The size of request heads, by both protocols.

use std::time::Duration;

use http::{HeaderName, Request, StatusCode};
use hyper::client::conn::http2::SendRequest;

use crate::backends::{Backend, named_backend};
use crate::clients::http2_connection;
use crate::harness::{AnyBody, Gateway, client, empty, read};
use crate::recorded::RecordedGateway;

async fn gateway(options: &[&str]) -> (Gateway, Backend) {
    let backend = named_backend("v1", Duration::ZERO).await;
    let gateway = Gateway::start(&[&["--no-demo"], options].concat());
    gateway.register("auth", "v1", &backend.url).await;
    (gateway, backend)
}

/// A request with so many header fields of this size beside `host`.
fn request(gateway: &Gateway, fields: usize, size: usize) -> Request<AnyBody> {
    let mut request = Request::get(gateway.url("/auth/x")).body(empty()).unwrap();
    for number in 0..fields {
        let name: HeaderName = format!("x-field-{number}").parse().unwrap();
        request.headers_mut().insert(name, "x".repeat(size).parse().unwrap());
    }
    request
}

async fn by_http2(client: &mut SendRequest<AnyBody>, request: Request<AnyBody>) -> StatusCode {
    client.ready().await.unwrap();
    client.send_request(request).await.unwrap().status()
}

/// Returns the statuses by HTTP/1.1 and by HTTP/2.
async fn statuses(gateway: &Gateway, fields: usize, size: usize) -> [StatusCode; 2] {
    let http1 = client().request(request(gateway, fields, size)).await.unwrap().status();
    let mut http2 = http2_connection(&gateway.data).await;
    [http1, by_http2(&mut http2, request(gateway, fields, size)).await]
}

#[tokio::test]
async fn both_protocols_have_one_size_limit() {
    let (gateway, _backend) = gateway(&[]).await;
    for (fields, size) in [(1, 60_000), (60, 1_000), (90, 650)] {
        assert_eq!(statuses(&gateway, fields, size).await, [StatusCode::OK; 2], "{fields} of {size}");
    }
    for (fields, size) in [(1, 70_000), (70, 1_000), (90, 800)] {
        let expected = [StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE; 2];
        assert_eq!(statuses(&gateway, fields, size).await, expected, "{fields} of {size}");
    }
}

#[tokio::test]
async fn both_protocols_have_one_field_limit() {
    for (options, most) in [(&[][..], 100), (&["--max-headers", "20"], 20), (&["--max-headers", "300"], 300)]
    {
        // Other backends have limits of their own.
        let recorded = RecordedGateway::new(&[&["--no-demo"], options].concat(), "").await;
        let gateway = &recorded.gateway;
        // `host` is one of them.
        assert_eq!(statuses(gateway, most - 1, 1).await, [StatusCode::OK; 2], "{most}");
        let expected = [StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE; 2];
        assert_eq!(statuses(gateway, most, 1).await, expected, "{most}");
    }
}

// A cookie that HTTP/2 sends in parts is one field for the backend.
#[tokio::test]
async fn parts_of_a_cookie_are_one_field() {
    let (gateway, _backend) = gateway(&[]).await;
    let mut http2 = http2_connection(&gateway.data).await;
    let mut request = request(&gateway, 90, 1);
    for number in 0..50 {
        request.headers_mut().append("cookie", format!("a{number}=1").parse().unwrap());
    }
    assert_eq!(by_http2(&mut http2, request).await, StatusCode::OK);
}

// Up to five times the limit. The other requests of the connection get their responses.
#[tokio::test]
async fn oversized_head_fails_alone() {
    let backend = named_backend("v1", Duration::from_secs(1)).await;
    let gateway = Gateway::start(&["--no-demo"]);
    gateway.register("auth", "v1", &backend.url).await;
    let mut client = http2_connection(&gateway.data).await;
    let slow = client.send_request(request(&gateway, 1, 1));
    for (fields, size) in [(1, 70_000), (2, 70_000), (4, 60_000), (5, 60_000), (80, 4_000)] {
        let status = by_http2(&mut client, request(&gateway, fields, size)).await;
        assert_eq!(status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "{fields} of {size}");
    }
    assert_eq!(read(slow.await.unwrap()).await.text, "auth v1 /x\n");
    assert_eq!(by_http2(&mut client, request(&gateway, 1, 1)).await, StatusCode::OK);
}

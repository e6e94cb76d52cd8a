//! The responses of the proxy to `HEAD`, and the limit of header fields.

use std::io;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Version};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower::{ServiceExt, service_fn};
use tower_canary::proxy::{Proxy, RequestBody};

use crate::support::{Stub, exchange, serve_by_hyper, values};

fn request(method: Method, header: (&str, &str)) -> Request<Empty<Bytes>> {
    let request =
        Request::builder().method(method).uri("/").header("host", "shop").header(header.0, header.1);
    request.body(Empty::new()).unwrap()
}

fn failing() -> Proxy<Stub> {
    let client = service_fn(|_| std::future::ready(Err(io::Error::other("refused").into())));
    Proxy::new(Stub::new(client)).with_via("gateway").unwrap()
}

#[tokio::test]
async fn problem_for_head_has_no_content() {
    for (header, status) in [
        (("host", "other"), 400),
        (("content-length", "x"), 400),
        (("transfer-encoding", "gzip"), 501),
        (("via", "1.1 gateway"), 508),
        (("x", "y"), 502),
    ] {
        let get = failing().oneshot(request(Method::GET, header)).await.unwrap();
        let head = failing().oneshot(request(Method::HEAD, header)).await.unwrap();
        assert_eq!((get.status().as_u16(), head.status().as_u16()), (status, status));
        assert!(head.body().is_end_stream(), "{status}");
        assert_eq!(head.headers()["content-type"], "application/problem+json");
        assert_eq!(
            head.headers()["content-length"],
            get.into_body().size_hint().exact().unwrap().to_string()
        );
    }
}

// The connection serves the next request.
#[tokio::test]
async fn head_over_http2_has_no_content() {
    let client = service_fn(|_: Request<RequestBody<hyper::body::Incoming>>| {
        std::future::ready(Err::<http::Response<Empty<Bytes>>, _>(io::Error::other("refused")))
    });
    let (address, _serving) = serve_by_hyper(Proxy::new(client)).await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Empty<Bytes>>();
    for method in [Method::HEAD, Method::HEAD, Method::GET] {
        let is_head = method == Method::HEAD;
        let request = Request::builder().method(method).uri(format!("http://{address}/"));
        let response = client.request(request.body(Empty::new()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        let length: usize = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
        let content = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(content.len(), if is_head { 0 } else { length });
    }
}

#[tokio::test]
async fn header_fields_are_limited() {
    for version in [Version::HTTP_11, Version::HTTP_2] {
        for (name, count, status) in [("x", 99, 200), ("x", 100, 431), ("cookie", 200, 200)] {
            let mut request = request(Method::GET, ("host", "shop"));
            *request.version_mut() = version;
            request.headers_mut().remove("host");
            *request.uri_mut() = "http://shop/".parse().unwrap();
            request.headers_mut().insert("host", "shop".parse().unwrap());
            for i in 0..count {
                request.headers_mut().append(name, format!("a={i}").parse().unwrap());
            }
            let (response, sent) = exchange(|proxy| proxy, request).await;
            assert_eq!(response.status(), status, "{count} {name}");
            assert_eq!(sent.is_some(), status == 200);
        }
    }
    let (response, _) = exchange(|proxy| proxy.with_max_headers(1), request(Method::GET, ("x", "y"))).await;
    assert_eq!(response.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

// A method that defines content has a length; others do not.
#[tokio::test]
async fn empty_body_has_a_length() {
    for (method, content_type, expected) in [
        (Method::POST, "text/plain", vec!["0"]),
        (Method::PUT, "text/plain", vec!["0"]),
        (Method::PATCH, "text/plain", vec!["0"]),
        (Method::GET, "text/plain", vec![]),
        (Method::DELETE, "text/plain", vec![]),
        (Method::POST, "application/grpc", vec![]),
    ] {
        let (_, sent) =
            exchange(|proxy| proxy, request(method.clone(), ("content-type", content_type))).await;
        assert_eq!(values(&sent.unwrap().headers, "content-length"), expected, "{method} {content_type}");
    }
}

#[tokio::test]
async fn via_can_be_left_out() {
    let looping = request(Method::GET, ("via", "1.1 gateway"));
    let (response, _) = exchange(|proxy| proxy.with_via("gateway").unwrap(), looping).await;
    assert_eq!(response.status(), StatusCode::LOOP_DETECTED);
    let looping = request(Method::GET, ("via", "1.1 gateway"));
    let (response, sent) = exchange(|proxy| proxy.with_via("gateway").unwrap().without_via(), looping).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(values(&sent.unwrap().headers, "via"), ["1.1 gateway"]);
}

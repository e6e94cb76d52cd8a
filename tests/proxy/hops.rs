//! The target of a request: its host, and `OPTIONS`, `TRACE` and `Max-Forwards` (RFC 9110, 7.6.2).

use bytes::Bytes;
use http::{Method, Request, StatusCode, Version};
use http_body::Body;
use http_body_util::Empty;

use crate::support::{exchange, values};

const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

fn request(method: Method, version: Version, limit: Option<&str>) -> Request<Empty<Bytes>> {
    let request =
        Request::builder().method(method).uri("http://shop/auth").version(version).header("host", "shop");
    let request = limit.into_iter().fold(request, |request, limit| request.header("max-forwards", limit));
    request.body(Empty::new()).unwrap()
}

#[tokio::test]
async fn options_counts_forwards() {
    for version in VERSIONS {
        for (limit, forwarded) in [
            (None, Some(vec![])),
            (Some("3"), Some(vec!["2"])),
            (Some("1"), Some(vec!["0"])),
            (Some("0"), None),
        ] {
            let (response, sent) = exchange(|proxy| proxy, request(Method::OPTIONS, version, limit)).await;
            assert_eq!(response.status(), StatusCode::OK);
            let sent = sent.map(|head| values(&head.headers, "max-forwards"));
            assert_eq!(
                sent,
                forwarded.map(|limits| limits.iter().map(ToString::to_string).collect()),
                "{limit:?}"
            );
        }
    }
}

#[tokio::test]
async fn options_of_the_proxy_have_no_content() {
    let mut server = request(Method::OPTIONS, Version::HTTP_11, None);
    *server.uri_mut() = "*".parse().unwrap();
    for request in [server, request(Method::OPTIONS, Version::HTTP_2, Some("0"))] {
        let (response, sent) = exchange(|proxy| proxy, request).await;
        assert!(sent.is_none());
        assert_eq!(
            (response.status(), &response.headers()["content-length"]),
            (StatusCode::OK, &"0".parse().unwrap())
        );
        assert!(
            response.headers()["allow"].to_str().unwrap().contains("OPTIONS")
                && response.body().is_end_stream()
        );
    }
}

#[tokio::test]
async fn trace_is_refused_by_default() {
    for version in VERSIONS {
        for limit in [None, Some("3"), Some("0")] {
            let (response, sent) = exchange(|proxy| proxy, request(Method::TRACE, version, limit)).await;
            assert_eq!((response.status(), sent.is_none()), (StatusCode::METHOD_NOT_ALLOWED, true));
            assert!(response.headers().contains_key("allow"));
        }
        let trace =
            |limit| exchange(|proxy| proxy.with_trace(), request(Method::TRACE, version, Some(limit)));
        assert_eq!(values(&trace("3").await.1.unwrap().headers, "max-forwards"), ["2"]);
        assert_eq!(trace("0").await.0.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}

// The limit is for these two methods only.
#[tokio::test]
async fn other_methods_ignore_max_forwards() {
    let (_, sent) = exchange(|proxy| proxy, request(Method::GET, Version::HTTP_11, Some("0"))).await;
    assert_eq!(values(&sent.unwrap().headers, "max-forwards"), ["0"]);
}

#[tokio::test]
async fn default_port_is_the_same_host() {
    for (target, host, status) in [
        ("http://shop/", "shop:80", 200),
        ("http://shop:80/", "shop", 200),
        ("http://shop:/", "SHOP", 200),
        ("https://shop/", "shop:443", 200),
        ("http://[::1]/", "[::1]:80", 200),
        ("https://shop/", "shop:80", 400),
        ("http://shop/", "shop:81", 400),
        ("http://shop/", "other:80", 400),
        ("http://shop/", "a@shop:80", 400),
    ] {
        for version in VERSIONS {
            let request =
                Request::get(target).header("host", host).version(version).body(Empty::new()).unwrap();
            let (response, _) = exchange(|proxy| proxy, request).await;
            assert_eq!(response.status(), status, "{target} {host}");
        }
    }
}

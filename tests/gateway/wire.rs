//! The parts of a message that the gateway forwards, and those that it consumes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::backends::{Backend, backend, echo, named_backend};
use crate::clients::{raw, read_until_silent};
use crate::harness::{AnyBody, BoxError, Gateway, client, empty, full};

async fn gateway_to(backend: &Backend) -> Gateway {
    let gateway = Gateway::start(&["--no-demo"]);
    gateway.register("auth", "v1", &backend.url).await;
    gateway
}

#[tokio::test]
async fn request_hop_by_hop_headers_are_removed() {
    let backend = echo().await;
    let gateway = gateway_to(&backend).await;
    let head = "GET /auth/x HTTP/1.1\r\nhost: shop\r\nconnection: keep-alive, X-Secret, x-forwarded-for, host\r\n\
                connection: x-other\r\nx-secret: 1\r\nx-other: 2\r\nkeep-alive: timeout=5\r\nproxy-connection: keep-alive\r\n\
                te: trailers;q=0.5, gzip\r\nte: trailers\r\nupgrade: websocket\r\nproxy-authorization: Basic eA==\r\n\
                proxy-authenticate: Basic\r\nx-kept: 3\r\n\r\n";
    let received = raw(&gateway.data, head.as_bytes()).await;
    for gone in ["x-secret:", "x-other:", "keep-alive", "proxy-", "gzip", "upgrade", "connection"] {
        assert!(!received.contains(gone), "{gone}: {received}");
    }
    for kept in ["x-kept: 3\n", "te: trailers\n", "x-forwarded-for: 127.0.0.1\n", "x-forwarded-host: shop\n"]
    {
        assert!(received.contains(kept), "{kept}: {received}");
    }
}

#[tokio::test]
async fn response_hop_by_hop_headers_are_removed() {
    let backend = backend(|_| async {
        let response = Response::builder().header("connection", "x-secret").header("x-secret", "1");
        let response = response.header("keep-alive", "timeout=5").header("proxy-authenticate", "Basic");
        let response = response.header("upgrade", "h2c").header("x-kept", "2").header("set-cookie", "a=1");
        let response = response.header("x_kept", "3");
        response.header("set-cookie", "b=2").body(full("body")).unwrap()
    });
    let backend = backend.await;
    let gateway = gateway_to(&backend).await;
    let response = gateway.get("/auth/").await;
    assert_eq!(response.headers["x_kept"], "3", "names with _ are taken out of requests alone");
    for gone in ["connection", "x-secret", "keep-alive", "proxy-authenticate", "upgrade"] {
        assert!(!response.headers.contains_key(gone), "{gone}: {response:?}");
    }
    assert_eq!(
        (&response.headers["x-kept"], response.headers.get_all("set-cookie").iter().count()),
        (&"2".parse().unwrap(), 2)
    );
}

/// Returns the request that a backend receives from a client with forwarding headers.
async fn forwarded_request(options: &[&str]) -> (String, Backend) {
    let backend = echo().await;
    let gateway = Gateway::start(&[&["--no-demo"], options].concat());
    gateway.register("auth", "v1", &backend.url).await;
    let request = Request::get(gateway.url("/auth/a/%2e%2e/b?c=%20d"))
        .header("host", "shop.example")
        .header("x-forwarded-for", "10.1.1.1")
        .header("x-forwarded-for", "10.2.2.2, 10.3.3.3")
        .header("x-forwarded-host", "other.example")
        .header("x-forwarded-proto", "https")
        .header("forwarded", "for=1.2.3.4");
    (gateway.send(request.body(empty()).unwrap()).await.text, backend)
}

#[tokio::test]
async fn forwarded_headers_ignore_client_claims() {
    let (received, backend) = forwarded_request(&[]).await;
    assert!(received.starts_with("GET /a/%2e%2e/b?c=%20d\n"), "{received}");
    for header in [
        "x-forwarded-for: 127.0.0.1\n",
        "x-forwarded-host: shop.example\n",
        "x-forwarded-proto: http\n",
        &format!("host: {}\n", backend.url.trim_start_matches("http://")),
        "via: 1.1 canary-",
    ] {
        assert!(received.contains(header), "{header}: {received}");
    }
    assert!(!received.contains("10.1.1.1") && !received.contains("forwarded: for"), "{received}");
}

#[tokio::test]
async fn trusted_proxy_headers_are_extended() {
    let (received, _backend) =
        forwarded_request(&["--trusted-proxy", "10.9.9.9", "--trusted-proxy", "127.0.0.1"]).await;
    for header in [
        "x-forwarded-for: 10.1.1.1, 10.2.2.2, 10.3.3.3, 127.0.0.1\n",
        "x-forwarded-host: other.example\n",
        "x-forwarded-proto: https\n",
        "forwarded: for=1.2.3.4\n",
    ] {
        assert!(received.contains(header), "{header}: {received}");
    }
}

/// A body of unknown length, with a trailer.
fn with_trailer(data: Bytes, sum: HeaderValue) -> AnyBody {
    let trailers = HeaderMap::from_iter([(HeaderName::from_static("x-sum"), sum)]);
    let frames = [Ok(Frame::data(data)), Ok(Frame::trailers(trailers))];
    BodyExt::boxed(StreamBody::new(stream::iter(frames)))
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let backend = backend(|request: Request<Incoming>| async move {
        let body = request.into_body().collect().await.unwrap();
        let sum = body.trailers().unwrap()["x-sum"].clone();
        let body = with_trailer(body.to_bytes(), sum);
        Response::builder().header("trailer", "x-sum").body(body).unwrap()
    });
    let backend = backend.await;
    let gateway = gateway_to(&backend).await;
    let body = with_trailer(Bytes::from("text"), HeaderValue::from_static("42"));
    let request = Request::post(gateway.url("/auth/")).header("te", "trailers").header("trailer", "x-sum");
    let response = gateway.send(request.body(body).unwrap()).await;
    assert_eq!(
        (response.text.as_str(), &response.trailers["x-sum"]),
        ("text", &HeaderValue::from_static("42"))
    );
}

#[tokio::test]
async fn head_keeps_length_without_body() {
    let backend =
        backend(|_| async { Response::builder().header("content-length", "1234").body(empty()).unwrap() });
    let backend = backend.await;
    let gateway = gateway_to(&backend).await;
    let request = b"HEAD /auth/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let response = raw(&gateway.data, request).await;
    assert!(
        response.starts_with("HTTP/1.1 200") && response.contains("content-length: 1234\r\n"),
        "{response}"
    );
    assert!(response.ends_with("\r\n\r\n"), "{response}");
}

#[tokio::test]
async fn expect_100_continue_is_honored() {
    let backend = backend(|request: Request<Incoming>| async move {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Response::new(full(body))
    });
    let backend = backend.await;
    let gateway = gateway_to(&backend).await;
    let mut stream = TcpStream::connect(&gateway.data).await.unwrap();
    let head = b"POST /auth/ HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let mut first = [0; 25];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"body").await.unwrap();
    let response = read_until_silent(&mut stream).await;
    assert!(response.contains("HTTP/1.1 200") && response.ends_with("body"), "{response}");
}

/// Starts a backend that responds before the request body has arrived. It continues to read as RFC 9112, 9.6 requires,
/// or closes at once, which resets the connection.
async fn early_responder(reads_on: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 1_024];
            assert_ne!(stream.read(&mut buffer).await.unwrap(), 0);
            let response =
                b"HTTP/1.1 413 Payload Too Large\r\ncontent-length: 9\r\nconnection: close\r\n\r\ntoo large";
            stream.write_all(response).await.unwrap();
            while reads_on && stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
        }
    });
    url
}

#[tokio::test]
async fn early_response_reaches_the_client() {
    let gateway = Gateway::start(&["--no-demo"]);
    for (service, reads_on) in [("polite", true), ("abrupt", false)] {
        gateway.register(service, "v1", &early_responder(reads_on).await).await;
        for _ in 0..5 {
            let mut stream = TcpStream::connect(&gateway.data).await.unwrap();
            let head = format!("POST /{service}/ HTTP/1.1\r\nhost: a\r\ncontent-length: 100000000\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            let _ = stream.write_all(&[b'x'; 1_000_000]).await;
            let response = read_until_silent(&mut stream).await;
            assert!(
                response.starts_with("HTTP/1.1 413") && response.ends_with("too large"),
                "{service}: {response}"
            );
        }
    }
}

#[tokio::test]
async fn events_are_not_buffered() {
    let (mut events, body) = Channel::<Bytes, BoxError>::new(1);
    let body = Arc::new(Mutex::new(Some(body)));
    let backend = backend(move |_| {
        let body = body.lock().unwrap().take().map_or_else(empty, BodyExt::boxed);
        std::future::ready(
            Response::builder().header("content-type", "text/event-stream").body(body).unwrap(),
        )
    });
    let backend = backend.await;
    let gateway = gateway_to(&backend).await;
    let request = Request::get(gateway.url("/auth/events")).body(empty()).unwrap();
    let mut body = client().request(request).await.unwrap().into_body();
    for event in 0..10 {
        // The next event is sent after this one has arrived.
        events.send_data(format!("data: {event}\n\n").into()).await.unwrap();
        let frame = timeout(Duration::from_secs(5), body.frame()).await.unwrap().unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), format!("data: {event}\n\n"));
    }
    drop(events);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn declined_upgrade_is_a_plain_request() {
    let backend = named_backend("v1", Duration::ZERO).await;
    let gateway = gateway_to(&backend).await;
    let head = "GET /auth/chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let response = raw(&gateway.data, head.as_bytes()).await;
    assert!(response.starts_with("HTTP/1.1 200") && response.ends_with("auth v1 /chat\n"), "{response}");
}

#[tokio::test]
async fn http2_prior_knowledge_is_served() {
    let backend = echo().await;
    let gateway = gateway_to(&backend).await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<AnyBody>();
    let requests = (0..50).map(|i| {
        let request =
            Request::get(gateway.url(&format!("/auth/{i}"))).header("cookie", "a=1").header("cookie", "b=2");
        client.request(request.body(empty()).unwrap())
    });
    for (i, response) in futures_util::future::join_all(requests).await.into_iter().enumerate() {
        let response = crate::harness::read(response.unwrap()).await;
        assert_eq!(response.status, StatusCode::OK);
        assert!(response.text.starts_with(&format!("GET /{i}\n")), "{}", response.text);
        assert!(response.text.contains("cookie: a=1; b=2\n"), "{}", response.text);
        assert!(
            response.text.contains(&format!("x-forwarded-host: {}\n", gateway.data)),
            "{}",
            response.text
        );
    }
}

#[tokio::test]
async fn http2_host_mismatch_is_400() {
    let backend = echo().await;
    let gateway = gateway_to(&backend).await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<AnyBody>();
    let request = Request::get(gateway.url("/auth/")).header("host", "other.example").body(empty()).unwrap();
    let response = crate::harness::read(client.request(request).await.unwrap()).await;
    assert_eq!(response.status, StatusCode::BAD_REQUEST, "{response:?}");
    assert!(response.text.contains("ambiguous-host"), "{}", response.text);
}

#[tokio::test]
async fn http_1_0_clients_are_served() {
    let backend = named_backend("v1", Duration::ZERO).await;
    let gateway = gateway_to(&backend).await;
    let response = raw(&gateway.data, b"GET /auth/old HTTP/1.0\r\n\r\n").await;
    assert!(response.starts_with("HTTP/1.0 200") && response.ends_with("auth v1 /old\n"), "{response}");
}

#[tokio::test]
async fn spoofed_headers_are_removed() {
    let backend = echo().await;
    let gateway = gateway_to(&backend).await;
    let head = "GET /auth/x HTTP/1.1\r\nhost: shop:81\r\nconnection: close\r\nX_Forwarded_For: 6.6.6.6\r\n\
                Transfer_Encoding: chunked\r\nx-forwarded-port: 1\r\nx-forwarded-prefix: /evil\r\nx-real-ip: 6.6.6.6\r\n\r\n";
    let received = raw(&gateway.data, head.as_bytes()).await.to_ascii_lowercase();
    for gone in ["6.6.6.6", "transfer_encoding", "x-forwarded-port", "evil"] {
        assert!(!received.contains(gone), "{gone}: {received}");
    }
    assert!(received.contains("x-forwarded-host: shop:81\n"), "{received}");
}

#[tokio::test]
async fn invalid_or_conflicting_host_is_400() {
    let backend = echo().await;
    let gateway = gateway_to(&backend).await;
    for line in [
        "GET /auth/ HTTP/1.1\r\nhost: u:p@evil",
        "GET /auth/ HTTP/1.1\r\nhost: a, b",
        "GET /auth/ HTTP/1.1\r\nhost: a b",
        "GET http://u:p@evil/auth/ HTTP/1.1\r\nhost: evil",
        "GET ftp://evil/auth/ HTTP/1.1\r\nhost: evil",
        "GET http://shop/auth/ HTTP/1.1\r\nhost: evil",
    ] {
        let received = raw(&gateway.data, format!("{line}\r\nconnection: close\r\n\r\n").as_bytes()).await;
        assert!(received.starts_with("HTTP/1.1 400"), "{line}: {received}");
    }
}

// The address is refused in every spelling.
#[tokio::test]
async fn gateway_cannot_be_its_own_backend() {
    let gateway = Gateway::start(&["--no-demo"]);
    let admin: http::Uri = gateway.admin.parse().unwrap();
    let data = gateway.data.rsplit(':').next().unwrap().parse().ok();
    for port in [data, admin.port_u16()].map(Option::unwrap) {
        for host in
            ["127.0.0.1", "localhost", "LOCALHOST.", "0x7f000001", "127.1", "[::1]", "[::ffff:127.0.0.1]"]
        {
            let body = serde_json::json!({"version": "v1", "url": format!("http://{host}:{port}")});
            let (status, problem) =
                gateway.try_admin(Method::POST, "/routing/services/self/versions", &body).await.unwrap();
            assert_eq!((status.as_u16(), &problem["type"]), (422, &"invalid-url".into()), "{host}:{port}");
        }
    }
}

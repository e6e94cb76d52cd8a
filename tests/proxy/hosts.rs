//! The proxy in axum, in hyper, and around a retry.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::proxy::{Proxy, RequestBody};
use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};

use crate::support::{Backend, Gateway, expect, head, running};

#[tokio::test]
async fn axum_nests_the_proxy() {
    let app = Router::new()
        .nest_service(
            "/orders",
            Proxy::new(service_fn(|request: Request<RequestBody<Body>>| async move {
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(request.uri().to_string())))
            })),
        )
        .route("/healthz", axum::routing::get(|| async { "ok" }));
    for (path, expected) in [("/orders/7?a=%2f", "/7?a=%2f"), ("/healthz", "ok")] {
        let request = Request::get(path).header("host", "shop").body(Body::empty()).unwrap();
        let answer = app.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), expected);
    }
}

/// Served by hyper with hyper's bodies. HTTP/2 clients reach a backend that speaks HTTP/1.1.
#[tokio::test]
async fn hyper_serves_the_proxy() {
    let mut backend = Backend::start().await;
    let axum = Gateway::start(&[backend.address], |proxy| proxy).await;
    let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let target = Target::service("auth".parse().unwrap());
    let proxy = Proxy::new(WeightedVersionLayer::new(&axum.handle, target).layer(client));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/a", listener.local_addr().unwrap());
    let _serving = running(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(proxy.clone());
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            });
        }
    });
    for only in [false, true] {
        let client = Client::builder(TokioExecutor::new()).http2_only(only).build_http::<Full<Bytes>>();
        let request = Request::post(&url).body(Full::from("body")).unwrap();
        let answer = tokio::spawn(client.request(request));
        let (seen, mut stream) = backend.next().await;
        assert!(seen.starts_with("post /a http/1.1") && seen.contains("content-length: 4"), "{seen}");
        assert!(seen.contains(if only { "via: 2 canary-" } else { "via: 1.1 canary-" }), "{seen}");
        // The peer is unknown.
        assert!(!seen.contains("x-forwarded-for"), "{seen}");
        expect(&mut stream, "body").await;
        let written = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
        tokio::io::AsyncWriteExt::write_all(&mut stream, written).await.unwrap();
        let answer: Response<Incoming> = answer.await.unwrap().unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
    }
    drop(axum);
}

#[cfg(feature = "failover")]
#[tokio::test]
async fn failover_works_inside_the_proxy() {
    use hyper_util::client::legacy;
    use tower::ServiceBuilder;
    use tower::retry::RetryLayer;
    use tower_canary::layer::failover::{Failover, prepare};
    use tower_canary::routing::Change;

    let mut backend = Backend::start().await;
    let gone = crate::addresses::ClosedPort::new();
    let mut routes = Gateway::start(&[backend.address, gone.address], |proxy| proxy).await;
    routes.change(&Change::switch("v2".parse().unwrap()));
    routes.change(&Change::set_weight("v2".parse().unwrap(), "99".parse().unwrap()));
    let layer = WeightedVersionLayer::new(&routes.handle, Target::service("auth".parse().unwrap()));
    let service = ServiceBuilder::new()
        .layer_fn(Proxy::new)
        .map_request(prepare)
        .layer(RetryLayer::new(Failover::new(legacy::Error::is_connect)))
        .layer(layer.with_failover())
        .service(Client::builder(TokioExecutor::new()).build(HttpConnector::new()));
    for _ in 0..5 {
        let request = Request::post("/").header("host", "shop").body(Full::<Bytes>::from("body")).unwrap();
        let answer = tokio::spawn(service.clone().oneshot(request));
        let (_, mut stream) =
            backend.answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        expect(&mut stream, "body").await;
        assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    }
}

// It is in flight at the version that responded, not at the one that refused.
#[cfg(feature = "failover")]
#[tokio::test]
async fn late_upload_counts_for_failover_target() {
    use tower::ServiceBuilder;
    use tower::retry::RetryLayer;
    use tower_canary::layer::failover::{Failover, prepare};
    use tower_canary::routing::Change;

    let nowhere: std::net::SocketAddr = ([10, 0, 0, 1], 80).into();
    let mut routes = Gateway::start(&[nowhere, ([10, 0, 0, 2], 80).into()], |proxy| proxy).await;
    routes.change(&Change::set_weight("v2".parse().unwrap(), "99".parse().unwrap()));
    // v2 refuses connections; v1 responds and continues to read.
    let reading = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let bodies = std::sync::Arc::clone(&reading);
    let client = service_fn(move |request: Request<_>| {
        let refused = request.uri().host() == Some("10.0.0.2");
        if !refused {
            bodies.lock().unwrap().push(request.into_body());
        }
        std::future::ready(if refused { Err("refused") } else { Ok(Response::new(Full::<Bytes>::default())) })
    });
    let layer = WeightedVersionLayer::new(&routes.handle, Target::service("auth".parse().unwrap()));
    let service = ServiceBuilder::new()
        .layer_fn(Proxy::new)
        .map_request(prepare)
        .layer(RetryLayer::new(Failover::new(|_: &&str| true)))
        .layer(layer.with_failover())
        .service(client);
    for _ in 0..5 {
        let request = Request::post("/").header("host", "shop").body(Full::<Bytes>::from("body")).unwrap();
        let answer = service.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        drop(answer);
    }
    assert_eq!((routes.handle.in_flight("auth", "v1"), routes.handle.in_flight("auth", "v2")), (5, 0));
    reading.lock().unwrap().clear();
    assert_eq!(routes.handle.in_flight("auth", "v1"), 0);
}

#[tokio::test]
async fn unknown_service_is_404_from_the_layer() {
    let handle = RoutingHandle::new();
    let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let target = Target::service("nobody".parse().unwrap());
    let (address, _serving) =
        crate::support::serve(Proxy::new(WeightedVersionLayer::new(&handle, target).layer(client))).await;
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, request).await.unwrap();
    assert!(head(&mut stream).await.starts_with("http/1.1 404"));
}

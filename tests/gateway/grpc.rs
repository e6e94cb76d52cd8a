//! gRPC through the gateway, with a client and servers of tonic.

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::task::JoinHandle;
use tonic::Code;
use tonic::transport::server::{Server, TcpIncoming};
use tonic_health::ServingStatus::{NotServing, Serving};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::server::{HealthReporter, health_reporter};

use crate::addresses::ClosedPort;
use crate::backends::backend;
use crate::harness::{AnyBody, Gateway, full, read};

type Health = HealthClient<Client<HttpConnector, tonic::body::Body>>;

/// tonic's health server, which speaks HTTP/2 only.
struct Version {
    url: String,
    health: HealthReporter,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Drop for Version {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn version() -> Version {
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", incoming.local_addr().unwrap());
    let (health, service) = health_reporter();
    let serving = tokio::spawn(Server::builder().serve_with_incoming(service, incoming));
    Version { url, health, serving }
}

async fn two_versions() -> (Gateway, [Version; 2]) {
    let gateway = Gateway::start(&["--no-demo"]);
    let versions = [version().await, version().await];
    gateway.register("auth", "v1", &versions[0].url).await;
    gateway.register("auth", "v2", &versions[1].url).await;
    // The status shows which version responds.
    versions[1].health.set_service_status("", NotServing).await;
    (gateway, versions)
}

/// `force` is needed since the probe uses HTTP/1.1, which these servers do not speak.
async fn switch(gateway: &Gateway, version: &str) {
    let path = format!("/deployment/services/auth/versions/{version}/switch?force=true");
    gateway.admin(Method::POST, &path, Value::Null).await;
}

fn client(gateway: &Gateway, service: &str) -> Health {
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    HealthClient::with_origin(client, gateway.url(&format!("/{service}")).parse().unwrap())
}

fn check_request(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

// New calls go to the new version.
#[tokio::test]
async fn grpc_stream_stays_with_its_version() {
    let (gateway, versions) = two_versions().await;
    let mut health = client(&gateway, "auth");
    assert_eq!(health.check(check_request("")).await.unwrap().into_inner().status(), Serving.into());
    let mut stream = health.watch(check_request("")).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap().status(), Serving.into());

    switch(&gateway, "v2").await;
    assert_eq!(health.check(check_request("")).await.unwrap().into_inner().status(), NotServing.into());
    for status in [NotServing, Serving].repeat(20) {
        versions[0].health.set_service_status("", status).await;
        assert_eq!(stream.message().await.unwrap().unwrap().status(), status.into());
    }
}

// A status of the server passes unchanged.
#[tokio::test]
async fn gateway_errors_are_grpc_statuses() {
    let (gateway, _versions) = two_versions().await;
    let mut health = client(&gateway, "auth");
    let server_error = health.check(check_request("nobody")).await.unwrap_err();
    assert_eq!((server_error.code(), server_error.message()), (Code::NotFound, "service not registered"));

    let closed = ClosedPort::new();
    gateway.register("gone", "v1", &closed.url()).await;
    for (service, message) in [("gone", "bad-gateway"), ("unknown", "unknown-service")] {
        let gateway_error = client(&gateway, service).check(check_request("")).await.unwrap_err();
        assert_eq!((gateway_error.code(), gateway_error.message()), (Code::Unavailable, message));
    }
}

fn by_http2() -> Client<HttpConnector, AnyBody> {
    Client::builder(TokioExecutor::new()).http2_only(true).build_http()
}

#[tokio::test]
async fn unary_status_arrives_in_trailers() {
    let (gateway, _versions) = two_versions().await;
    let request = Request::post(gateway.url("/auth/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(full(Bytes::from_static(&[0; 5])));
    let response = read(by_http2().request(request.unwrap()).await.unwrap()).await;
    assert_eq!(response.text.as_bytes(), [0, 0, 0, 0, 2, 8, 1]);
    assert_eq!(response.trailers["grpc-status"], "0");
    assert!(!response.headers.contains_key("grpc-status"), "{response:?}");
}

// Trailers pass both ways there.
#[tokio::test]
async fn only_grpc_goes_over_http2() {
    let backend = backend(|request: Request<Incoming>| async move {
        let (head, body) = request.into_parts();
        let client_trailers = body.collect().await.unwrap().trailers().cloned().unwrap_or_default();
        let text = format!("{:?} {:?}", head.version, head.headers.get("te").and_then(|te| te.to_str().ok()));
        let frames = [Ok(Frame::data(Bytes::from(text))), Ok(Frame::trailers(client_trailers))];
        Response::new(BodyExt::boxed(StreamBody::new(stream::iter(frames))))
    });
    let backend = backend.await;
    let gateway = Gateway::start(&["--no-demo"]);
    gateway.register("auth", "v1", &backend.url).await;
    for (kind, version) in [("application/grpc", "HTTP/2.0"), ("application/json", "HTTP/1.1")] {
        let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), HeaderValue::from_static("42"))]);
        let frames = [Ok(Frame::data(Bytes::from("data"))), Ok(Frame::trailers(trailers))];
        let body = BodyExt::boxed(StreamBody::new(stream::iter(frames)));
        let request =
            Request::post(gateway.url("/auth/")).header("content-type", kind).header("te", "trailers");
        let response = read(by_http2().request(request.body(body).unwrap()).await.unwrap()).await;
        assert_eq!(response.text, format!("{version} Some(\"trailers\")"));
        // Over HTTP/1.1 only trailers announced by `Trailer` are sent.
        assert_eq!(response.trailers.contains_key("x-sum"), kind == "application/grpc", "{response:?}");
    }
}

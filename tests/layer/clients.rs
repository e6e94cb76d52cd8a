//! Real clients and real sockets.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower::{Layer, Service, ServiceExt};
use tower_canary::layer::HostPolicy;

use crate::log::Log;
use crate::support::*;

async fn text<B: http_body::Body<Data: Send, Error: std::fmt::Debug>>(response: Response<B>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// Sends `count` requests and counts the responses by version.
async fn answered<S, B, R>(service: S, count: usize) -> BTreeMap<String, usize>
where
    S: Service<Request<B>, Response = Response<R>, Error: std::fmt::Debug> + Clone,
    B: Default,
    R: http_body::Body<Data: Send, Error: std::fmt::Debug>,
{
    let mut names = BTreeMap::new();
    for _ in 0..count {
        let request = Request::get("/login?a=%2f").body(B::default()).unwrap();
        let answer = text(service.clone().oneshot(request).await.unwrap()).await;
        let name = answer.split(' ').next().unwrap().to_owned();
        assert!(answer.contains("/login?a=%2f"), "{answer}");
        *names.entry(name).or_default() += 1;
    }
    names
}

async fn two_backends() -> tower_canary::RoutingHandle {
    let stable = backend("stable").await;
    let canary = backend("canary").await;
    auth(&[(&format!("http://{stable}"), 90.0), (&format!("http://{canary}"), 10.0)])
}

fn expected() -> BTreeMap<String, usize> {
    [("stable".to_owned(), 90), ("canary".to_owned(), 10)].into()
}

#[tokio::test]
async fn works_over_hyper_util_client() {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    assert_eq!(answered(fixed(&two_backends().await).layer(client), 100).await, expected());
}

// `Host` agrees with the authority.
#[tokio::test]
async fn works_over_http2_only_client() {
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<Bytes>>();
    let layered = fixed(&two_backends().await).layer(client);
    assert_eq!(answered(layered.clone(), 100).await, expected());
    let request = Request::get("/")
        .version(http::Version::HTTP_11)
        .header("host", "public")
        .body(Full::default())
        .unwrap();
    assert!(text(layered.oneshot(request).await.unwrap()).await.contains("127.0.0.1:"));
}

#[tokio::test]
async fn works_over_reqwest() {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let layered = fixed(&two_backends().await).layer(tower_reqwest::HttpClientService::new(client));
    assert_eq!(answered::<_, reqwest::Body, _>(layered, 100).await, expected());
}

#[tokio::test]
async fn host_policy_sets_the_sent_host() {
    let address = backend("stable").await;
    let handle = auth(&[(&format!("http://{address}"), 100.0)]);
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    for (policy, host) in
        [(HostPolicy::Upstream, address.to_string()), (HostPolicy::Preserve, "public".to_owned())]
    {
        let request = Request::get("/x").header("host", "public").body(Full::default()).unwrap();
        let response = fixed(&handle).with_host(policy).layer(client.clone()).oneshot(request).await.unwrap();
        assert_eq!(text(response).await, format!("stable /x {host}"));
    }
}

#[tokio::test]
async fn bodies_and_trailers_pass_through() {
    let address = serve(|request| async {
        let sent = request.into_body().collect().await.unwrap();
        let trailers = sent.trailers().cloned().unwrap_or_default();
        let frames = [
            Ok::<_, Infallible>(http_body::Frame::data(sent.to_bytes())),
            Ok(http_body::Frame::trailers(trailers)),
        ];
        Ok(Response::new(StreamBody::new(futures_util::stream::iter(frames))))
    })
    .await;
    let handle = auth(&[(&format!("http://{address}"), 100.0)]);
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let trailers = http::HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        http::HeaderValue::from_static("0"),
    )]);
    let frames = [
        Ok::<_, Infallible>(http_body::Frame::data(Bytes::from("hello"))),
        Ok(http_body::Frame::trailers(trailers.clone())),
    ];
    let request = Request::post("/").body(StreamBody::new(futures_util::stream::iter(frames))).unwrap();
    let answer =
        fixed(&handle).layer(client).oneshot(request).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(answer.trailers(), Some(&trailers));
    assert_eq!(answer.to_bytes(), "hello");
    assert_eq!(handle.in_flight("auth", "v0"), 0);
}

#[tokio::test]
async fn aborted_call_is_not_in_flight() {
    let address = serve(|_| async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok(Response::new(Full::new(Bytes::new())))
    })
    .await;
    let handle = auth(&[(&format!("http://{address}"), 100.0)]);
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let request = Request::get("/").body(Full::default()).unwrap();
    let call = spawn(fixed(&handle).layer(client).oneshot(request));
    while handle.in_flight("auth", "v0") != 1 {
        tokio::task::yield_now().await;
    }
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(handle.in_flight("auth", "v0"), 0);
}

// 70/30/0 within one percentage point over 500 requests, 10 concurrent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn layer_meets_gateway_api_weights() {
    let a = backend("a").await;
    let b = backend("b").await;
    let c = backend("c").await;
    let urls = [a, b, c].map(|address| format!("http://{address}"));
    let handle = auth(&[(&urls[0], 70.0), (&urls[1], 30.0), (&urls[2], 0.0)]);
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let layered = fixed(&handle).layer(client);
    let tasks: Vec<_> = (0..10).map(|_| spawn(answered(layered.clone(), 50))).collect();
    let mut total = BTreeMap::<String, usize>::new();
    for task in tasks {
        for (name, count) in task.await.unwrap() {
            *total.entry(name).or_default() += count;
        }
    }
    println!("{total:?}");
    assert!(
        total["a"].abs_diff(350) <= 5 && total["b"].abs_diff(150) <= 5 && !total.contains_key("c"),
        "{total:?}"
    );
}

#[tokio::test]
async fn a_layer_around_tonics_channel_logs_an_error() {
    let log = Log::of_this_thread();
    let layer = fixed(&auth(&[("http://h", 100.0)]));
    let _follows_the_uri = layer.layer(Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>());
    assert_eq!(log.text(), "");
    let channel = tonic::transport::Channel::from_static("http://h").connect_lazy();
    let limited = tower::limit::ConcurrencyLimit::new(channel, 1);
    let _ignores_the_uri = layer.layer(limited);
    let logged = log.text();
    assert!(logged.contains("ERROR") && logged.contains("transport::channel::Channel"), "{logged}");
    assert!(logged.contains("weights have no effect"), "{logged}");
}

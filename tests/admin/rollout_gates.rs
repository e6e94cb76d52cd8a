//! Gates over HTTP, over real sockets.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_canary::probe::{HttpGate, UrlPolicy};
use tower_canary::rollout::{Gate, GateAnswer, Question, Tally};

use crate::addresses::ClosedPort;

/// What the application behind the gate has received.
#[derive(Clone, Debug, Default)]
struct Received {
    questions: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    connections: Arc<AtomicUsize>,
}

async fn hook(
    State(received): State<Received>,
    Path(what): Path<String>,
    headers: HeaderMap,
    Json(question): Json<Value>,
) -> Response {
    received.questions.lock().unwrap().push((headers, question));
    match &*what {
        "fail" => Json(json!({"verdict": "fail", "reason": "login is broken"})).into_response(),
        "code" => Json(json!({"verdict": "fail", "reason": {"code": 3}})).into_response(),
        "failing" => {
            let fail = Json(json!({"verdict": "fail"}));
            (StatusCode::INTERNAL_SERVER_ERROR, fail).into_response()
        }
        "away" => Redirect::temporary("/open").into_response(),
        "large" => "x".repeat(1 << 20).into_response(),
        "slow" => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            StatusCode::NO_CONTENT.into_response()
        }
        status => StatusCode::from_u16(status.parse().unwrap_or(200)).unwrap().into_response(),
    }
}

async fn application() -> (String, Received) {
    let received = Received::default();
    let app = Router::new().route("/{what}", post(hook)).with_state(received.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let connections = Arc::clone(&received.connections);
    let listener =
        axum::serve::ListenerExt::tap_io(listener, move |_| _ = connections.fetch_add(1, Ordering::SeqCst));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (url, received)
}

fn question() -> Question {
    let mut canary = Tally::default();
    canary.requests = 812;
    canary.bad = 2;
    Question::new(
        "smoke".parse().unwrap(),
        "auth".parse().unwrap(),
        "v1.1".parse().unwrap(),
        "10".parse().unwrap(),
    )
    .with_step(1, 3)
    .with_requests(canary, Tally::default())
}

fn gate(url: &str) -> HttpGate {
    HttpGate::new(UrlPolicy::new().allow_loopback(), url.parse().unwrap()).unwrap()
}

#[tokio::test]
async fn question_is_posted_as_json() {
    let (url, received) = application().await;
    let gate =
        gate(&format!("{url}open")).with_header(AUTHORIZATION, HeaderValue::from_static("Bearer secret"));
    assert_eq!(gate.ask(&question()).await, GateAnswer::Open);
    assert_eq!(gate.ask(&question()).await, GateAnswer::Open);
    let questions = received.questions.lock().unwrap().clone();
    let (headers, json) = &questions[0];
    let expected = json!({
        "gate": "smoke", "service": "auth", "version": "v1.1", "step": 1, "steps": 3, "weight": 10,
        "canary": {"requests": 812, "bad": 2}, "stable": {"requests": 0, "bad": 0},
    });
    assert_eq!(*json, expected);
    assert_eq!(
        (&headers[CONTENT_TYPE], &headers[AUTHORIZATION]),
        (&"application/json".parse().unwrap(), &"Bearer secret".parse().unwrap())
    );
    assert!(!format!("{gate:?}").contains("secret"));
    assert_eq!(received.connections.load(Ordering::SeqCst), 2, "the policy is applied at each connect");
}

#[tokio::test]
async fn responses_open_the_gate_or_not() {
    let (url, received) = application().await;
    for (path, answer) in [
        ("200", GateAnswer::Open),
        ("204", GateAnswer::Open),
        ("fail", GateAnswer::Fail("login is broken".into())),
        ("code", GateAnswer::Fail(r#"{"code":3}"#.into())),
        ("failing", GateAnswer::NotYet),
        ("304", GateAnswer::NotYet),
        ("404", GateAnswer::NotYet),
        ("503", GateAnswer::NotYet),
        ("away", GateAnswer::NotYet),
        ("large", GateAnswer::NotYet),
    ] {
        assert_eq!(gate(&format!("{url}{path}")).ask(&question()).await, answer, "{path}");
    }
    assert_eq!(received.questions.lock().unwrap().len(), 10, "a redirect is not followed");
}

#[tokio::test]
async fn slow_gate_is_given_up_after_10_s() {
    let (url, _) = application().await;
    let started = Instant::now();
    assert_eq!(gate(&format!("{url}slow")).ask(&question()).await, GateAnswer::NotYet);
    assert!((10..18).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}

#[tokio::test]
async fn closed_port_is_not_yet() {
    let closed = ClosedPort::new();
    assert_eq!(gate(&closed.url()).ask(&question()).await, GateAnswer::NotYet);
}

// The connector knows the address, and the URL may be a name.
#[tokio::test]
async fn policy_is_applied_to_url_and_address() {
    let strict = UrlPolicy::new();
    for url in
        ["http://127.0.0.1:1", "http://169.254.169.254/latest", "http://localhost", "https://ci.internal"]
    {
        assert!(HttpGate::new(strict, url.parse().unwrap()).is_err(), "{url}");
    }
    let (url, received) = application().await;
    let client = Client::builder(TokioExecutor::new()).build(strict.connector());
    let lax = UrlPolicy::new().allow_loopback();
    let gate = HttpGate::with_client(lax, format!("{url}open").parse().unwrap(), client).unwrap();
    assert_eq!(gate.ask(&question()).await, GateAnswer::NotYet);
    assert_eq!(received.connections.load(Ordering::SeqCst), 0);
}

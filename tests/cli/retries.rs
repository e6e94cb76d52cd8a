//! What happens when a gateway does not respond.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::Gateway;
use crate::program::{finish, for_gateway, run_at};
use crate::scripted::{Reply, Scripted};

const WEIGHT: [&str; 4] = ["weight", "auth", "v1.1", "10"];

/// A split of two versions, at these weights.
fn split(generation: u64, first: u8) -> String {
    fn version(name: &str, weight: u8) -> serde_json::Value {
        json!({
            "id": name, "version": name, "url": "http://10.0.0.1", "urls": ["http://10.0.0.1"], "weight": weight,
            "isActive": true, "createdAt": "2026-01-05T09:30:00Z", "updatedAt": "2026-01-05T09:30:00Z"
        })
    }

    json!({
        "success": true, "service": "auth", "generation": generation, "healthPath": null, "lastChange": null,
        "versions": [version("v1.0", first), version("v1.1", 100 - first)]
    })
    .to_string()
}

#[test]
fn unavailable_gateway_is_asked_again() {
    let server = Scripted::start(vec![Reply::problem(503, "store-unavailable"), Reply::json(split(3, 90))]);
    let start = Instant::now();
    assert_eq!(run_at(&server.url, &WEIGHT).code, Some(0));
    assert_eq!(server.requests().len(), 2);
    assert!(start.elapsed() >= Duration::from_millis(500));
}

#[test]
fn server_chooses_the_pause() {
    let server = Scripted::start(vec![
        Reply::With("503 Service Unavailable", "retry-after: 1"),
        Reply::json(split(3, 90)),
    ]);
    let start = Instant::now();
    assert_eq!(run_at(&server.url, &WEIGHT).code, Some(0));
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[test]
fn change_with_another_effect_is_not_repeated() {
    let server = Scripted::start(vec![Reply::problem(503, "store-unavailable")]);
    assert_eq!(run_at(&server.url, &["redraw", "auth"]).code, Some(1));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn conflict_is_not_repeated() {
    let server = Scripted::start(vec![Reply::problem(412, "generation-conflict")]);
    assert_eq!(run_at(&server.url, &["weight", "auth", "v1.1", "10", "--if-generation", "2"]).code, Some(3));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn retries_end() {
    let server = Scripted::start(vec![Reply::With("503 Service Unavailable", "retry-after: 0")]);
    let run = run_at(&server.url, &WEIGHT);
    assert!(run.code == Some(1) && run.stderr.contains("no admin API"), "{run:?}");
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn lost_response_is_looked_for_in_the_split() {
    for (first, code) in [(90, 0), (100, 1)] {
        let server = Scripted::start(vec![Reply::Nothing, Reply::json(split(3, first))]);
        let run = run_at(&server.url, &WEIGHT);
        assert_eq!(run.code, Some(code), "{run:?}");
        let requests = server.requests();
        assert!(requests.len() == 2 && requests[1].starts_with("GET "), "{requests:?}");
    }
}

// The first attempt may have been made although its response says that the store cannot be reached.
#[test]
fn conflict_after_an_unknown_outcome_is_looked_at() {
    let replies = vec![
        Reply::With("503 Service Unavailable", "retry-after: 0"),
        Reply::problem(412, "generation-conflict"),
        Reply::json(split(3, 90)),
    ];
    let server = Scripted::start(replies);
    let run = run_at(&server.url, &["weight", "auth", "v1.1", "10", "--if-generation", "2"]);
    assert_eq!(run.code, Some(0), "{run:?}");
}

// A proxy that gave up does not know what the gateway did.
#[test]
fn response_lost_by_a_proxy_is_looked_for() {
    for status in ["502 Bad Gateway", "504 Gateway Timeout"] {
        let server = Scripted::start(vec![Reply::With(status, "server: proxy"), Reply::json(split(3, 90))]);
        let run = run_at(&server.url, &["remove", "auth", "v1.2"]);
        assert!(run.code == Some(0) && run.stderr.contains("was lost"), "{run:?}");
        assert_eq!(server.requests().len(), 2);
    }
}

// A call has 1 s at most here, and up to four attempts.
#[test]
fn retries_of_a_wait_end_with_its_time() {
    let waiting = json!({"revision": 4, "converged": false, "replicas": []}).to_string();
    for (replies, code, text) in [
        (vec![Reply::Silence], 1, "did not respond in time"),
        (vec![Reply::json(waiting), Reply::Silence], 5, "the time ran out"),
    ] {
        let server = Scripted::start(replies);
        let start = Instant::now();
        let run = run_at(&server.url, &["wait", "converged", "--timeout", "1s"]);
        assert!(run.code == Some(code) && run.stderr.contains(text), "{run:?}");
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    }
    let server = Scripted::start(vec![Reply::Silence]);
    let start = Instant::now();
    assert_eq!(run_at(&server.url, &["wait", "drained", "auth", "v1.1", "--timeout", "1s"]).code, Some(1));
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[test]
fn next_address_is_asked_when_one_is_gone() {
    let gateway = Gateway::start(&[]);
    let urls = format!("http://127.0.0.1:1,{}", gateway.admin);
    let start = Instant::now();
    let run = finish(for_gateway(&gateway, &["status"]).env("CANARY_URL", urls));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

#[test]
fn redirect_is_not_followed() {
    let server = Scripted::start(vec![Reply::With("302 Found", "location: http://127.0.0.1:1/")]);
    let run = run_at(&server.url, &["status"]);
    assert!(run.code == Some(1) && run.stderr.contains("no admin API"), "{run:?}");
}

#[test]
fn token_is_sent_and_never_shown() {
    let server = Scripted::start(vec![Reply::problem(401, "unauthorized")]);
    let run = run_at(&server.url, &["status"]);
    assert!(server.requests()[0].contains("authorization: Bearer token\r\n"), "{:?}", server.requests());
    assert!(!run.stderr.contains("Bearer"), "{run:?}");
}

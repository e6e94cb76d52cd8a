//! Streams of events that end, stall and move to another gateway.

use serde_json::{Value, json};

use crate::harness::Gateway;
use crate::program::{canary, finish, for_gateway, run, run_at};
use crate::scripted::{Reply, Scripted};

#[test]
fn watched_traffic_is_one_object_per_line() {
    let gateway = Gateway::start(&[]);
    let run = run(&gateway, &["traffic", "auth", "--watch", "--timeout", "8s", "--output", "json"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let events: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.len() >= 2, "{events:?}");
    for event in &events {
        assert!(
            event["event"] == "traffic" && event["at"].is_string() && event["service"] == "auth",
            "{event}"
        );
    }
}

#[test]
fn stream_goes_on_at_the_next_address() {
    let gateway = Gateway::start(&[]);
    let traffic = json!({"service": "auth", "generation": 1, "replica": "first", "at": "2026-01-05T09:30:00Z", "unserved": 0, "versions": []});
    // One event, then the connection ends and the server is no API any more.
    let first = Scripted::start(vec![
        Reply::Full("200 OK", "text/event-stream", format!("event: traffic\ndata: {traffic}\n\n")),
        Reply::Nothing,
    ]);
    let arguments = ["traffic", "auth", "--watch", "--timeout", "10s", "--output", "json"];
    let urls = format!("{},{}", first.url, gateway.admin);
    let run = finish(for_gateway(&gateway, &arguments).env("CANARY_URL", urls));
    assert_eq!(run.code, Some(0), "{run:?}");
    let replicas: Vec<Value> = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["replica"].clone())
        .collect();
    assert!(replicas[0] == "first" && replicas.len() > 1 && replicas[1] != "first", "{replicas:?}");
}

#[test]
fn stream_of_an_unknown_service_is_refused() {
    let gateway = Gateway::start(&[]);
    let run = run(&gateway, &["top", "nosuch", "--timeout", "10s"]);
    assert!(run.code == Some(3) && run.stderr.contains("unknown-service"), "{run:?}");
}

#[test]
fn nothing_listens_and_the_wait_says_so() {
    for arguments in [&["wait", "converged"][..], &["top"], &["status"]] {
        let run = finish(canary(arguments).env("CANARY_URL", "http://127.0.0.1:1"));
        assert!(
            run.code == Some(1) && run.stderr.contains("cannot connect to http://127.0.0.1:1"),
            "{run:?}"
        );
    }
}

// Each stream ends at once: without pauses, thousands of requests would follow.
#[test]
fn streams_without_events_are_not_asked_for_at_once() {
    let server = Scripted::start(vec![Reply::Full("200 OK", "text/event-stream", String::new())]);
    let run = run_at(&server.url, &["traffic", "auth", "--watch", "--timeout", "2s"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(server.requests().len() < 6, "{}", server.requests().len());
}

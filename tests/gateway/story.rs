//! The deployment that the gateway prints.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::Gateway;

/// The heading of the rollouts in the guide.
const ROLLOUTS: &str = "# A rollout of auth:";

/// Asserts that 1,000 requests over 8 connections are distributed as `expected`, within one request.
async fn assert_split(gateway: &Gateway, expected: &[(&str, usize)]) {
    let counts = gateway.count_versions("/auth/hello", 1_000, 8).await;
    for (version, expected) in expected {
        let count = counts.get(*version).copied().unwrap_or(0);
        assert!(count.abs_diff(*expected) <= usize::from(*expected > 0), "{version}: {counts:?}");
    }
}

// 1,000 requests for each step, within one request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_step_matches_its_weights() {
    let gateway = Gateway::start(&[]);
    assert_eq!(gateway.weights("auth").await, BTreeMap::from([("v1.0".into(), 100.0), ("v1.1".into(), 0.0)]));
    assert_split(&gateway, &[("v1.0", 1_000), ("v1.1", 0)]).await;

    gateway.set_weight("auth", "v1.1", 10.0).await;
    assert_split(&gateway, &[("v1.0", 900), ("v1.1", 100)]).await;

    gateway.set_weight("auth", "v1.1", 50.0).await;
    assert_split(&gateway, &[("v1.0", 500), ("v1.1", 500)]).await;

    gateway.switch("auth", "v1.1").await;
    assert_split(&gateway, &[("v1.0", 0), ("v1.1", 1_000)]).await;

    gateway.admin(Method::PUT, "/routing/services/auth/versions/v1.0", json!({ "active": false })).await;
    assert_split(&gateway, &[("v1.0", 0), ("v1.1", 1_000)]).await;

    gateway.switch("auth", "v1.0").await;
    assert_split(&gateway, &[("v1.0", 1_000), ("v1.1", 0)]).await;

    let history = gateway.admin(Method::GET, "/deployment/services/auth/history", Value::Null).await;
    assert_eq!(history["history"].as_array().unwrap().len(), 7, "{history}");
}

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok()
}

/// Runs commands in a shell as the guide means them, and returns what they print. Any other exit than 0 and any error fails.
fn run(commands: &str) -> String {
    let shell = Command::new("sh").args(["-eu", "-c", commands]).output().unwrap();
    let output = String::from_utf8_lossy(&shell.stdout);
    let errors = String::from_utf8_lossy(&shell.stderr);
    assert!(shell.status.success() && errors.is_empty(), "{output}\n{errors}");
    output.into_owned()
}

#[test]
fn printed_commands_run_in_a_shell() {
    if !is_installed("curl") {
        return println!("skipped: curl is not installed");
    }
    let mut gateway = Gateway::start(&[]);
    let without_demo = Gateway::start(&["--no-demo"]).printed();
    let guide = gateway.guide();
    let (story, _) = guide.split_once(ROLLOUTS).unwrap();
    let output = run(&(gateway.exports() + &without_demo + story));
    if is_installed("jq") {
        assert!(output.lines().any(|line| line == r#"{"v1.0":90,"v1.1":10}"#), "{output}");
        let states: Vec<_> = output.lines().filter(|line| line.starts_with("v1.1 http://")).collect();
        assert_eq!(states.len(), 4, "{output}");
        assert!(states[..3].iter().all(|line| line.ends_with(" up")), "{output}");
        assert!(states[3].ends_with(" ejected") || states[3].ends_with(" down"), "{output}");
    }
    let counted: Vec<Vec<&str>> = output
        .lines()
        .map(|line| line.split_whitespace().collect())
        .filter(|words: &Vec<_>| words.len() == 4)
        .collect();
    let counted: Vec<(usize, &str)> =
        counted.iter().filter(|words| words[1] == "auth").map(|w| (w[0].parse().unwrap(), w[2])).collect();
    let steps = [(90, "v1.0"), (10, "v1.1"), (50, "v1.0"), (50, "v1.1"), (100, "v1.1")];
    // After the stop of an instance, and after the way back.
    let expected = [&steps[..], &[(100, "v1.1"), (100, "v1.0")]].concat();
    assert_eq!(counted.len(), expected.len(), "{output}");
    for ((count, version), (near, expected)) in counted.into_iter().zip(expected) {
        // From any start of the sequence, 100 draws are within two of each share.
        assert!(version == expected && usize::abs_diff(count, near) <= 2, "{output}");
    }
}

// Both rollouts end by themselves: v1.1 gets all traffic, and v1.2, which fails one request in five, is taken back.
#[test]
fn printed_rollouts_end_in_a_shell() {
    if !is_installed("curl") {
        return println!("skipped: curl is not installed");
    }
    let mut gateway = Gateway::start(&["--demo-hold", "1s"]);
    let guide = gateway.guide();
    let (story, rollouts) = guide.split_once(ROLLOUTS).unwrap();
    let (functions, _) = story.split_once("\n# The versions and their weights.").unwrap();
    let output = run(&format!("{}{functions}{ROLLOUTS}{rollouts}", gateway.exports()));
    // Each event has its time before its text.
    let told = output.lines().filter(|line| line.get(2..3) == Some(":")).map(|line| &line[9..]);
    let expected = [
        "from generation 2 to v1.1, in 2 steps",
        "step 1 of 2: 50 %",
        "step 2 of 2: 95 %",
        "the plan is complete",
        "from generation 6 to v1.2, in 2 steps",
        "step 1 of 2: 20 %",
        "failed: ",
        "the canary failed",
        "the weights of the start are back",
    ];
    let told: Vec<&str> = told.collect();
    assert_eq!(told.len(), expected.len(), "{output}");
    assert!(told.iter().zip(expected).all(|(text, expected)| text.starts_with(expected)), "{output}");
    if is_installed("jq") {
        assert!(output.contains(r#"{"v1.0":0,"v1.1":100,"v1.2":0}"#), "{output}");
        assert!(
            output.contains(r#"{"version":"v1.2","phase":"over","outcome":"rolled-back","why":"failed: "#)
        );
    }
}

// The data plane responds 404 for an unknown service.
#[tokio::test]
async fn healthz_needs_no_token() {
    let gateway = Gateway::start(&["--no-demo"]);
    let health =
        gateway.exports().split_whitespace().find_map(|e| e.strip_prefix("ADMIN=").map(str::to_owned));
    let health = health.unwrap().replace("/api/v1/admin", "/healthz");
    let request = http::Request::get(health).body(crate::harness::empty()).unwrap();
    assert_eq!(gateway.send(request).await.status, StatusCode::OK);
    let unknown = gateway.get("/auth/hello").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(unknown.text.contains("unknown-service"));
}

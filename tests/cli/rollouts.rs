//! `rollout --wait` and `watch`, through each way in which they end.

use std::collections::BTreeSet;
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::{Value, json};

use crate::backends::{self, Health, Load};
use crate::cluster::Cluster;
use crate::harness::Gateway;
use crate::launch::bare_command;
use crate::program::{Run, finish, for_gateway, run, run_at, spawn};
use crate::scripted::{Reply, Scripted};
use crate::wait::wait_until;

/// Steps that pass at the next tick.
const QUICK: &str = r#"{"steps": [20, 50], "hold": "1s", "bake": {"hold": "1s"}, "guard": {"leastRequests": 1, "leastWindows": 1}}"#;

/// A step that lasts for longer than the test.
const LONG: &str = r#"{"steps": [50], "hold": "10m", "deadline": "1h"}"#;

const START: [&str; 7] = ["rollout", "start", "auth", "v1.1", "--wait", "--plan", "plan.json"];

/// Starts `rollout start --wait` for a gateway, with more arguments.
fn waiting(gateway: &Gateway, plan: &str, more: &[&str]) -> (Child, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plan.json"), plan).unwrap();
    let child = spawn(for_gateway(gateway, &[&START[..], more].concat()).current_dir(folder.path()));
    (child, folder)
}

/// Waits for the end of the program.
fn ended(child: Child) -> Run {
    child.wait_with_output().unwrap().into()
}

/// Returns the rollout that is under way, or the last one.
fn rollout(gateway: &Gateway) -> Value {
    let run = run(gateway, &["rollout", "status", "auth", "--output", "json"]);
    serde_json::from_str(&run.stdout).unwrap_or_default()
}

/// Waits until the rollout is in this phase.
async fn phase(gateway: &Gateway, phase: &str) {
    wait_until(Duration::from_secs(40), phase, async || rollout(gateway)["phase"] == phase).await;
}

#[test]
fn completed_rollout_is_0() {
    let gateway = Gateway::start(&[]);
    let _load = Load::start(&gateway.data, "auth");
    let (child, _folder) = waiting(&gateway, QUICK, &["--timeout", "2m"]);
    let run = ended(child);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stdout.contains("started") && run.stdout.contains("completed"), "{run:?}");
}

#[test]
fn failing_version_is_6() {
    let gateway = Gateway::start(&[]);
    let url = backends::start(Health::Failing);
    assert_eq!(run(&gateway, &["deactivate", "auth", "v1.1"]).code, Some(0));
    assert_eq!(run(&gateway, &["url", "auth", "v1.1", &url]).code, Some(0));
    assert_eq!(run(&gateway, &["activate", "auth", "v1.1"]).code, Some(0));
    let _load = Load::start(&gateway.data, "auth");
    let (child, _folder) = waiting(&gateway, LONG, &["--timeout", "3m"]);
    let run = ended(child);
    assert_eq!(run.code, Some(6), "{run:?}");
    assert!(run.stdout.contains("rolled-back"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn person_who_interferes_is_7() {
    let gateway = Gateway::start(&[]);
    let (child, _folder) = waiting(&gateway, LONG, &["--timeout", "1m"]);
    phase(&gateway, "holding").await;
    let change = run(&gateway, &["weight", "auth", "v1.1", "30"]);
    assert!(change.code == Some(0) && change.stderr.contains("paused after this change"), "{change:?}");
    let run = ended(child);
    assert!(run.code == Some(7) && run.stdout.contains("paused: changed"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_reach_the_rollout() {
    let gateway = Gateway::start(&[]);
    let plan = r#"{"steps": [5, {"weight": 50, "gates": ["approval"]}], "hold": "10m", "deadline": "1h"}"#;
    let (child, _folder) = waiting(&gateway, plan, &["--timeout", "2m", "--output", "json"]);
    phase(&gateway, "holding").await;
    assert_eq!(run(&gateway, &["rollout", "advance", "auth", "7"]).code, Some(3));
    assert_eq!(run(&gateway, &["rollout", "approve", "auth"]).code, Some(3));
    assert_eq!(run(&gateway, &["rollout", "advance", "auth"]).code, Some(0));
    assert_eq!(run(&gateway, &["rollout", "pause", "auth", "--reason", "lunch"]).code, Some(0));
    assert_eq!(ended(child).code, Some(7));
    assert_eq!(run(&gateway, &["rollout", "resume", "auth"]).code, Some(0));
    let watching = spawn(&mut for_gateway(&gateway, &["rollout", "watch", "auth", "--timeout", "1m"]));
    assert_eq!(run(&gateway, &["rollout", "abort", "auth", "--force"]).code, Some(0));
    let watched = ended(watching);
    // An order before the watch has begun leaves nothing to watch.
    assert!(matches!(watched.code, Some(3 | 6)), "{watched:?}");
    assert_eq!(rollout(&gateway)["outcome"], "aborted");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_gateway_is_replaced_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    // One secret, so that both accept one token.
    let secret = ["--jwt-secret", "0123456789abcdef0123456789abcdef"];
    let mut first = Gateway::start_in(folder.path(), &[&secret[..], &["--name", "first"]].concat());
    let second =
        Gateway::start_in(folder.path(), &[&secret[..], &["--name", "second", "--no-demo"]].concat());
    first.wait_converged(&second).await;
    let urls = format!("{},{}", first.admin, second.admin);
    let plans = tempfile::tempdir().unwrap();
    std::fs::write(plans.path().join("plan.json"), r#"{"steps": [20, 50], "hold": "8s", "bake": {"hold": "1s"}, "guard": {"leastRequests": 0, "leastWindows": 0}}"#).unwrap();
    let child = spawn(
        for_gateway(&first, &[&START[..], &["--timeout", "2m", "--output", "json"]].concat())
            .env("CANARY_URL", urls)
            .current_dir(plans.path()),
    );
    phase(&first, "holding").await;
    first.kill();
    let run = ended(child);
    let lines: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let places: Vec<String> = lines
        .iter()
        .filter(|line| !line["turn"].is_null())
        .map(|line| format!("{} {}", line["turn"], line["position"]))
        .collect();
    let once: BTreeSet<&String> = places.iter().collect();
    assert_eq!((run.code, once.len()), (Some(0), places.len()), "{:?} {places:?} {}", run.code, run.stderr);
    assert_eq!(lines.last().unwrap()["event"], "rollout");
}

#[tokio::test(flavor = "multi_thread")]
async fn store_that_goes_is_waited_for() {
    let Some(cluster) = Cluster::start() else { return println!("skipped: PostgreSQL is not installed") };
    let mut command = bare_command();
    command.args(["--database", &cluster.url()]);
    let gateway = Gateway::run(command, &[]);
    let _load = Load::start(&gateway.data, "auth");
    let (child, _folder) = waiting(&gateway, QUICK, &["--timeout", "3m"]);
    phase(&gateway, "holding").await;
    tokio::task::block_in_place(|| cluster.down("immediate"));
    tokio::time::sleep(Duration::from_secs(8)).await;
    tokio::task::block_in_place(|| cluster.up());
    let run = ended(child);
    assert_eq!(run.code, Some(0), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn signal_leaves_the_rollout_running() {
    let gateway = Gateway::start(&[]);
    let (child, _folder) = waiting(&gateway, LONG, &[]);
    phase(&gateway, "holding").await;
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let run = ended(child);
    assert!(run.code == Some(130) && run.stderr.contains("the rollout goes on"), "{run:?}");
    assert_eq!(rollout(&gateway)["phase"], "holding");
}

#[test]
fn wait_that_is_too_short_is_5() {
    let gateway = Gateway::start(&[]);
    let (child, _folder) = waiting(&gateway, LONG, &["--timeout", "2s"]);
    let run = ended(child);
    assert!(run.code == Some(5) && run.stderr.contains("the rollout goes on"), "{run:?}");
    // The same plan again is the same rollout.
    let id = rollout(&gateway)["id"].clone();
    let (again, _folder) = waiting(&gateway, LONG, &["--timeout", "2s"]);
    assert_eq!((ended(again).code, &rollout(&gateway)["id"]), (Some(5), &id));
}

#[test]
fn gateway_without_rollouts_is_3() {
    let server = Scripted::start(vec![Reply::problem(404, "not-found")]);
    for arguments in
        [&["rollout", "list"][..], &["rollout", "start", "auth", "v1.1"], &["rollout", "watch", "auth"]]
    {
        let run = run_at(&server.url, arguments);
        assert!(run.code == Some(3) && run.stderr.contains("this gateway has no rollouts"), "{run:?}");
    }
}

#[test]
fn wrong_plans_are_2() {
    let server = Scripted::start(vec![Reply::Nothing]);
    for plan in
        [&["--steps", "25,5"][..], &["--hold", "5"], &["--gate", "approval"], &["--plan", "/nonexistent"]]
    {
        let run = run_at(&server.url, &[&["rollout", "start", "auth", "v1.1"], plan].concat());
        assert_eq!(run.code, Some(2), "{plan:?} {run:?}");
    }
    assert_eq!(server.requests(), [""; 0]);
}

#[test]
fn start_may_be_lost_and_sent_again() {
    let reply = json!({"type": "store-unavailable", "title": "x", "status": 503, "detail": "x"}).to_string();
    let unavailable = Reply::Full("503 Service Unavailable", "application/problem+json", reply);
    let server = Scripted::start(vec![Reply::Nothing, unavailable, Reply::problem(409, "rollout-active")]);
    let run = run_at(&server.url, &["rollout", "start", "auth", "v1.1"]);
    assert!(run.code == Some(3) && run.stderr.contains("rollout-active"), "{run:?}");
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn hostile_text_of_a_rollout_is_escaped() {
    let gateway = Gateway::start(&[]);
    let start = ["rollout", "start", "auth", "v1.1", "--reason", "left\u{202e}right"];
    assert_eq!(finish(&mut for_gateway(&gateway, &start)).code, Some(0));
    for arguments in [
        &["rollout", "status", "auth"][..],
        &["rollout", "list", "auth"],
        &["rollout", "watch", "auth", "--timeout", "1s"],
    ] {
        let run = run(&gateway, arguments);
        assert!(!run.stdout.contains('\u{202e}'), "{run:?}");
    }
}

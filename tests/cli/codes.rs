//! Each exit code of the program.

use std::io::{BufRead, BufReader};
use std::process::Command;

use http::Method;
use serde_json::{Value, json};

use crate::harness::Gateway;
use crate::program::{canary, finish, finish_with, for_gateway, run, run_at, spawn};
use crate::scripted::{Reply, Scripted};

#[test]
fn change_that_is_made_is_0() {
    let gateway = Gateway::start(&[]);
    let run = run(&gateway, &["weight", "auth", "v1.1", "10", "--wait", "--reason", "first look"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stdout.contains("v1.0       90 %") && run.stdout.contains("served by "), "{run:?}");
}

#[test]
fn failures_of_the_server_are_1() {
    for reply in
        [Reply::problem(500, "store-unusable"), Reply::Full("404 Not Found", "text/html", "<html>".into())]
    {
        let server = Scripted::start(vec![reply]);
        let run = run_at(&server.url, &["status"]);
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{run:?}");
    }
}

#[test]
fn page_that_is_no_api_is_named() {
    let server = Scripted::start(vec![Reply::Full("200 OK", "text/html", "<html>".into())]);
    let run = run_at(&server.url, &["replicas"]);
    assert_eq!(run.code, Some(1));
    let address = format!("no admin API at {}/api/v1/admin", server.url);
    assert!(run.stderr.contains(&address), "{}", run.stderr);
}

#[test]
fn wrong_usage_is_2_without_a_call() {
    let server = Scripted::start(vec![Reply::Nothing]);
    let wrong: [&[&str]; 10] = [
        &["weight", "auth", "v1.1"],
        &["weight", "auth", "v1.1", "101"],
        &["weight", "auth", "v1=70", "v2=31"],
        &["weight", "Auth", "v1.1", "10"],
        &["register", "auth", "v1.2", "ftp://10.0.0.1"],
        &["register", "auth", "v1.2", "http://10.0.0.1", "http://10.0.0.1"],
        &["url", "auth", "v1.1", "--add", "--remove", "http://10.0.0.1"],
        &["switch", "auth", "v1.1", "--reason", "two\nlines"],
        &["wait", "drained", "auth", "v1.1", "--timeout", "10"],
        &["deploy"],
    ];
    for arguments in wrong {
        let run = run_at(&server.url, arguments);
        assert_eq!(run.code, Some(2), "{arguments:?} {run:?}");
    }
    assert_eq!(server.requests(), [""; 0]);
}

#[test]
fn program_alone_shows_its_help() {
    let run = finish(canary(&[]).env("CANARY_URL", "http://127.0.0.1:1"));
    assert!(run.code == Some(2) && run.stderr.contains("Commands:\n  status "), "{run:?}");
}

#[test]
fn failures_say_where_the_address_and_the_token_are() {
    let nothing = run_at("http://127.0.0.1:1", &["status"]);
    assert!(nothing.stderr.contains("; the address is in CANARY_URL or --url"), "{nothing:?}");
    let gateway = Gateway::start(&[]);
    let stranger = finish(for_gateway(&gateway, &["status"]).env_remove("CANARY_TOKEN"));
    assert!(stranger.stderr.contains("(unauthorized); the token is in CANARY_TOKEN"), "{stranger:?}");
    let data = run_at(&format!("http://{}", gateway.data), &["status"]);
    assert!(data.code == Some(1) && data.stderr.contains("no admin API at"), "{data:?}");
}

#[test]
fn unusable_tokens_and_addresses_are_2() {
    let both = finish(canary(&["status"]).env("CANARY_TOKEN", "a").env("CANARY_TOKEN_FILE", "b"));
    assert!(both.code == Some(2) && both.stderr.contains("use one of them"), "{both:?}");
    let absent = finish(&mut canary(&["status", "--token-file", "/nonexistent"]));
    assert!(absent.code == Some(2) && absent.stderr.contains("/nonexistent"), "{absent:?}");
    let secret = finish(canary(&["status"]).env("CANARY_URL", "http://user:secret@127.0.0.1"));
    assert!(secret.code == Some(2) && !secret.stderr.contains("secret"), "{secret:?}");
}

#[test]
fn refusals_are_3_with_their_type() {
    let gateway = Gateway::start(&[]);
    let refused: [(&[&str], &str); 5] = [
        (&["status", "nosuch"], "unknown-service"),
        (&["remove", "auth", "v1.0"], "version-active"),
        (&["weight", "auth", "v1.1", "10", "--if-generation", "1"], "generation-conflict"),
        (&["register", "auth", "v1.1", "http://127.0.0.1:1"], "duplicate-version"),
        (&["deactivate", "auth", "v1.0"], ""),
    ];
    for (arguments, kind) in refused.into_iter().take(4) {
        let run = run(&gateway, arguments);
        assert_eq!((run.code, run.stdout.as_str()), (Some(3), ""), "{arguments:?} {run:?}");
        assert!(run.stderr.contains(kind), "{run:?}");
    }
}

#[test]
fn invalid_url_is_3() {
    let gateway = Gateway::start(&[]);
    let run = run(&gateway, &["register", "auth", "v1.2", "http://169.254.169.254"]);
    assert!(run.code == Some(3) && run.stderr.contains("invalid-url"), "{run:?}");
}

#[test]
fn missing_and_wrong_tokens_are_4() {
    let gateway = Gateway::start(&[]);
    let without = finish(for_gateway(&gateway, &["status"]).env_remove("CANARY_TOKEN"));
    assert!(without.code == Some(4) && without.stderr.contains("unauthorized"), "{without:?}");
    let wrong = finish(for_gateway(&gateway, &["status"]).env("CANARY_TOKEN", "wrong"));
    assert_eq!(wrong.code, Some(4), "{wrong:?}");
    let server = Scripted::start(vec![Reply::problem(403, "insufficient-scope")]);
    assert_eq!(run_at(&server.url, &["redraw", "auth"]).code, Some(4));
}

#[test]
fn token_is_read_from_a_file_and_stdin() {
    let gateway = Gateway::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, format!("{}\n", gateway.token)).unwrap();
    let from_file =
        finish(for_gateway(&gateway, &["status"]).env_remove("CANARY_TOKEN").env("CANARY_TOKEN_FILE", &file));
    assert_eq!(from_file.code, Some(0), "{from_file:?}");
    // The option comes before the variable.
    let mut command = for_gateway(&gateway, &["status", "--token-file", "-"]);
    let from_stdin = finish_with(command.env("CANARY_TOKEN", "wrong"), &gateway.token);
    assert_eq!(from_stdin.code, Some(0), "{from_stdin:?}");
}

#[test]
fn waits_that_are_too_short_are_5() {
    let gateway = Gateway::start(&[]);
    let waits: [&[&str]; 2] = [
        &["wait", "drained", "auth", "v1.0", "--timeout", "3s"],
        &["wait", "healthy", "auth", "v1.9", "--timeout", "3s", "--instance", "http://127.0.0.1:1"],
    ];
    let drained = run(&gateway, waits[0]);
    assert!(drained.code == Some(5) && drained.stderr.contains("100 % of the traffic"), "{drained:?}");
    assert_eq!(run(&gateway, waits[1]).code, Some(3));
    assert_eq!(run(&gateway, &["register", "auth", "v1.9", "http://127.0.0.1:1"]).code, Some(0));
    let healthy = run(&gateway, waits[1]);
    assert!(healthy.code == Some(5) && healthy.stderr.contains("not healthy"), "{healthy:?}");
}

#[test]
fn change_that_is_not_served_everywhere_is_5() {
    let result = json!({
        "success": true, "service": "auth", "generation": 3, "healthPath": null, "lastChange": null, "versions": [],
        "convergence": {"converged": false, "serving": ["gateway-1"], "waiting": ["gateway-2"]}
    });
    let server = Scripted::start(vec![Reply::Full("202 Accepted", "application/json", result.to_string())]);
    let run = run_at(&server.url, &["switch", "auth", "v1.1", "--wait"]);
    assert!(run.code == Some(5) && run.stdout.contains("not yet served by gateway-2"), "{run:?}");
    let request = server.requests()[0].clone();
    assert!(
        request.starts_with("POST /api/v1/admin/deployment/services/auth/versions/v1.1/switch?"),
        "{request}"
    );
    assert!(request.contains("timeout=5000ms") && request.contains("wait=converged"), "{request}");
}

#[test]
fn signals_are_130() {
    let gateway = Gateway::start(&[]);
    for signal in ["-INT", "-TERM"] {
        let watch = ["traffic", "auth", "--watch", "--output", "json"];
        let mut child = spawn(&mut for_gateway(&gateway, &watch));
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut String::new()).unwrap();
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(130), "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wait_for_a_drain_ends_with_it() {
    let gateway = Gateway::start(&[]);
    gateway.admin(Method::PUT, "/routing/services/auth/versions/v1.1", json!({ "active": false })).await;
    let run = run(&gateway, &["wait", "drained", "auth", "v1.1", "--output", "json"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let last: Value = serde_json::from_str(run.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["event"], &last["versions"][0]["drainedEverywhere"]),
        (&json!("drained"), &json!(true))
    );
}

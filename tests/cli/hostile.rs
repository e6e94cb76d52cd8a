//! Text of others, pipes that close, full disks, colours.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use http::Method;
use serde_json::{Value, json};

use crate::harness::Gateway;
use crate::program::{CANARY, finish, for_gateway, run, run_at, spawn};
use crate::scripted::{Reply, Scripted};

const HOSTILE: &str = "x\u{1b}[2J\u{9b}31m\u{202e}y\u{2066}\u{200b}\u{7}";

fn is_harmless(text: &str) -> bool {
    !text.contains(|c: char| {
        (c.is_control() && c != '\n')
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || c == '\u{2066}'
            || c == '\u{200b}'
    })
}

#[test]
fn text_of_the_server_moves_no_cursor() {
    let page = json!({
        "service": "auth", "nextBefore": null, "history": [{
            "generation": 8, "actor": HOSTILE, "actorKind": null, "requestId": null, "reason": HOSTILE,
            "change": HOSTILE, "version": HOSTILE, "before": {HOSTILE: {"weight": 1, "isActive": true}}, "after": {},
            "at": "2026-01-05T09:30:00.000Z"
        }]
    });
    let server = Scripted::start(vec![Reply::json(page.to_string())]);
    for form in ["text", "json"] {
        let run = run_at(&server.url, &["history", "auth", "--output", form]);
        assert!(run.code == Some(0) && is_harmless(&run.stdout), "{run:?}");
    }
    let json = run_at(&server.url, &["history", "auth", "-o", "json"]).stdout;
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), page);
}

#[test]
fn problem_of_the_server_moves_no_cursor() {
    let problem = json!({"type": HOSTILE, "title": HOSTILE, "status": 409, "detail": HOSTILE}).to_string();
    for form in ["text", "json"] {
        let server =
            Scripted::start(vec![Reply::Full("409 Conflict", "application/problem+json", problem.clone())]);
        let run = run_at(&server.url, &["redraw", "auth", "--output", form]);
        assert!(run.code == Some(3) && is_harmless(&run.stderr), "{run:?}");
    }
}

/// The fields whose values the program reads as more than text: it refuses others.
const KNOWN: [&str; 3] = ["window", "state", "plan"];

/// Makes every text hostile, except times and the fields that are known.
fn poison(value: &mut Value) {
    match value {
        Value::String(text) if text.starts_with("20") && text.ends_with('Z') => {}
        Value::String(text) => text.push_str(HOSTILE),
        Value::Array(items) => items.iter_mut().for_each(poison),
        Value::Object(fields) => {
            for (_, value) in fields.iter_mut().filter(|(name, _)| !KNOWN.contains(&name.as_str())) {
                poison(value);
            }
            *fields = std::mem::take(fields).into_iter().map(|(name, value)| (key(name), value)).collect();
        }
        _ => {}
    }
}

/// Makes the name of a version hostile where it is a key.
fn key(name: String) -> String {
    if name.starts_with("v1.") { name + HOSTILE } else { name }
}

/// Arguments, and the paths of the calls that they make.
type Case = (&'static [&'static str], Vec<String>);

fn cases() -> [Case; 10] {
    let of = |path: &str| vec![format!("/deployment/services/auth/{path}")];
    let all = |names: &[&str]| names.iter().map(|name| format!("/deployment/{name}")).collect();
    [
        (&["status"], all(&["services", "traffic", "status"])),
        (&["status", "auth"], [of("versions"), of("traffic")].concat()),
        (&["history", "auth"], of("history")),
        (&["history", "auth", "--refused"], of("refusals")),
        (&["replicas"], all(&["replicas"])),
        (&["traffic", "auth"], of("traffic")),
        (&["explain", "auth", "alice"], of("explain?key=alice")),
        (&["rollout", "list"], all(&["rollouts"])),
        (&["rollout", "list", "auth"], of("rollouts")),
        (&["rollout", "status", "auth"], of("rollouts/current")),
    ]
}

/// Makes a change, a refusal and a rollout.
async fn prepare(gateway: &Gateway) {
    gateway.set_weight("auth", "v1.1", 10.0).await;
    gateway.set_weight("auth", "v1.1", 0.0).await;
    let refused =
        gateway.try_admin(Method::DELETE, "/routing/services/auth/versions/v1.1", &Value::Null).await;
    assert_eq!(refused.unwrap().0, 409);
    let plan = json!({"version": "v1.1", "steps": [{"weight": 50, "gates": ["approval"]}]});
    gateway.admin(Method::POST, "/deployment/services/auth/rollouts", plan).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_in_any_response_moves_the_cursor() {
    let gateway = Gateway::start(&["--name", "gateway-1"]);
    prepare(&gateway).await;
    for (arguments, paths) in cases() {
        let mut replies = Vec::new();
        for path in paths {
            let mut body = gateway.admin(Method::GET, &path, Value::Null).await;
            poison(&mut body);
            replies.push(Reply::json(body.to_string()));
        }
        for form in ["text", "json"] {
            let server = Scripted::start(replies.clone());
            let run = run_at(&server.url, &[arguments, &["--output", form]].concat());
            assert!(is_harmless(&run.stdout) && is_harmless(&run.stderr), "{run:?}");
            assert_eq!(run.code, Some(0), "{arguments:?} {run:?}");
            assert!(form == "json" || run.stdout.contains(r"\u{202e}"), "{arguments:?} {run:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_reason_moves_no_cursor() {
    let gateway = Gateway::start(&[]);
    let reason = "left\u{202e}right\u{200b}";
    let path = "/deployment/services/auth/versions/v1.1/weight";
    gateway.admin(Method::PUT, path, json!({ "weight": 10, "reason": reason })).await;
    let run = run(&gateway, &["history", "auth"]);
    assert!(run.stdout.contains(r"left\u{202e}right\u{200b}") && is_harmless(&run.stdout), "{run:?}");
}

#[test]
fn closed_pipe_ends_quietly() {
    let gateway = Gateway::start(&[]);
    for arguments in
        [&["completions", "bash"][..], &["status"], &["traffic", "auth", "--watch", "--timeout", "20s"]]
    {
        let mut child = spawn(&mut for_gateway(&gateway, arguments));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{arguments:?} {output:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn full_disk_is_a_failure() {
    let gateway = Gateway::start(&[]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = for_gateway(&gateway, &["status"]).stdout(Stdio::from(full)).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && stderr.contains("cannot write the answer"), "{stderr}");
}

#[test]
fn colours_are_where_they_are_wanted() {
    let gateway = Gateway::start(&[]);
    let styled = |variable: &str| {
        let run = finish(for_gateway(&gateway, &["status", "auth"]).env(variable, "1"));
        run.stdout.contains("\u{1b}[1mauth\u{1b}[0m")
    };
    assert!(styled("CLICOLOR_FORCE"));
    assert!(!styled("NO_COLOR") && !styled("UNRELATED"));
}

#[test]
fn top_paints_the_whole_screen_of_a_terminal() {
    // `script` gives the program a terminal.
    if Command::new("script").arg("--version").output().is_err() {
        return println!("skipped: script is not installed");
    }
    let gateway = Gateway::start(&[]);
    let line = format!("{CANARY} top auth --timeout 8s");
    let output = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env("CANARY_URL", &gateway.admin)
        .env("CANARY_TOKEN", &gateway.token)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let screen = String::from_utf8(output.stdout).unwrap();
    assert!(screen.starts_with("\u{1b}[?1049h") && screen.ends_with("\u{1b}[?1049l"), "{screen:?}");
    assert!(screen.matches("\u{1b}[H").count() >= 2 && screen.contains("WEIGHT"), "{screen:?}");
    assert_eq!(output.status.code(), Some(0));
}

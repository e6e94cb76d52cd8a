//! Admin tokens on stdout, which is the log of a container.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use http::{Request, StatusCode};

use crate::harness::{client, empty, read};
use crate::launch::{END_OF_GUIDE, command};

/// The first letters of every JWT.
const JWT: &str = "eyJ";

const SECRET: &str = "hunter2 hunter2 hunter2 hunter2 ";

/// Starts a gateway, and returns what it prints until it has printed all. The gateway runs until `with` returns.
fn printed<T>(dir: &Path, options: &[&str], with: impl FnOnce(&str) -> T) -> T {
    let mut command = command(dir);
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).args(options);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    // The guide ends with an empty line, or with the story of the demo.
    while lines.read_line(&mut text).unwrap() > 0 {
        if text.ends_with("\n\n") && options.contains(&"--no-demo") || text.contains(END_OF_GUIDE) {
            break;
        }
    }
    let result = with(&text);
    child.kill().unwrap();
    child.wait().unwrap();
    lines.read_to_string(&mut String::new()).unwrap();
    result
}

#[test]
fn no_token_is_printed_into_a_log() {
    let dir = tempfile::tempdir().unwrap();
    for options in [
        &[][..],
        &["--no-demo"],
        &["--jwt-secret", SECRET],
        &["--no-demo", "--jwt-secret", SECRET],
        &["--no-demo", "--pin-cookie", "pin"],
    ] {
        printed(dir.path(), options, |text| {
            assert!(!text.contains(JWT) && !text.contains("hunter2"), "{options:?}: {text}");
            assert!(text.contains("No admin token is printed"), "{options:?}: {text}");
        });
    }
}

#[test]
fn token_is_printed_on_request() {
    let dir = tempfile::tempdir().unwrap();
    for options in [&["--print-token"][..], &["--print-token", "--no-demo", "--jwt-secret", SECRET]] {
        printed(dir.path(), options, |text| {
            assert!(text.contains(&format!("export TOKEN={JWT}")) && !text.contains("hunter2"), "{text}");
        });
    }
}

#[test]
fn printed_lines_make_a_token() {
    if Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_err() {
        return println!("skipped: openssl is not installed");
    }
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    printed(dir.path(), &["--no-demo", "--jwt-secret", SECRET], |text| {
        let script = format!("{text}\nprintf '%s %s' \"$ADMIN\" \"$TOKEN\"");
        let mut shell = Command::new("sh");
        shell.args(["-eu", "-c", &script]).env("CANARY_JWT_SECRET", SECRET);
        let output = shell.output().unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let (admin, token) = output.split_once(' ').unwrap();
        let request = Request::get(format!("{admin}/deployment/services"))
            .header("authorization", format!("Bearer {token}"))
            .body(empty())
            .unwrap();
        let response = runtime.block_on(async { read(client().request(request).await.unwrap()).await });
        assert_eq!(response.status, StatusCode::OK, "{token}");
    });
}

//! Runs the example programs that end by themselves. The gateway example has its own tests, in `tests/gateway`.
//!
//! `cargo build --all-features --examples && cargo test --all-features --test examples`
#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Maximum time of one example.
const LIMIT: Duration = Duration::from_secs(30);

/// Runs an example to its end, which must be a success, and returns its output.
fn run(name: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let child = Command::new(program(name))
        .current_dir(directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = wait_for_exit(child, name).wait_with_output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{name}: {stdout}\n{}", String::from_utf8_lossy(&output.stderr));
    stdout
}

/// Waits until `child` has ended. Its output is small enough for the buffers of the pipes.
fn wait_for_exit(mut child: Child, name: &str) -> Child {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > LIMIT {
            child.kill().unwrap();
            panic!("{name} runs for more than {LIMIT:?}");
        }
        sleep(Duration::from_millis(10));
    }
    child
}

/// The binary of the profile that this test was built with.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(2).map(Path::to_owned).unwrap();
    let program = target.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(program.exists(), "{} is missing: run `cargo build --example {name}` first", program.display());
    program
}

fn assert_contains(output: &str, expected: &[&str]) {
    for part in expected {
        assert!(output.contains(part), "{part} is not in\n{output}");
    }
}

#[test]
fn minimal_sends_ten_requests() {
    assert_eq!(run("minimal").matches("200 OK from v1.").count(), 10);
}

#[test]
fn seeded_choices_repeat() {
    assert_contains(&run("seeded"), &["all assertions passed"]);
}

#[test]
fn grpc_stream_stays_with_its_version() {
    let expected = ["after a switch to", "in flight at v", "after the end of the stream: 0"];
    assert_contains(&run("grpc"), &expected);
}

#[cfg(all(feature = "pin", feature = "proxy"))]
#[test]
fn sessions_keep_users_and_obey_testers() {
    assert_contains(&run("sessions"), &["alice selects v1 and v2, and gets v1 and v2"]);
}

#[cfg(feature = "failover")]
#[test]
fn failover_hides_an_unreachable_version() {
    let output = run("failover");
    assert_contains(&output, &["with failover: 0 of 100 requests failed"]);
    assert!(number_after(&output, "without failover: ").abs_diff(50) <= 1, "{output}");
}

#[test]
fn rejections_count_as_their_responses_do() {
    let output = run("load_shed");
    let errors = output.lines().find_map(|line| line.strip_prefix("as errors: ")).unwrap();
    assert!(errors.contains(" 0 responses 429, ") && errors.contains("ejected"), "{output}");
    let responses = output.lines().find_map(|line| line.strip_prefix("as responses: ")).unwrap();
    assert!(responses.ends_with(" 0 errors; the instances are up and up"), "{output}");
}

#[cfg(feature = "metrics")]
#[test]
fn metrics_count_the_errors_of_a_version() {
    let output = run("metrics");
    assert_contains(&output, &[r#"canary_weight{service="auth",version="v1.1"} 10"#]);
    let errors = r#"canary_requests_total{service="auth",version="v1.1",outcome="5xx"} "#;
    assert!(number_after(&output, errors).abs_diff(10) <= 1, "{output}");
}

/// The number that follows `text` in a line of `output`.
#[cfg(any(feature = "failover", feature = "metrics"))]
fn number_after(output: &str, text: &str) -> u64 {
    let rest = output.lines().find_map(|line| line.strip_prefix(text)).unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

#[cfg(feature = "sqlite")]
#[test]
fn own_pool_shares_its_database() {
    let expected = ["auth v1.0: 90 %", "auth v1.1: 10 %", "orders: tea", "gateway_service_config"];
    assert_contains(&run("own_pool"), &expected);
}

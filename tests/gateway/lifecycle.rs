//! Start and end of the gateway.

use std::net::TcpListener;
use std::process::Output;
use std::time::Duration;

use http::Request;
use tokio::net::TcpStream;

use crate::backends::Held;
use crate::harness::{Gateway, client, empty, read};
use crate::launch::command;
use crate::wait::wait_until;

/// All options but `--help` and `--version`.
const OPTIONS: &[&str] = &[
    "listen",
    "admin",
    "database",
    "snapshot",
    "name",
    "affinity-header",
    "affinity-cookie",
    "pin-cookie",
    "pin-secret",
    "pin-secret-file",
    "earlier-pin-secret",
    "earlier-pin-secret-file",
    "no-health",
    "health-interval",
    "health-timeout",
    "failover",
    "refuse-unhealthy",
    "slow-start",
    "retry-safe",
    "attempt-timeout",
    "override-header",
    "trust-override",
    "jwt-secret",
    "fallback-url",
    "trusted-proxy",
    "response-timeout",
    "history",
    "drain",
    "drain-notice",
    "idle-timeout",
    "http2-idle-timeout",
    "body-idle-timeout",
    "backend-idle-timeout",
    "max-headers",
    "proxy-protocol",
    "preserve-host",
    "address-header",
    "no-via",
    "rewrite-redirects",
    "tunnel-idle-timeout",
    "poll-only",
    "print-token",
    "jwt-secret-file",
    "database-file",
    "seed",
    "no-demo",
    "threads",
];

/// Starts the gateway with `options` that it must refuse.
fn start_refused(options: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    command(dir.path()).args(["--admin", "127.0.0.1:0", "--no-demo"]).args(options).output().unwrap()
}

fn assert_one_line(output: &Output, expected: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(output.stdout.is_empty());
    assert!(errors.lines().count() == 1 && errors.contains(expected), "{errors}");
}

#[test]
fn bad_option_exits_1_with_one_line() {
    for (options, expected) in [
        (vec!["--nope"], "--nope"),
        (vec!["--threads", "0"], "--threads"),
        (vec!["--seed", "x"], "--seed"),
        (vec!["--drain", "soon"], "--drain"),
        // The first name of the option still works.
        (vec!["--answer-timeout", "soon"], "--response-timeout"),
        (vec!["--trusted-proxy", "proxy"], "--trusted-proxy"),
        (vec!["--trusted-proxy", "10.0.0.0/33"], "--trusted-proxy"),
        (vec!["--idle-timeout", "0"], "at least one second"),
        (vec!["--idle-timeout", "999ms"], "at least one second"),
        (vec!["--drain", "5 s"], "not a number of seconds"),
        (vec!["--health-interval", "0"], "at least 100ms"),
        (vec!["--health-timeout", "2h"], "--health-timeout"),
        (vec!["--no-health", "--failover"], "--no-health excludes --failover"),
        (vec!["--no-health", "--slow-start", "30s"], "--no-health excludes"),
        (vec!["--attempt-timeout", "5s"], "--attempt-timeout needs --retry-safe"),
        (vec!["--fallback-url", "ftp://monolith"], "only http and https"),
        (vec!["--fallback-url", "http://127.0.0.1.:80"], "an address in its usual form"),
        (vec!["--affinity-header", "user_id"], "use '-'"),
        (vec!["--override-header", "no header"], "name of a header"),
        (vec!["--listen"], "--listen"),
        (vec!["--listen", "nonsense"], "nonsense"),
        (vec!["--listen", "127.0.0.1:0", "--jwt-secret", "short"], "secret"),
    ] {
        assert_one_line(&start_refused(&options), expected);
    }
}

// As a version with such a URL is refused at its registration.
#[test]
fn unreachable_fallback_exits_1() {
    for (url, expected) in [
        ("https://monolith", "no TLS for backends"),
        ("http://169.254.169.254", "metadata"),
        ("http://metadata.google.internal", "metadata"),
    ] {
        assert_one_line(&start_refused(&["--listen", "127.0.0.1:0", "--fallback-url", url]), expected);
    }
}

#[test]
fn taken_port_exits_1_with_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert_one_line(&start_refused(&["--listen", &address]), &address);
    assert_one_line(&start_refused(&["--listen", "127.0.0.1:0", "--admin", &address]), &address);
}

// It prints one line, without the password.
#[test]
fn unreachable_database_exits_1() {
    for url in ["sqlite:///missing/dir/canary.db", "nonsense://user:hunter2@db/canary"] {
        let output = start_refused(&["--listen", "127.0.0.1:0", "--database", url]);
        assert_one_line(&output, "database");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("hunter2"));
    }
}

#[test]
fn help_exits_0_and_shows_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let output = command(dir.path()).env("CANARY_JWT_SECRET", "hunter2").arg("--help").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout);
    for option in OPTIONS {
        assert!(text.contains(&format!("--{option}")), "{text}");
    }
    assert!(text.contains("RUST_LOG"), "{text}");
    assert!(!text.contains("hunter2"));
}

/// Returns the kernel's timers of the connections of `port`; 2 is keepalive.
#[cfg(target_os = "linux")]
fn timers(port: &str) -> Vec<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let port = port.parse::<u16>().unwrap();
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row: &Vec<&str>| row[3] == "01" && row[1].ends_with(&format!(":{port:04X}")))
        .map(|row| row[5].split(':').next().unwrap().to_owned())
        .collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn connections_use_tcp_keepalive() {
    let gateway = Gateway::start(&["--no-demo"]);
    let backend = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = backend.local_addr().unwrap().to_string();
    gateway.register("auth", "v1", &format!("http://{address}")).await;
    let mut client = TcpStream::connect(&gateway.data).await.unwrap();
    let request = b"GET /auth/ HTTP/1.1\r\nhost: shop\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut client, request).await.unwrap();
    let (_stream, peer) = backend.accept().await.unwrap();
    // The retransmission timer runs until the sent bytes are acknowledged.
    wait_until(Duration::from_secs(5), "only the timers of keepalive run", async || {
        [timers(gateway.data.rsplit(':').next().unwrap()), timers(&peer.port().to_string())]
            .iter()
            .all(|timers| timers == &["02"])
    })
    .await;
    assert_eq!(timers(gateway.data.rsplit(':').next().unwrap()), ["02"], "of the client's");
    assert_eq!(timers(&peer.port().to_string()), ["02"], "of the backend's");
}

#[tokio::test]
async fn weights_survive_a_killed_gateway() {
    let dir = tempfile::tempdir().unwrap();
    let mut gateway = Gateway::start_in(dir.path(), &[]);
    gateway.set_weight("auth", "v1.1", 37.25).await;
    let before = gateway.weights("auth").await;
    gateway.kill();
    let again = Gateway::start_in(dir.path(), &[]);
    assert_eq!(again.weights("auth").await, before);
    let counts = again.count_versions("/auth/hello", 400, 4).await;
    // From any start of the sequence, 400 draws are within two of each share.
    assert!(counts["v1.1"].abs_diff(149) <= 2, "{counts:?}");
}

#[tokio::test]
async fn same_seed_repeats_the_choices() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let gateway = Gateway::start(&["--seed", "7", "--threads", "1"]);
        gateway.set_weight("auth", "v1.1", 30.0).await;
        let mut choices = Vec::new();
        for _ in 0..50 {
            choices.push(gateway.get("/auth/hello").await.text);
        }
        runs.push(choices);
    }
    assert_eq!(runs[0], runs[1]);
}

// New connections are refused meanwhile.
#[tokio::test]
async fn sigterm_drains_and_exits_0() {
    let slow = Held::start("v1").await;
    let mut gateway = Gateway::start(&["--no-demo"]);
    gateway.register("auth", "v1", &slow.backend.url).await;
    let request = Request::get(gateway.url("/auth/slow")).body(empty()).unwrap();
    let in_flight = tokio::spawn(client().request(request));
    gateway.wait_in_flight("auth", "v1", 1).await;

    gateway.terminate();
    gateway.wait_closed().await;
    slow.release();
    let response = read(in_flight.await.unwrap().unwrap()).await;
    assert_eq!(response.text, "auth v1 /slow\n");
    let status = gateway.exit(Duration::from_secs(10)).await;
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

#[tokio::test]
async fn second_sigterm_ends_the_drain() {
    let slow = Held::start("v1").await;
    let mut gateway = Gateway::start(&["--no-demo"]);
    gateway.register("auth", "v1", &slow.backend.url).await;
    let request = Request::get(gateway.url("/auth/slow")).body(empty()).unwrap();
    let cut_off = tokio::spawn(client().request(request));
    gateway.wait_in_flight("auth", "v1", 1).await;
    gateway.terminate();
    gateway.wait_closed().await;
    assert_eq!(gateway.exit(Duration::from_millis(500)).await, None, "it drains");
    gateway.terminate();
    let status = gateway.exit(Duration::from_secs(10)).await;
    assert_eq!(status.and_then(|status| status.code()), Some(0));
    assert!(cut_off.await.unwrap().is_err());
}

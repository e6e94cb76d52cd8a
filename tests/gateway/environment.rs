//! Options from the environment and from files.

use std::path::Path;
use std::process::Output;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{Method, Request, StatusCode};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::harness::{Gateway, empty};
use crate::launch::{bare_command, command};

const SECRET: &str = "hunter2 hunter2 hunter2 hunter2 ";

/// Starts a gateway that must end by itself, with these variables.
pub(crate) fn refused(variables: &[(&str, &str)], options: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut command = bare_command();
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--no-demo"]).args(options);
    let output: Output = command.envs(variables.iter().copied()).current_dir(dir.path()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), errors.lines().count()), (Some(1), 1), "{errors}");
    assert!(output.stdout.is_empty() && !errors.contains("hunter2"), "{errors}");
    errors
}

fn token(secret: &str) -> String {
    let expires = SystemTime::now() + Duration::from_secs(60);
    let claims = json!({
        "iss": "canary", "aud": "canary-admin", "sub": "test", "scope": "canary:read canary:write",
        "exp": expires.duration_since(UNIX_EPOCH).unwrap().as_secs(),
    });
    encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

/// Returns whether the gateway accepts tokens of this secret.
async fn accepts(gateway: &Gateway, secret: &str) -> bool {
    let request = Request::get(format!("{}/deployment/services", gateway.admin));
    let request = request.header("authorization", format!("Bearer {}", token(secret)));
    gateway.send(request.body(empty()).unwrap()).await.status == StatusCode::OK
}

fn write(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn empty_variable_is_unset() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = command(dir.path());
    for name in [
        "DATABASE_URL",
        "DATABASE_URL_FILE",
        "CANARY_JWT_SECRET",
        "CANARY_JWT_SECRET_FILE",
        "CANARY_HISTORY",
        "CANARY_SNAPSHOT",
        "CANARY_NAME",
        "CANARY_ADMIN_URL",
        "CANARY_THREADS",
        "CANARY_IDLE_TIMEOUT",
        "CANARY_TRUSTED_PROXIES",
        "CANARY_PROXY_PROTOCOL",
        "CANARY_AFFINITY_HEADER",
        "CANARY_NO_HEALTH",
        "CANARY_HEALTH_INTERVAL",
        "CANARY_HEALTH_TIMEOUT",
        "CANARY_FAILOVER",
        "CANARY_REFUSE_UNHEALTHY",
        "CANARY_SLOW_START",
        "CANARY_RETRY_SAFE",
        "CANARY_GATES",
        "CANARY_DEMO_HOLD",
        "CANARY_ATTEMPT_TIMEOUT",
        "CANARY_PIN_COOKIE",
        "CANARY_PIN_SECRET",
        "CANARY_PIN_SECRET_FILE",
        "CANARY_EARLIER_PIN_SECRETS",
        "CANARY_EARLIER_PIN_SECRET_FILES",
        "MONOLITH_URL",
        "CANARY_TLS_CERT",
        "CANARY_TLS_KEY",
    ] {
        command.env(name, "");
    }
    let gateway = Gateway::run(command, &["--no-demo"]);
    assert_eq!(gateway.get("/nobody/").await.status, StatusCode::NOT_FOUND);
}

#[test]
fn error_names_the_variable() {
    for (name, value) in [
        ("CANARY_THREADS", "hunter2"),
        ("CANARY_HISTORY", "hunter2"),
        ("CANARY_DRAIN", "hunter2"),
        ("CANARY_IDLE_TIMEOUT", "0"),
        ("CANARY_HEALTH_INTERVAL", "hunter2"),
        ("CANARY_SLOW_START", "hunter2"),
        ("CANARY_TRUSTED_PROXIES", "127.0.0.1,hunter2"),
        ("CANARY_PRESERVE_HOST", "hunter2"),
        ("CANARY_AFFINITY_HEADER", "hunter2 2"),
        ("MONOLITH_URL", "http://user:hunter2@monolith"),
    ] {
        let error = refused(&[(name, value)], &[]);
        assert!(error.contains(name) && !error.contains("--"), "{name}: {error}");
    }
}

#[test]
fn error_names_the_option() {
    for (options, name) in [
        (&["--fallback-url", "http://user:hunter2@monolith"][..], "--fallback-url"),
        (&["--threads", "hunter2"], "--threads"),
        (&["hunter2"], "no option"),
        (&["--proxy-protocol"], "--trusted-proxy"),
        (&["--gate", "smoke"], "--gate"),
        (&["--gate", "approval=http://127.0.0.1/"], "the gate approval"),
        (&["--trust-override"], "--override-header"),
    ] {
        let error = refused(&[("CANARY_THREADS", "2")], options);
        assert!(error.contains(name) && !error.contains("CANARY_THREADS"), "{error}");
    }
}

#[tokio::test]
async fn variables_set_switches_and_lists() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = command(dir.path());
    command.env("CANARY_NO_DEMO", "true").env("CANARY_TRUSTED_PROXIES", "10.0.0.0/8,127.0.0.1");
    command.env("CANARY_PRESERVE_HOST", "false").env("CANARY_THREADS", "1");
    let gateway = Gateway::run(command, &[]);
    let backend = crate::backends::echo().await;
    gateway.register("auth", "v1", &backend.url).await;
    let request = Request::get(gateway.url("/auth/")).header("x-forwarded-for", "192.0.2.1");
    let received = gateway.send(request.body(empty()).unwrap()).await.text;
    assert!(received.contains("x-forwarded-for: 192.0.2.1, 127.0.0.1\n"), "{received}");
    // The demo has a version that is called v1.0.
    assert_eq!(gateway.versions("auth").await.len(), 1);
}

#[tokio::test]
async fn secrets_come_from_files() {
    for ending in ["", "\n", "\r\n"] {
        let dir = tempfile::tempdir().unwrap();
        let mut command = bare_command();
        let secret = write(dir.path(), "secret", &format!("{SECRET}{ending}"));
        let database = dir.path().join("other.db");
        let url = format!("sqlite://{}?mode=rwc{ending}", database.display());
        command
            .env("CANARY_JWT_SECRET_FILE", secret)
            .env("DATABASE_URL_FILE", write(dir.path(), "url", &url));
        let gateway = Gateway::run(command, &["--no-demo"]);
        assert!(accepts(&gateway, SECRET).await, "{ending:?}");
        assert!(database.exists(), "{ending:?}");
    }
}

// A secret may end with a line break of its own, and a variable is no file.
#[tokio::test]
async fn variable_is_taken_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let [with_break, file] = [format!("{SECRET}\n"), format!("{SECRET}\n\n")];
    let mut by_variable = command(dir.path());
    by_variable.env("CANARY_JWT_SECRET", &with_break);
    let gateway = Gateway::run(by_variable, &["--no-demo"]);
    assert!(accepts(&gateway, &with_break).await && !accepts(&gateway, SECRET).await);
    let mut by_file = command(dir.path());
    by_file.env("CANARY_JWT_SECRET_FILE", write(dir.path(), "secret", &file));
    let gateway = Gateway::run(by_file, &["--no-demo"]);
    assert!(accepts(&gateway, &with_break).await && !accepts(&gateway, SECRET).await);
}

#[tokio::test]
async fn command_line_comes_before_variables() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = command(dir.path());
    command.env("CANARY_JWT_SECRET_FILE", write(dir.path(), "secret", "another one, of at least 32 bytes"));
    command.env("CANARY_THREADS", "hunter2");
    let gateway = Gateway::run(command, &["--no-demo", "--jwt-secret", SECRET, "--threads", "1"]);
    assert!(accepts(&gateway, SECRET).await);
}

#[test]
fn secret_given_twice_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "secret", SECRET);
    let error = refused(&[("CANARY_JWT_SECRET", SECRET), ("CANARY_JWT_SECRET_FILE", &file)], &[]);
    assert!(error.contains("CANARY_JWT_SECRET and CANARY_JWT_SECRET_FILE"), "{error}");
    let error = refused(&[("CANARY_PIN_SECRET", SECRET), ("CANARY_PIN_SECRET_FILE", &file)], &[]);
    assert!(error.contains("CANARY_PIN_SECRET and CANARY_PIN_SECRET_FILE"), "{error}");
    let error = refused(&[], &["--jwt-secret", SECRET, "--jwt-secret-file", &file]);
    assert!(error.contains("--jwt-secret and --jwt-secret-file"), "{error}");
}

#[test]
fn missing_file_of_a_secret_is_named() {
    for variable in [
        "CANARY_JWT_SECRET_FILE",
        "DATABASE_URL_FILE",
        "CANARY_PIN_SECRET_FILE",
        "CANARY_EARLIER_PIN_SECRET_FILES",
    ] {
        let error = refused(&[(variable, "/missing/file")], &[]);
        assert!(error.contains("/missing/file"), "{error}");
    }
}

#[tokio::test]
async fn polling_replaces_notifications() {
    let gateway = Gateway::start(&["--no-demo", "--poll-only"]);
    gateway.register("auth", "v1", "http://127.0.0.1:9").await;
    assert_eq!(gateway.admin(Method::GET, "/deployment/status", Value::Null).await["fromCache"], false);
}

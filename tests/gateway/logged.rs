//! The log of a gateway that clients, operators and backends attack.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{Method, Request};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::clients::raw;
use crate::harness::{Gateway, client, empty, full, read};

const SECRET: &str = "hunter2 hunter2 hunter2 hunter2 ";

/// Every secret of the test contains this text.
pub(crate) const CREDENTIAL: &str = "hunter2";

/// The start of a forged log line.
pub(crate) const FORGED: &str = "2001-01-01T00:00:00.000000Z ERROR";

/// A forged line and a colour escape, in characters that are forbidden almost everywhere.
const CONTROL_CHARACTERS: &str = "x\r\n2001-01-01T00:00:00.000000Z ERROR forged\u{1b}[31m";

/// The same in characters that are allowed in more places.
const UNICODE_SEPARATORS: &str = "x\u{2028}2001-01-01T00:00:00.000000Z ERROR forged\u{2029}\u{202e}";

/// Returns the log, filtered by `RUST_LOG`, of a gateway under attack.
pub(crate) async fn log_under_attack(filter: Option<&str>) -> String {
    let log = tempfile::NamedTempFile::new().unwrap();
    let options =
        ["--no-demo", "--jwt-secret", SECRET, "--override-header", "x-canary-version", "--pin-cookie", "pin"];
    let gateway = Gateway::start_logging(log.reopen().unwrap(), filter, &options);
    gateway.register("gone", "v1", "http://127.0.0.1:9").await;
    let backend = crate::versions::start_version("v1").await;
    let malformed = malformed_backend().await;
    gateway.register("auth", "v1", &backend.url).await;
    gateway.register("malformed", "v1", &malformed).await;
    attack_as_clients(&gateway).await;
    attack_as_operators(&gateway).await;
    drop(gateway);
    std::fs::read_to_string(log.path()).unwrap()
}

/// Starts a backend that sends malformed responses.
async fn malformed_backend() -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ =
                stream.write_all(format!("HTTP/1.1 200 {CONTROL_CHARACTERS}\r\n{CONTROL_CHARACTERS}: {CONTROL_CHARACTERS}\r\n\r\n").as_bytes()).await;
        }
    });
    url
}

/// Puts the texts into paths and headers, raw and encoded, for backends that respond and backends that do
/// not.
async fn attack_as_clients(gateway: &Gateway) {
    let encoded = "x%0d%0a2001-01-01T00:00:00.000000Z%20ERROR%20forged%1b%5b31m";
    for service in ["auth", "gone", "malformed", "nobody", encoded, CONTROL_CHARACTERS] {
        for path in [encoded, CONTROL_CHARACTERS, UNICODE_SEPARATORS] {
            for value in ["x", CONTROL_CHARACTERS, UNICODE_SEPARATORS] {
                let head = format!(
                    "GET /{service}/{path} HTTP/1.1\r\nhost: a\r\nuser-agent: {value}\r\nx-canary-version: {value}\r\n\
                     upgrade: {value}\r\nconnection: close\r\ncookie: a={CREDENTIAL}; pin={CREDENTIAL}; {value}\r\n\
                     authorization: Bearer {CREDENTIAL}\r\n\r\n"
                );
                raw(&gateway.data, head.as_bytes()).await;
            }
        }
    }
    for service in ["auth", "gone", "nobody"] {
        let request = Request::get(gateway.url(&format!("/{service}/{encoded}")));
        let request = request.header("cookie", format!("a={CREDENTIAL}")).header("user-agent", encoded);
        let request = request.header("authorization", CREDENTIAL).body(empty()).unwrap();
        read(crate::streams::by_http2().request(request).await.unwrap()).await;
    }
}

/// Puts the texts into reasons, subjects, tokens and names.
async fn attack_as_operators(gateway: &Gateway) {
    let path = "/deployment/services/auth/versions/v1/weight";
    for (reason, status) in [(CONTROL_CHARACTERS, 400), (UNICODE_SEPARATORS, 200)] {
        let body = json!({ "weight": 100, "reason": reason });
        call_admin(gateway, &token("alice"), Method::PUT, path, &body, status).await;
    }
    let path = "/routing/services/auth/versions/v1";
    for (subject, status) in [(CONTROL_CHARACTERS, 401), (UNICODE_SEPARATORS, 200)] {
        let body = json!({ "url": format!("http://127.0.0.1:{status}"), "reason": UNICODE_SEPARATORS });
        call_admin(gateway, &token(subject), Method::PUT, &format!("{path}?force=true"), &body, status).await;
    }
    let path = "/deployment/services";
    for token in [CREDENTIAL, &format!("{CREDENTIAL}.{CREDENTIAL}.{CREDENTIAL}"), &token("alice")[1..]] {
        call_admin(gateway, token, Method::GET, path, &Value::Null, 401).await;
    }
    let forged_path = "x%0d%0a2001-01-01T00:00:00.000000Z%20ERROR%20forged%1b";
    call_admin(
        gateway,
        &token("alice"),
        Method::PUT,
        &format!("{path}/{forged_path}/weights"),
        &json!({}),
        422,
    )
    .await;
    call_admin(
        gateway,
        &token("alice"),
        Method::PUT,
        &format!("{path}/auth/weights?{forged_path}"),
        &json!({ CONTROL_CHARACTERS: UNICODE_SEPARATORS }),
        400,
    )
    .await;
}

fn token(subject: &str) -> String {
    let expires = SystemTime::now() + Duration::from_secs(60);
    let claims = json!({
        "iss": "canary", "aud": "canary-admin", "sub": subject, "scope": "canary:read canary:write",
        "exp": expires.duration_since(UNIX_EPOCH).unwrap().as_secs(),
    });
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

/// Calls the admin API and expects `status`.
async fn call_admin(gateway: &Gateway, token: &str, method: Method, path: &str, body: &Value, status: u16) {
    let request = Request::builder().method(method).uri(format!("{}{path}", gateway.admin));
    let request = request.header("authorization", format!("Bearer {token}"));
    let request = request.header("content-type", "application/json").body(full(body.to_string())).unwrap();
    let response = read(client().request(request).await.unwrap()).await;
    assert_eq!(response.status, status, "{path} {body}: {response:?}");
}

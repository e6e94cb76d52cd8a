//! What the gateway logs of what clients, operators and backends send it in bad faith.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{Method, Request};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::harness::{Gateway, client, empty, full, raw, read};

const SECRET: &str = "hunter2 hunter2 hunter2 hunter2 ";

/// Whatever has this is a credential.
pub(crate) const CREDENTIAL: &str = "hunter2";

/// What a line of the log begins with that was not logged.
pub(crate) const FORGED: &str = "2001-01-01T00:00:00.000000Z ERROR";

/// A line of its own and a terminal in red, in characters that are forbidden almost everywhere.
const EVIL: &str = "x\r\n2001-01-01T00:00:00.000000Z ERROR forged\u{1b}[31m";

/// The same in characters that are allowed in more places.
const SLY: &str = "x\u{2028}2001-01-01T00:00:00.000000Z ERROR forged\u{2029}\u{202e}";

/// All that is logged, by the filter `RUST_LOG`, while everybody tries to get something into the log.
pub(crate) async fn log_of_attacks(filter: Option<&str>) -> String {
    let log = tempfile::NamedTempFile::new().unwrap();
    let options =
        ["--no-demo", "--jwt-secret", SECRET, "--override-header", "x-canary-version", "--pin-cookie", "pin"];
    let gateway = Gateway::start_logging(log.reopen().unwrap(), filter, &options);
    gateway.register("gone", "v1", "http://127.0.0.1:9").await;
    let (backend, wild) = (crate::versions::version("v1").await, wild_backend().await);
    gateway.register("auth", "v1", &backend.url).await;
    gateway.register("wild", "v1", &wild).await;
    by_clients(&gateway).await;
    by_operators(&gateway).await;
    drop(gateway);
    std::fs::read_to_string(log.path()).unwrap()
}

/// One that answers nonsense.
async fn wild_backend() -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ =
                stream.write_all(format!("HTTP/1.1 200 {EVIL}\r\n{EVIL}: {EVIL}\r\n\r\n").as_bytes()).await;
        }
    });
    url
}

/// In paths and headers, as they are and encoded, to backends that answer and to such that do not.
async fn by_clients(gateway: &Gateway) {
    let encoded = "x%0d%0a2001-01-01T00:00:00.000000Z%20ERROR%20forged%1b%5b31m";
    for service in ["auth", "gone", "wild", "nobody", encoded, EVIL] {
        for path in [encoded, EVIL, SLY] {
            for value in ["x", EVIL, SLY] {
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

/// In reasons, subjects, tokens and names.
async fn by_operators(gateway: &Gateway) {
    let path = "/deployment/services/auth/versions/v1/weight";
    for (reason, status) in [(EVIL, 400), (SLY, 200)] {
        let body = json!({ "weight": 100, "reason": reason });
        by(gateway, &token("alice"), Method::PUT, path, &body, status).await;
    }
    let path = "/routing/services/auth/versions/v1";
    for (subject, status) in [(EVIL, 401), (SLY, 200)] {
        let body = json!({ "url": format!("http://127.0.0.1:{status}"), "reason": SLY });
        by(gateway, &token(subject), Method::PUT, &format!("{path}?force=true"), &body, status).await;
    }
    let path = "/deployment/services";
    for token in [CREDENTIAL, &format!("{CREDENTIAL}.{CREDENTIAL}.{CREDENTIAL}"), &token("alice")[1..]] {
        by(gateway, token, Method::GET, path, &Value::Null, 401).await;
    }
    let evil = "x%0d%0a2001-01-01T00:00:00.000000Z%20ERROR%20forged%1b";
    by(gateway, &token("alice"), Method::PUT, &format!("{path}/{evil}/weights"), &json!({}), 422).await;
    by(
        gateway,
        &token("alice"),
        Method::PUT,
        &format!("{path}/auth/weights?{evil}"),
        &json!({ EVIL: SLY }),
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

/// Asks the admin API, which must answer with `status`.
async fn by(gateway: &Gateway, token: &str, method: Method, path: &str, body: &Value, status: u16) {
    let request = Request::builder().method(method).uri(format!("{}{path}", gateway.admin));
    let request = request.header("authorization", format!("Bearer {token}"));
    let request = request.header("content-type", "application/json").body(full(body.to_string())).unwrap();
    let answer = read(client().request(request).await.unwrap()).await;
    assert_eq!(answer.status, status, "{path} {body}: {answer:?}");
}

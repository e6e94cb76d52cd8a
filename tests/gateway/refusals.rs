//! Responses of the gateway itself, which show no internals.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use tokio::net::{TcpSocket, TcpStream};

use crate::addresses::ClosedPort;
use crate::clients::raw;
use crate::harness::{FullResponse, Gateway};

fn assert_problem(response: &FullResponse, status: StatusCode, kind: &str) {
    assert_eq!(response.status, status, "{response:?}");
    assert_eq!(response.headers["content-type"], "application/problem+json");
    let problem: serde_json::Value = serde_json::from_str(&response.text).unwrap();
    assert_eq!((&problem["type"], &problem["status"]), (&kind.into(), &status.as_u16().into()));
    assert!(!response.text.contains("127.0.0.1") && !response.text.contains("os error"), "{}", response.text);
}

#[tokio::test]
async fn unreachable_backend_is_502() {
    let gone = ClosedPort::new();
    let gateway = Gateway::start(&["--no-demo"]);
    gateway.register("auth", "v1", &gone.url()).await;
    assert_problem(&gateway.get("/auth/").await, StatusCode::BAD_GATEWAY, "bad-gateway");
}

#[tokio::test]
async fn malformed_backend_response_is_502() {
    for response in [
        "",
        "nonsense\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(response.as_bytes()).await;
            }
        });
        let gateway = Gateway::start(&["--no-demo"]);
        gateway.register("auth", "v1", &url).await;
        assert_problem(&gateway.get("/auth/").await, StatusCode::BAD_GATEWAY, "bad-gateway");
    }
}

#[tokio::test]
async fn connect_timeout_is_504() {
    // Fill the accept queue: further connections get no reply at all.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut filled = Vec::new();
    for _ in 0..4 {
        filled.push(tokio::spawn(TcpStream::connect(address)));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let gateway = Gateway::start(&["--no-demo"]);
    gateway.register("auth", "v1", &format!("http://{address}")).await;
    let start = Instant::now();
    assert_problem(&gateway.get("/auth/").await, StatusCode::GATEWAY_TIMEOUT, "gateway-timeout");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[tokio::test]
async fn connect_and_unknown_codings_are_501() {
    let gateway = Gateway::start(&[]);
    let connect =
        raw(&gateway.data, b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n").await;
    assert!(connect.starts_with("HTTP/1.1 501"), "{connect}");
    let head = "POST /auth/ HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n";
    let coded = raw(&gateway.data, head.as_bytes()).await;
    assert!(coded.starts_with("HTTP/1.1 501"), "{coded}");
}

#[tokio::test]
async fn routing_loop_is_508() {
    let gateway = Gateway::start(&["--no-demo"]);
    let other = Gateway::start(&["--no-demo"]);
    gateway.register("auth", "v1", &other.url("/auth")).await;
    other.register("auth", "v1", &gateway.url("/auth")).await;
    assert_problem(&gateway.get("/auth/").await, StatusCode::LOOP_DETECTED, "loop-detected");
}

#[tokio::test]
async fn no_active_version_is_503() {
    let gateway = Gateway::start(&["--no-demo"]);
    let body = serde_json::json!({ "version": "v1", "url": "http://127.0.0.1:9", "active": false });
    gateway.admin(Method::POST, "/routing/services/idle/versions", body).await;
    assert_problem(&gateway.get("/idle/").await, StatusCode::SERVICE_UNAVAILABLE, "no-active-version");
}

//! WebSockets through the gateway.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::Method;
use tokio::time::timeout;

use crate::backends::{Backend, websocket};
use crate::harness::Gateway;
use crate::sockets::{message, open, receive};
use crate::streams::{Plan, across_switches};

async fn gateway(options: &[&str]) -> (Gateway, [Backend; 2]) {
    let gateway = Gateway::start(&[&["--no-demo"], options].concat());
    let backends = [websocket("v1").await, websocket("v2").await];
    for (version, backend) in ["v1", "v2"].into_iter().zip(&backends) {
        gateway.register("auth", version, &backend.url).await;
    }
    (gateway, backends)
}

// 10,000 messages, byte for byte, and one more when the version is inactive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websocket_survives_a_switch() {
    let (gateway, _backends) = gateway(&[]).await;
    let (mut socket, version) = open(&gateway).await;
    assert_eq!(version, "v1");
    for batch in 0..100 {
        if batch == 50 {
            gateway.switch("auth", "v2").await;
            assert_eq!(open(&gateway).await.1, "v2");
        }
        for i in batch * 100..(batch + 1) * 100 {
            socket.feed(message(i)).await.unwrap();
        }
        socket.flush().await.unwrap();
        for i in batch * 100..(batch + 1) * 100 {
            assert_eq!(receive(&mut socket).await, message(i), "{i}");
        }
    }
    // The first version keeps its tunnel even while it is inactive.
    let inactive = serde_json::json!({ "active": false });
    gateway.admin(Method::PUT, "/routing/services/auth/versions/v1", inactive).await;
    socket.send(message(1)).await.unwrap();
    assert_eq!(receive(&mut socket).await, message(1));
}

// WebSockets, gRPC streams, unary calls and server-sent events, byte for byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_survive_repeated_switches() {
    let (switches, took) = across_switches(Plan { each: 10, messages: 500 }).await;
    println!("{switches} switches in {took:?}");
    assert!(switches > 3, "{switches}");
}

#[tokio::test]
async fn sigterm_waits_for_open_sockets() {
    let (mut gateway, _backends) = gateway(&[]).await;
    let (mut socket, _) = open(&gateway).await;
    gateway.terminate();
    gateway.wait_closed().await;
    assert_eq!(gateway.exit(Duration::from_millis(700)).await, None, "it drains");
    socket.send(message(7)).await.unwrap();
    assert_eq!(receive(&mut socket).await, message(7));
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
    drop(socket);
    let status = gateway.exit(Duration::from_secs(15)).await;
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

#[tokio::test]
async fn drain_timeout_cuts_open_sockets() {
    let (mut gateway, _backends) = gateway(&["--drain", "3"]).await;
    let (mut socket, _) = open(&gateway).await;
    gateway.terminate();
    assert_eq!(gateway.exit(Duration::from_millis(700)).await, None, "it drains");
    let status = gateway.exit(Duration::from_secs(15)).await;
    assert_eq!(status.and_then(|status| status.code()), Some(0));
    assert!(timeout(Duration::from_secs(5), socket.next()).await.unwrap().is_none_or(|end| end.is_err()));
}

//! The notice between SIGTERM and the drain, and the order in which the listeners close.

use std::time::Duration;

use http::{Request, StatusCode};

use crate::backends::{Held, named_backend};
use crate::harness::{Gateway, client, empty, read, read_url};

async fn readiness(gateway: &Gateway) -> StatusCode {
    read_url(&gateway.admin.replace("/api/v1/admin", "/readyz")).await.status
}

#[tokio::test]
async fn notice_precedes_the_drain() {
    let slow = Held::start("v1").await;
    let quick = named_backend("v1", Duration::ZERO).await;
    let mut gateway = Gateway::start(&["--no-demo", "--drain-notice", "5"]);
    gateway.register("slow", "v1", &slow.backend.url).await;
    gateway.register("quick", "v1", &quick.url).await;
    assert_eq!(readiness(&gateway).await, StatusCode::OK);
    let request = Request::get(gateway.url("/slow/a")).body(empty()).unwrap();
    let in_flight = tokio::spawn(client().request(request));
    gateway.wait_in_flight("slow", "v1", 1).await;

    gateway.terminate();
    gateway.wait_readiness(503).await;
    assert_eq!(read_url(&gateway.url("/quick/")).await.status, StatusCode::OK);

    // It drains. The admin listener is open to the end.
    gateway.wait_closed().await;
    assert_eq!(readiness(&gateway).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(gateway.in_flight("slow", "v1").await, 1);
    assert!(gateway.tasks().await > 0);
    slow.release();
    assert_eq!(read(in_flight.await.unwrap().unwrap()).await.text, "auth v1 /a\n");
    let status = gateway.exit(Duration::from_secs(10)).await;
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

#[tokio::test]
async fn second_sigterm_ends_the_notice() {
    let mut gateway = Gateway::start(&["--no-demo", "--drain-notice", "60"]);
    gateway.terminate();
    gateway.wait_readiness(503).await;
    assert_eq!(gateway.exit(Duration::from_millis(500)).await, None, "it waits");
    gateway.terminate();
    let status = gateway.exit(Duration::from_secs(10)).await;
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

// Operators that watch traffic do not delay the end.
#[tokio::test]
async fn open_event_stream_delays_no_stop() {
    let mut gateway = Gateway::start(&[]);
    let events = gateway.events("/deployment/services/auth/traffic").await;
    assert_eq!(events.status(), StatusCode::OK);
    gateway.terminate();
    let status = gateway.exit(Duration::from_secs(15)).await;
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

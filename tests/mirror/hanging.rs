//! A version that gets copies and does not respond, over real sockets.

use std::time::{Duration, Instant};

use http::Method;
use tower_canary::traffic::Unsent;

use crate::mocks::mirror;
use crate::support::*;

const REQUESTS: usize = 400;

/// Returns the median of the time of requests, eight at a time. What delays each request shows there, and what delays some,
/// such as other programs, does not.
async fn median(gateway: &Gateway) -> Duration {
    let mut times = Vec::new();
    for _ in 0..REQUESTS / 8 {
        let each = (0..8).map(|_| async {
            let began = Instant::now();
            gateway.get("/auth/x").await;
            began.elapsed()
        });
        times.extend(futures_util::future::join_all(each).await);
    }
    times.sort_unstable();
    times[REQUESTS / 2]
}

#[tokio::test]
async fn hanging_version_delays_no_request() {
    let stable = Backend::start(Duration::from_millis(5)).await;
    let hanging = Backend::start(Duration::from_secs(3_600)).await;
    let mut gateway =
        Gateway::start([&stable.url(), &hanging.url()], "100", mirror().with_max_in_flight(16)).await;
    let with_copies = median(&gateway).await;
    gateway.change(&tower_canary::routing::Change::remove_mirror());
    let without = median(&gateway).await;
    println!("median {with_copies:?} with copies, {without:?} without");
    assert!(with_copies < without * 3 + Duration::from_millis(50), "{with_copies:?} beside {without:?}");
    let copies = gateway.copies();
    assert_eq!((copies.sent(), copies.unsent(Unsent::Busy)), (16, REQUESTS as u64 - 16));
    wait_until(|| hanging.most() == 16).await;
    assert_eq!(gateway.handle.in_flight("auth", "v1"), 16);
}

// The version reads no byte, so a copy with a body waits for its socket. The original does not.
#[tokio::test]
async fn unread_copy_delays_no_upload() {
    let stable = Backend::start(Duration::ZERO).await;
    let unread = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", unread.local_addr().unwrap());
    let mirror = mirror().with_methods([Method::POST]).with_max_body(16 << 20);
    let gateway = Gateway::start([&stable.url(), &url], "100", mirror).await;
    for _ in 0..3 {
        let began = Instant::now();
        let body = "x".repeat(8 << 20);
        let response = gateway.client.post(gateway.url("/auth/x")).body(body).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
    assert_eq!((gateway.copies().sent(), gateway.handle.in_flight("auth", "v1")), (3, 3));
}

//! A backend that accepts the request and never responds.

use std::time::{Duration, Instant};

use http::StatusCode;

use crate::backends::named_backend;
use crate::harness::Gateway;

#[tokio::test]
#[ignore = "takes a minute"]
async fn silent_backend_is_504_after_a_minute() {
    let silent = named_backend("v1", Duration::from_secs(600)).await;
    let gateway = Gateway::start(&["--no-demo"]);
    gateway.register("auth", "v1", &silent.url).await;
    let start = Instant::now();
    let response = gateway.get("/auth/").await;
    println!("{} after {:?}", response.status, start.elapsed());
    assert_eq!(response.status, StatusCode::GATEWAY_TIMEOUT);
    assert!((59..=65).contains(&start.elapsed().as_secs()));
}

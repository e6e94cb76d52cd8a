//! Shares of traffic that other products promise.

use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::backends::{echo, named_backend};
use crate::harness::Gateway;

/// The conformance test of the Kubernetes Gateway API for weights: 70/30/0, 500 requests, 10 concurrent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateway_meets_gateway_api_weights() {
    let gateway = Gateway::start(&["--no-demo"]);
    let mut backends = Vec::new();
    for name in ["v1", "v2", "v3"] {
        let backend = named_backend(name, Duration::ZERO).await;
        gateway.register("auth", name, &backend.url).await;
        backends.push(backend);
    }
    let weights = json!({ "weights": { "v1": 70, "v2": 30, "v3": 0 } });
    gateway.admin(Method::PUT, "/deployment/services/auth/weights", weights).await;
    let counts = gateway.count_versions("/auth/", 500, 10).await;
    assert!(counts["v1"].abs_diff(350) <= 5 && counts["v2"].abs_diff(150) <= 5, "{counts:?}");
    assert_eq!(counts.get("v3"), None, "{counts:?}");
}

// Unchanged: for an unknown service and for one without an active version.
#[tokio::test]
async fn fallback_gets_unroutable_requests() {
    let monolith = echo().await;
    let gateway = Gateway::start(&["--fallback-url", &monolith.url]);
    assert!(gateway.get("/legacy/page?x=%2f").await.text.starts_with("GET /legacy/page?x=%2f\n"));
    assert!(gateway.get("/auth/page").await.text.starts_with("auth v1.0 /page"));
    assert!(gateway.get("/").await.text.starts_with("GET /\n"));

    let idle = json!({ "version": "v1", "url": "http://127.0.0.1:9", "active": false });
    gateway.admin(Method::POST, "/routing/services/idle/versions", idle).await;
    assert!(gateway.get("/idle/page").await.text.starts_with("GET /idle/page\n"));
}

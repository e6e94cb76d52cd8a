//! The entity tags of `If-Match`, through the admin API. The writes are rehearsed, so the generation stays 2.
#![no_main]

use std::sync::LazyLock;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use http::header::{CONTENT_TYPE, HeaderValue, IF_MATCH};
use http::request::Parts;
use http::{Request, StatusCode};
use libfuzzer_sys::fuzz_target;
use tower::ServiceExt;
use tower_canary::admin::{self, AdminAuth, AuthError, Authenticator, Principal, Scope};
use tower_canary::routing::Change;
use tower_canary::store::ChangeRequest;
use tower_canary::{Deployments, Draw};
use tower_canary_fuzz::RUNTIME;

#[derive(Debug)]
struct Anyone;

#[async_trait]
impl Authenticator for Anyone {
    async fn authenticate(&self, _: &Parts) -> Result<Principal, AuthError> {
        let principal = Principal::new("fuzzer").map_err(AuthError::invalid)?;
        Ok(principal.with_scopes([Scope::Read, Scope::Write]))
    }
}

static API: LazyLock<Router> = LazyLock::new(|| {
    RUNTIME.block_on(async {
        let deployments = Deployments::in_memory(Draw::Exact);
        for (version, url) in [("v1", "http://10.0.0.1"), ("v2", "http://10.0.0.2")] {
            let register = Change::register(version.parse().unwrap(), url.parse().unwrap());
            let request = ChangeRequest::new(register, "fuzzer");
            deployments.apply(&"auth".parse().unwrap(), request).await.unwrap();
        }
        admin::router(deployments, AdminAuth::custom(Anyone))
    })
});

fuzz_target!(|data: &[u8]| {
    let mut request = Request::put("/deployment/services/auth/weights?dryRun=true")
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(r#"{"weights": {"v1": 40, "v2": 60}}"#))
        .unwrap();
    let lines = data.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok());
    for line in lines {
        request.headers_mut().append(IF_MATCH, line);
    }
    let conditions: Vec<_> = request.headers().get_all(IF_MATCH).iter().cloned().collect();
    let contains = |text: &[u8]| {
        conditions.iter().any(|line| line.as_bytes().windows(text.len()).any(|window| window == text))
    };

    let status = RUNTIME.block_on(API.clone().oneshot(request)).unwrap().status();
    // The hash after a hyphen tells of the health of instances, on which a change does not depend.
    let is_met = conditions.is_empty() || contains(b"*") || contains(b"\"2\"") || contains(b"\"2-");
    match status {
        StatusCode::OK => assert!(is_met, "{conditions:?} does not name generation 2"),
        StatusCode::BAD_REQUEST | StatusCode::PRECONDITION_FAILED => {
            assert!(!conditions.is_empty(), "a write without a condition was refused");
            let is_plain = matches!(&conditions[..], [line] if line == "\"2\"" || line == "*");
            assert!(!is_plain, "{conditions:?} names generation 2");
        }
        status => panic!("{conditions:?} was answered {status}"),
    }
});

//! Authenticators of an application: who the actor is, and which challenge a rejected client gets.

use async_trait::async_trait;
use axum::body::Body;
use http::header::WWW_AUTHENTICATE;
use http::request::Parts;
use http::{HeaderValue, Request};
use serde_json::json;
use tower_canary::admin::{AdminAuth, AuthError, Authenticator, Denial, Principal, Scope};

use crate::auth::request;
use crate::support::{Api, MOUNT};

/// Takes the name in a header.
#[derive(Debug)]
struct ByHeader;

#[async_trait]
impl Authenticator for ByHeader {
    async fn authenticate(&self, request: &Parts) -> Result<Principal, AuthError> {
        let user = request.headers.get("x-user").ok_or(AuthError::Missing)?;
        let user = user.to_str().map_err(AuthError::invalid)?;
        Ok(Principal::new(user).map_err(AuthError::invalid)?.with_scopes([Scope::Read, Scope::Write]))
    }
}

#[tokio::test]
async fn custom_authenticator_names_the_actor() {
    fn register(user: Option<&str>) -> Request<Body> {
        let mut request = Request::post(format!("{MOUNT}/routing/services/auth/versions"));
        request = user.into_iter().fold(request, |request, user| request.header("x-user", user));
        let body = Body::from(r#"{"version":"v1","url":"http://10.0.0.1"}"#);
        request.header("content-type", "application/json").body(body).unwrap()
    }

    let api = Api::with(AdminAuth::custom(ByHeader)).await;
    api.send(register(None)).await.is_problem(401, "unauthorized");
    api.send(register(Some(""))).await.is_problem(401, "unauthorized");
    api.send(register(Some("bob"))).await.is_ok();
    let history = Request::get(format!("{MOUNT}/deployment/services/auth/history")).header("x-user", "bob");
    let history = api.send(history.body(Body::empty()).unwrap()).await;
    assert_eq!(history.json["history"][0]["actor"], json!("bob"));
}

/// Rejects every request and states its own scheme.
#[derive(Debug)]
struct Signed;

#[async_trait]
impl Authenticator for Signed {
    async fn authenticate(&self, _: &Parts) -> Result<Principal, AuthError> {
        Err(AuthError::Missing)
    }

    fn challenge(&self, denial: Denial) -> Option<HeaderValue> {
        assert_eq!(denial, Denial::MissingCredentials);
        Some(HeaderValue::from_static("Signature"))
    }

    fn instructions(&self) -> &str {
        "sign the request"
    }
}

#[tokio::test]
async fn a_custom_authenticator_states_its_challenge() {
    let api = Api::with(AdminAuth::custom(Signed)).await;
    let answer = api.send(request("GET", "/deployment/services", &[])).await;
    answer.is_problem(401, "unauthorized");
    assert_eq!(answer.headers[WWW_AUTHENTICATE], "Signature");
    assert_eq!(answer.json["detail"], "sign the request");
}

/// Grants the scope that the request names.
#[derive(Debug)]
struct ByScope;

#[async_trait]
impl Authenticator for ByScope {
    async fn authenticate(&self, request: &Parts) -> Result<Principal, AuthError> {
        let scope = request.headers.get("x-scope").ok_or(AuthError::Missing)?;
        let scope: Scope = scope.to_str().map_err(AuthError::invalid)?.parse().map_err(AuthError::invalid)?;
        Ok(Principal::new("bob").map_err(AuthError::invalid)?.with_scopes([scope]))
    }
}

#[tokio::test]
async fn the_default_challenge_does_not_ask_for_a_bearer_token() {
    let api = Api::with(AdminAuth::custom(ByScope)).await;
    let send = async |scope: Option<&'static str>| {
        let mut request = request("GET", "/deployment/services", &[]);
        if let Some(scope) = scope {
            request.headers_mut().insert("x-scope", HeaderValue::from_static(scope));
        }
        api.send(request).await
    };
    for answer in [send(None).await, send(Some("admin")).await] {
        answer.is_problem(401, "unauthorized");
        assert_eq!(answer.headers[WWW_AUTHENTICATE], r#"Custom realm="canary-admin""#);
        assert!(!answer.text.to_lowercase().contains("bearer"), "{}", answer.text);
    }
    let denied = send(Some("canary:write")).await;
    denied.is_problem(403, "insufficient-scope");
    assert!(!denied.headers.contains_key(WWW_AUTHENTICATE));
    send(Some("canary:read")).await.is_ok();
}

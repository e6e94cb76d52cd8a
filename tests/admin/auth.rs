//! Authentication: no route, known or not, responds to an unauthenticated client.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use http::Request;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http_body_util::BodyExt;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_canary::admin::{self, AdminAuth, JwtAuth, JwtConfigError};
use tower_canary::{Deployments, Draw};

use crate::keys::{EC, ED, RSA};
use crate::support::{AUDIENCE, Api, ISSUER, MOUNT, SECRET, claims, now, token};

/// Every route with every method, from the document, and some that do not exist.
fn requests() -> Vec<(&'static str, String)> {
    let document = admin::openapi_json();
    let documented = document["paths"].as_object().unwrap().keys();
    let known = documented.map(|path| {
        path.replace("{service}", "auth").replace("{version}", "v1.1").replace("{rollout}", "current")
    });
    let unknown =
        ["", "/nowhere", "/deployment/services/", "/openapi", "/deployment/services/ghost/versions"];
    let paths: Vec<String> = known.chain(unknown.map(str::to_owned)).collect();
    let methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "QUERY"];
    methods.into_iter().flat_map(|method| paths.clone().into_iter().map(move |path| (method, path))).collect()
}

/// Returns a request with a body for any route, and these values of `Authorization`.
pub(crate) fn request(method: &str, path: &str, authorization: &[&str]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(format!("{MOUNT}{path}"));
    for value in authorization {
        request = request.header(AUTHORIZATION, *value);
    }
    request.header("content-type", "application/json").body(Body::from(r#"{"weight":50}"#)).unwrap()
}

fn with(change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> String {
    let mut claims = claims();
    change(claims.as_object_mut().unwrap());
    token(&claims)
}

fn signed(algorithm: Algorithm, key: &EncodingKey) -> String {
    encode(&Header::new(algorithm), &claims(), key).unwrap()
}

fn base64(text: &str) -> String {
    // The second part of a token is the base64 of its claims, and any JSON can be claims.
    let value: Value = serde_json::from_str(text).unwrap();
    token(&value).split('.').nth(1).unwrap().to_owned()
}

/// Tokens that must be rejected.
fn bad_tokens() -> Vec<(&'static str, String)> {
    let good = token(&claims());
    let parts: Vec<&str> = good.split('.').collect();
    let none = base64(r#"{"alg":"none","typ":"JWT"}"#);
    let mut critical = Header::new(Algorithm::HS256);
    critical.crit = Some(vec!["exp".into()]);
    vec![
        ("empty", String::new()),
        ("not a token", "garbage".into()),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("four parts", format!("{good}.x")),
        ("alg none", format!("{none}.{}.", parts[1])),
        ("alg none with a signature", format!("{none}.{}.{}", parts[1], parts[2])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("cut signature", good[..good.len() - 2].to_owned()),
        ("another key", {
            encode(&Header::default(), &claims(), &EncodingKey::from_secret(&[9; 32])).unwrap()
        }),
        ("another algorithm of the family", signed(Algorithm::HS512, &EncodingKey::from_secret(SECRET))),
        ("rsa", signed(Algorithm::RS256, &EncodingKey::from_rsa_pem(RSA.private.as_bytes()).unwrap())),
        ("critical header", encode(&critical, &claims(), &EncodingKey::from_secret(SECRET)).unwrap()),
        ("expired", with(|c| _ = c.insert("exp".into(), json!(now() - 40)))),
        ("no exp", with(|c| _ = c.remove("exp"))),
        ("exp as text", with(|c| _ = c.insert("exp".into(), json!((now() + 300).to_string())))),
        ("exp null", with(|c| _ = c.insert("exp".into(), json!(null)))),
        ("exp negative", with(|c| _ = c.insert("exp".into(), json!(-1)))),
        ("not yet", with(|c| _ = c.insert("nbf".into(), json!(now() + 60)))),
        ("nbf as text", with(|c| _ = c.insert("nbf".into(), json!("0")))),
        ("no iss", with(|c| _ = c.remove("iss"))),
        ("wrong iss", with(|c| _ = c.insert("iss".into(), json!("evil")))),
        ("list of iss", with(|c| _ = c.insert("iss".into(), json!(["evil", ISSUER])))),
        ("no aud", with(|c| _ = c.remove("aud"))),
        ("wrong aud", with(|c| _ = c.insert("aud".into(), json!("other")))),
        ("no sub", with(|c| _ = c.remove("sub"))),
        ("empty sub", with(|c| _ = c.insert("sub".into(), json!("")))),
        ("sub with control characters", with(|c| _ = c.insert("sub".into(), json!("a\nb")))),
        ("long sub", with(|c| _ = c.insert("sub".into(), json!("a".repeat(256))))),
        ("sub a number", with(|c| _ = c.insert("sub".into(), json!(7)))),
        ("scope a number", with(|c| _ = c.insert("scope".into(), json!(7)))),
    ]
}

// All rejections have the same body, so that a client cannot learn which routes exist.
#[tokio::test]
async fn every_route_rejects_bad_credentials() {
    let api = Api::with_two_versions().await;
    let before = api.stored().await;
    let good = format!("Bearer {}", token(&claims()));
    let bad: Vec<(&str, String)> =
        bad_tokens().into_iter().map(|(what, token)| (what, format!("Bearer {token}"))).collect();
    let mut cases: Vec<(&str, Vec<&str>)> =
        bad.iter().map(|(what, header)| (*what, vec![header.as_str()])).collect();
    cases.push(("none", vec![]));
    cases.push(("two headers", vec![&good, &good]));
    cases.push(("another scheme", vec!["Basic YWxpY2U6YWxpY2U="]));
    cases.push(("no scheme", vec![&good[7..]]));
    cases.push(("two in one", vec![]));
    let two_in_one = format!("{good}, {good}");
    cases.last_mut().unwrap().1.push(&two_in_one);
    let mut body = None;
    for (method, path) in requests() {
        for (what, headers) in &cases {
            let answer = api.send(request(method, &path, headers)).await;
            assert_eq!(answer.status, 401, "{what}: {method} {path}: {}", answer.text);
            assert!(answer.headers[WWW_AUTHENTICATE].to_str().unwrap().starts_with("Bearer"));
            assert!(!answer.headers.contains_key("allow"), "{method} {path} shows its methods");
            if method != "HEAD" {
                assert_eq!(
                    answer.text,
                    *body.get_or_insert_with(|| answer.text.clone()),
                    "{what}: {method} {path}"
                );
            }
        }
    }
    assert_eq!(api.stored().await, before);
}

#[tokio::test]
async fn mount_root_requires_a_token() {
    let jwt = JwtAuth::hs256(SECRET, ISSUER, AUDIENCE).unwrap();
    let router = admin::router(Deployments::in_memory(Draw::Exact), AdminAuth::jwt(jwt));
    let app = Router::new().nest_service(MOUNT, router);
    for path in ["", "/", "/deployment/services"] {
        let answer = app.clone().oneshot(request("GET", path, &[])).await.unwrap();
        assert_eq!(answer.status(), 401, "{path}");
    }
}

#[tokio::test]
async fn the_api_nests_into_a_router_with_a_state() {
    let jwt = JwtAuth::hs256(SECRET, ISSUER, AUDIENCE).unwrap();
    let hello = axum::routing::get(async |State(greeting): State<&'static str>| greeting);
    let app: Router = Router::new()
        .route("/hello", hello)
        .nest(MOUNT, admin::router(Deployments::in_memory(Draw::Exact), AdminAuth::jwt(jwt)))
        .with_state("hello");
    let bearer = format!("Bearer {}", token(&claims()));
    let services = request("GET", "/deployment/services", &[&bearer]);
    assert_eq!(app.clone().oneshot(services).await.unwrap().status(), 200);
    let hello = app.oneshot(Request::get("/hello").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(hello.into_body().collect().await.unwrap().to_bytes(), "hello");
}

#[tokio::test]
async fn challenge_reports_invalid_token() {
    let api = Api::new().await;
    let challenge = async |headers: &[&str]| {
        let answer = api.send(request("GET", "/deployment/services", headers)).await;
        answer.is_problem(401, "unauthorized");
        answer.headers[WWW_AUTHENTICATE].to_str().unwrap().to_owned()
    };
    assert_eq!(challenge(&[]).await, "Bearer");
    assert_eq!(challenge(&["Basic x"]).await, "Bearer");
    assert_eq!(challenge(&["Bearer x"]).await, r#"Bearer error="invalid_token""#);
}

#[tokio::test]
async fn query_token_is_ignored() {
    let api = Api::new().await;
    let path = format!("/deployment/services?access_token={}", token(&claims()));
    api.send(request("GET", &path, &[])).await.is_problem(401, "unauthorized");
}

/// Whether an authenticated sender without scopes gets a response.
fn is_for_everyone(method: &str, path: &str) -> bool {
    matches!(method, "GET" | "HEAD") && path == "/whoami"
}

#[tokio::test]
async fn every_route_requires_its_scope() {
    let api = Api::with_two_versions().await;
    let before = api.stored().await;
    for (method, path) in requests().into_iter().filter(|(method, path)| !is_for_everyone(method, path)) {
        let is_probe = method == "POST" && path.ends_with("/check");
        let other = if matches!(method, "GET" | "HEAD") { "canary:write" } else { "canary:read" };
        for scope in [
            json!(if is_probe { "" } else { other }),
            json!(""),
            json!("canary:readcanary:write"),
            json!([]),
            json!("CANARY:READ CANARY:WRITE"),
        ] {
            let bearer = format!("Bearer {}", with(|c| _ = c.insert("scope".into(), scope)));
            let answer = api.send(request(method, &path, &[&bearer])).await;
            assert_eq!(answer.status, 403, "{method} {path}");
            assert_eq!(answer.headers[WWW_AUTHENTICATE], r#"Bearer error="insufficient_scope""#);
            if method != "HEAD" {
                answer.is_problem(403, "insufficient-scope");
            }
        }
    }
    assert_eq!(api.stored().await, before);
}

#[tokio::test]
async fn common_token_forms_are_accepted() {
    let api = Api::new().await;
    let get =
        async |header: String| api.send(request("GET", "/deployment/services", &[&header])).await.status;
    let good = token(&claims());
    for scheme in ["Bearer ", "bearer ", "BEARER ", "Bearer   "] {
        assert_eq!(get(format!("{scheme}{good}")).await, 200, "{scheme}");
    }
    for token in [
        with(|c| _ = c.insert("exp".into(), json!(now() - 20))),
        with(|c| _ = c.insert("nbf".into(), json!(now() + 20))),
        with(|c| _ = c.insert("aud".into(), json!(["other", AUDIENCE]))),
        with(|c| _ = c.insert("sub".into(), json!("é".repeat(255)))),
        with(|c| _ = c.insert("scope".into(), json!(["openid", "canary:read"]))),
        with(|c| {
            c.remove("scope");
            c.insert("scp".into(), json!("canary:read"));
        }),
    ] {
        assert_eq!(get(format!("Bearer {token}")).await, 200);
    }
}

#[tokio::test]
async fn algorithms_accept_only_their_tokens() {
    let hs = EncodingKey::from_secret(SECRET);
    let rs = EncodingKey::from_rsa_pem(RSA.private.as_bytes()).unwrap();
    let es = EncodingKey::from_ec_pem(EC.private.as_bytes()).unwrap();
    let ed = EncodingKey::from_ed_pem(ED.private.as_bytes()).unwrap();
    let tokens = [
        signed(Algorithm::HS256, &hs),
        signed(Algorithm::RS256, &rs),
        signed(Algorithm::ES256, &es),
        signed(Algorithm::EdDSA, &ed),
    ];
    let auths = [
        JwtAuth::hs256(SECRET, ISSUER, AUDIENCE),
        JwtAuth::rs256(RSA.public.as_bytes(), ISSUER, AUDIENCE),
        JwtAuth::es256(EC.public.as_bytes(), ISSUER, AUDIENCE),
        JwtAuth::eddsa(ED.public.as_bytes(), ISSUER, AUDIENCE),
    ];
    // The public key, which is no secret, taken for the secret of an HMAC.
    let confused = [RSA.public.as_bytes(), EC.public.as_bytes(), ED.public.as_bytes()]
        .map(|public| signed(Algorithm::HS256, &EncodingKey::from_secret(public)));
    for (i, auth) in auths.into_iter().enumerate() {
        let api = Api::with(AdminAuth::jwt(auth.unwrap())).await;
        for (j, token) in tokens.iter().chain(&confused).enumerate() {
            let bearer = format!("Bearer {token}");
            let answer = api.send(request("GET", "/deployment/services", &[&bearer])).await;
            assert_eq!(answer.status.as_u16(), if i == j { 200 } else { 401 }, "{i} {j}");
        }
    }
}

// Short secrets, private keys and keys of another algorithm. `Debug` hides the secret.
#[test]
fn unsafe_keys_are_refused() {
    assert!(matches!(JwtAuth::hs256(&[7; 31], ISSUER, AUDIENCE), Err(JwtConfigError::ShortSecret(31))));
    for private in [&RSA, &EC, &ED].map(|keys| keys.private.as_bytes()) {
        assert!(matches!(JwtAuth::rs256(private, ISSUER, AUDIENCE), Err(JwtConfigError::PrivateKey)));
    }
    for wrong in [b"".as_slice(), b"garbage", EC.public.as_bytes(), ED.public.as_bytes()] {
        assert!(matches!(JwtAuth::rs256(wrong, ISSUER, AUDIENCE), Err(JwtConfigError::Key(_))));
    }
    assert!(JwtAuth::es256(RSA.public.as_bytes(), ISSUER, AUDIENCE).is_err());
    assert!(JwtAuth::eddsa(EC.public.as_bytes(), ISSUER, AUDIENCE).is_err());
    let shown = format!("{:?}", JwtAuth::hs256(SECRET, ISSUER, AUDIENCE).unwrap());
    assert!(!shown.contains("0123456789") && !shown.contains("48, 49"), "{shown}");
}

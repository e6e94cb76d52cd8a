//! The keys and the scopes of tokens.

use axum::body::Body;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tower_canary::admin::{AdminAuth, JwtAuth, JwtConfigError, JwtKeys};

use crate::keys::{EC, ED, RSA};
use crate::support::{AUDIENCE, Api, ISSUER, SECRET, claims, token};

const OTHER: &[u8] = &[9; 32];

/// The scopes that the API sees in a token with these claims instead of `scope`, or the status of a refusal.
async fn scopes(auth: &JwtAuth, more: Value) -> Value {
    let mut claims = claims();
    let claims_map = claims.as_object_mut().unwrap();
    claims_map.remove("scope");
    claims_map.extend(more.as_object().unwrap().clone());
    let answer = whoami(auth, &token(&claims)).await;
    if answer.status == 200 { answer.json["scopes"].clone() } else { json!(answer.status.as_u16()) }
}

async fn whoami(auth: &JwtAuth, token: &str) -> crate::support::Answer {
    let api = Api::with(AdminAuth::jwt(auth.clone())).await;
    let mut request = api.request("GET", "/whoami", Body::empty());
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    api.send(request).await
}

fn signed(id: Option<&str>, secret: &[u8]) -> String {
    let header = Header { kid: id.map(ToOwned::to_owned), ..Header::default() };
    encode(&header, &claims(), &EncodingKey::from_secret(secret)).unwrap()
}

fn usual() -> JwtAuth {
    JwtAuth::hs256(SECRET, ISSUER, AUDIENCE).unwrap()
}

#[tokio::test]
async fn usual_claims_have_scopes() {
    let both = json!(["canary:read", "canary:write"]);
    for claims in [
        json!({"scope": "openid canary:read canary:write"}),
        json!({"scp": ["canary:write", "canary:read"]}),
        json!({"roles": ["canary:read", "canary:write", "Other.Role"]}),
        json!({"permissions": ["canary:write", "canary:read"]}),
        json!({"scope": "canary:read", "roles": ["canary:write"]}),
        json!({"scope": null, "scp": "canary:read canary:write"}),
    ] {
        assert_eq!(scopes(&usual(), claims.clone()).await, both, "{claims}");
    }
}

#[tokio::test]
async fn other_claims_have_none() {
    for claims in [
        json!({}),
        json!({"scope": null}),
        json!({"scopes": "canary:read"}),
        json!({"realm_access": {"roles": ["canary:read"]}}),
        json!({"roles": ["CANARY:READ", "canary:read canary:write"]}),
    ] {
        assert_eq!(scopes(&usual(), claims.clone()).await, json!([]), "{claims}");
    }
    for claims in [json!({"scope": 7}), json!({"scp": [7]}), json!({"scp": {"canary:read": true}})] {
        assert_eq!(scopes(&usual(), claims.clone()).await, json!(401), "{claims}");
    }
}

// The claims of another system have these names, and a form of their own.
#[tokio::test]
async fn other_roles_leave_scopes_alone() {
    for other in [json!({"admin": true}), json!([7, {"id": 1}]), json!("canary:write"), json!(null)] {
        for name in ["roles", "permissions"] {
            let claims = json!({"scope": "canary:read", name: other});
            assert_eq!(scopes(&usual(), claims.clone()).await, json!(["canary:read"]), "{claims}");
        }
    }
    let auth = usual().with_scope_claim("roles");
    assert_eq!(scopes(&auth, json!({"roles": {"admin": true}})).await, json!(401));
}

#[tokio::test]
async fn scope_claim_may_be_a_path() {
    let read = json!(["canary:read"]);
    let roles = json!({"roles": ["canary:read"]});
    for (path, claims) in [
        ("realm_access.roles", json!({"realm_access": roles})),
        ("resource_access.my.gateway.roles", json!({"resource_access": {"my.gateway": roles}})),
        ("https://ops.example/roles", json!({"https://ops.example/roles": ["canary:read"]})),
        ("groups", json!({"groups": "canary:read", "scope": "canary:write"})),
    ] {
        let auth = usual().with_scope_claim(path);
        assert_eq!(scopes(&auth, claims.clone()).await, read, "{path}");
        assert_eq!(scopes(&auth, json!({"scope": "canary:read"})).await, json!([]), "{path} alone counts");
    }
}

#[tokio::test]
async fn keys_are_chosen_by_id() {
    let keys =
        JwtKeys::new().with_hs256(Some("old"), SECRET).unwrap().with_hs256(Some("new"), OTHER).unwrap();
    let auth = JwtAuth::with_keys(keys, ISSUER, AUDIENCE);
    for (token, status) in [
        (signed(Some("old"), SECRET), 200),
        (signed(Some("new"), OTHER), 200),
        (signed(None, SECRET), 200),
        (signed(None, OTHER), 200),
        (signed(Some("old"), OTHER), 401),
        (signed(Some("gone"), SECRET), 401),
        (signed(None, &[1; 32]), 401),
    ] {
        assert_eq!(whoami(&auth, &token).await.status, status);
    }
}

// Each token is accepted until its key is removed.
#[tokio::test]
async fn rotation_refuses_no_token() {
    fn list(ids: &[(&str, &[u8])]) -> JwtKeys {
        ids.iter().fold(JwtKeys::new(), |keys, (id, secret)| keys.with_hs256(Some(id), secret).unwrap())
    }

    let keys = list(&[("1", SECRET)]);
    let auth = JwtAuth::with_keys(keys.clone(), ISSUER, AUDIENCE);
    let old = signed(Some("1"), SECRET);
    let new = signed(Some("2"), OTHER);
    for (now, expected) in [
        (list(&[("1", SECRET)]), [200, 401]),
        (list(&[("1", SECRET), ("2", OTHER)]), [200, 200]),
        (list(&[("2", OTHER)]), [401, 200]),
        (JwtKeys::new(), [401, 401]),
    ] {
        keys.replace(&now);
        let seen = [whoami(&auth, &old).await.status, whoami(&auth, &new).await.status];
        assert_eq!(seen.map(|status| status.as_u16()), expected, "{keys:?}");
    }
}

fn url(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A key set with the public keys of the tests, as an issuer publishes it.
fn key_set() -> String {
    fn jwk(key: &EncodingKey, algorithm: Algorithm) -> Value {
        serde_json::to_value(jsonwebtoken::jwk::Jwk::from_encoding_key(key, algorithm).unwrap()).unwrap()
    }

    let mut rsa = jwk(&EncodingKey::from_rsa_pem(RSA.private.as_bytes()).unwrap(), Algorithm::RS256);
    let mut ec = jwk(&EncodingKey::from_ec_pem(EC.private.as_bytes()).unwrap(), Algorithm::ES256);
    let mut ed = jwk(&EncodingKey::from_ed_pem(ED.private.as_bytes()).unwrap(), Algorithm::EdDSA);
    rsa["kid"] = json!("rsa");
    ec["kid"] = json!("ec");
    ed["kid"] = json!("ed");
    let mut encryption = rsa.clone();
    encryption["use"] = json!("enc");
    encryption["alg"] = json!("RSA-OAEP");
    encryption["kid"] = json!("enc");
    // Without `alg`, as Entra publishes its keys.
    rsa.as_object_mut().unwrap().remove("alg");
    let secret = json!({"kty": "oct", "k": url(OTHER), "kid": "secret", "alg": "HS256"});
    let unknown = json!({"kty": "AKP", "alg": "ML-DSA-44", "kid": "later"});
    json!({"keys": [encryption, secret, unknown, rsa, ec, ed]}).to_string()
}

#[tokio::test]
async fn key_set_of_an_issuer_is_read() {
    fn sign(id: &str, algorithm: Algorithm, key: &EncodingKey) -> String {
        let header = Header { kid: Some(id.into()), ..Header::new(algorithm) };
        encode(&header, &claims(), key).unwrap()
    }

    let keys = JwtKeys::from_jwks(key_set().as_bytes()).unwrap();
    assert_eq!(keys.len(), 3, "{keys:?}");
    let auth = JwtAuth::with_keys(keys, ISSUER, AUDIENCE);
    let rsa = EncodingKey::from_rsa_pem(RSA.private.as_bytes()).unwrap();
    for (token, status) in [
        (sign("rsa", Algorithm::RS256, &rsa), 200),
        (sign("ec", Algorithm::ES256, &EncodingKey::from_ec_pem(EC.private.as_bytes()).unwrap()), 200),
        (sign("ed", Algorithm::EdDSA, &EncodingKey::from_ed_pem(ED.private.as_bytes()).unwrap()), 200),
        (sign("rsa", Algorithm::RS512, &rsa), 401),
        (sign("enc", Algorithm::RS256, &rsa), 401),
        (sign("ec", Algorithm::RS256, &rsa), 401),
        (sign("secret", Algorithm::HS256, &EncodingKey::from_secret(OTHER)), 401),
    ] {
        assert_eq!(whoami(&auth, &token).await.status, status);
    }
}

// A key that no token can be verified by stands before the one that signed.
#[tokio::test]
async fn unusable_key_does_not_hide_another() {
    let set: Value = serde_json::from_str(&key_set()).unwrap();
    let rsa = EncodingKey::from_rsa_pem(RSA.private.as_bytes()).unwrap();
    let good = set["keys"].as_array().unwrap().iter().find(|key| key["kid"] == "rsa").unwrap();
    for (n, e) in [("AQAB", "AQAB"), ("AA", "AA"), (good["n"].as_str().unwrap(), "Ag")] {
        for id in [None, Some("rsa")] {
            let unusable = json!({"kty": "RSA", "n": n, "e": e, "kid": id});
            let keys = JwtKeys::from_jwks(json!({"keys": [unusable, good]}).to_string().as_bytes()).unwrap();
            let auth = JwtAuth::with_keys(keys, ISSUER, AUDIENCE);
            let header = Header { kid: id.map(ToOwned::to_owned), ..Header::new(Algorithm::RS256) };
            let token = encode(&header, &claims(), &rsa).unwrap();
            assert_eq!(whoami(&auth, &token).await.status, 200, "{n} {e} {id:?}");
        }
    }
}

#[test]
fn unusable_key_sets_are_refused() {
    for json in ["", "[]", "{}", r#"{"keys": {}}"#] {
        assert!(matches!(JwtKeys::from_jwks(json.as_bytes()), Err(JwtConfigError::KeySet(_))), "{json}");
    }
    let secret = json!({"keys": [{"kty": "oct", "k": url(OTHER)}]}).to_string();
    for json in [r#"{"keys": []}"#, r#"{"keys": [7, {}, {"kty": "RSA"}]}"#, &secret] {
        assert!(matches!(JwtKeys::from_jwks(json.as_bytes()), Err(JwtConfigError::NoKey)), "{json}");
    }
    let shown = format!("{:?}", JwtKeys::new().with_hs256(Some("id"), SECRET).unwrap());
    assert_eq!(shown, r#"[(HS256, Some("id"))]"#);
}

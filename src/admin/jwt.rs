//! Authentication by JSON web tokens.

use std::fmt;

use async_trait::async_trait;
use http::HeaderValue;
use http::header::{AUTHORIZATION, HeaderMap};
use http::request::Parts;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use thiserror::Error;

use super::auth::{AdminAuth, AuthError, Authenticator, Denial};
use super::principal::{Principal, Scope};
use crate::common::error::BoxError;

/// The tolerated difference between clocks, in seconds.
const LEEWAY: u64 = 30;

/// The shortest secret, in bytes. A shorter one could be found from one token (RFC 7518, section 3.2).
const MIN_SECRET: usize = 32;

/// Authenticates by a JSON web token in `Authorization: Bearer`, signed with one algorithm by one key.
///
/// The token must have these claims:
///
/// - `iss` and `aud`, with the issuer and the audience that are given here,
/// - `exp`, a time in the future, and `nbf`, if there is one, a time in the past, each with 30 seconds of
///   leeway,
/// - `sub`, 1 to 255 characters without control characters: the actor of changes in the history,
/// - `scope` or `scp`, each a text with spaces between the names (RFC 9068) or a list of names. Unknown names
///   are ignored.
///
/// The header of the token chooses neither the algorithm nor the key, and no key set is fetched. A token for
/// the issuer `ops` and the audience `gateway-admin` has these claims:
///
/// ```json
/// {"iss": "ops", "aud": "gateway-admin", "sub": "alice", "exp": 1798761600, "scope": "canary:read canary:write"}
/// ```
///
/// ```
/// use tower_canary::admin::{AdminAuth, JwtAuth};
///
/// let secret = [7; 32]; // read at least 32 random bytes from a file that only the gateway can read
/// let auth = AdminAuth::jwt(JwtAuth::hs256(&secret, "https://login.example", "canary-admin")?);
/// assert!(JwtAuth::hs256(b"too short", "https://login.example", "canary-admin").is_err());
/// # Ok::<(), tower_canary::admin::JwtConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct JwtAuth {
    key: DecodingKey,
    validation: Validation,
}

/// Why a [`JwtAuth`] cannot be created.
///
/// ```
/// use tower_canary::admin::JwtAuth;
///
/// let error = JwtAuth::hs256(b"too short", "ops", "gateway-admin").unwrap_err();
/// assert_eq!(error.to_string(), "the secret has 9 bytes: use at least 32 random bytes");
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JwtConfigError {
    /// The secret is too short. The field is its length in bytes.
    #[error("the secret has {0} bytes: use at least {MIN_SECRET} random bytes")]
    ShortSecret(usize),
    /// The PEM text has a private key.
    #[error("this is a private key: give the public key")]
    PrivateKey,
    /// The PEM text has no public key for the algorithm.
    #[error("the public key cannot be read: give a PEM text with a public key for the algorithm")]
    Key(#[source] BoxError),
}

/// The claims that are read here. [`Validation`] reads the times and the audience.
#[derive(Deserialize)]
struct Claims {
    // `Validation` checks the issuer too, but it would accept a list of issuers.
    #[serde(rename = "iss")]
    _issuer: String,
    sub: String,
    #[serde(default)]
    scope: ScopeNames,
    #[serde(default)]
    scp: ScopeNames,
}

/// The names of scopes in a token, in both forms that issuers use.
#[derive(Deserialize)]
#[serde(untagged)]
enum ScopeNames {
    Text(String),
    List(Vec<String>),
}

/// The token has header parameters that must be understood (RFC 7515, section 4.1.11). None is implemented
/// here.
#[derive(Debug, Error)]
#[error("the token has critical header parameters")]
struct CriticalHeader;

impl AdminAuth {
    /// Authenticates requests by JSON web tokens. See [`JwtAuth`] for an example.
    pub fn jwt(jwt: JwtAuth) -> Self {
        Self::custom(jwt)
    }
}

// === impl JwtAuth ===

impl JwtAuth {
    /// Accepts tokens with HMAC and SHA-256. The issuer has the same `secret` of at least 32 random bytes.
    ///
    /// ```
    /// use tower_canary::admin::{JwtAuth, JwtConfigError};
    ///
    /// let short = JwtAuth::hs256(b"hunter2", "ops", "gateway-admin");
    /// assert!(matches!(short, Err(JwtConfigError::ShortSecret(7))));
    /// ```
    ///
    /// # Errors
    ///
    /// [`JwtConfigError::ShortSecret`] if the secret is shorter.
    pub fn hs256(secret: &[u8], issuer: &str, audience: &str) -> Result<Self, JwtConfigError> {
        if secret.len() < MIN_SECRET {
            return Err(JwtConfigError::ShortSecret(secret.len()));
        }
        Ok(Self::new(Algorithm::HS256, DecodingKey::from_secret(secret), issuer, audience))
    }

    /// Accepts tokens with RSA (PKCS #1 v1.5) and SHA-256. `public_key` is the key of the issuer as PEM, of
    /// 2,048 bits or more.
    ///
    /// ```no_run
    /// use tower_canary::admin::JwtAuth;
    ///
    /// let auth = JwtAuth::rs256(&std::fs::read("issuer.pem")?, "https://login.example.com", "gateway-admin")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`JwtConfigError::PrivateKey`] if it is a private key, [`JwtConfigError::Key`] if it is not an RSA
    /// key.
    pub fn rs256(public_key: &[u8], issuer: &str, audience: &str) -> Result<Self, JwtConfigError> {
        let key = read_public_key(public_key, DecodingKey::from_rsa_pem)?;
        Ok(Self::new(Algorithm::RS256, key, issuer, audience))
    }

    /// Accepts tokens with ECDSA on P-256 and SHA-256. `public_key` is the key of the issuer as PEM. See
    /// [`rs256`](Self::rs256) for an example.
    ///
    /// # Errors
    ///
    /// [`JwtConfigError::PrivateKey`] if it is a private key, [`JwtConfigError::Key`] if it is not an EC key.
    pub fn es256(public_key: &[u8], issuer: &str, audience: &str) -> Result<Self, JwtConfigError> {
        let key = read_public_key(public_key, DecodingKey::from_ec_pem)?;
        Ok(Self::new(Algorithm::ES256, key, issuer, audience))
    }

    /// Accepts tokens with Ed25519. `public_key` is the key of the issuer as PEM. See [`rs256`](Self::rs256)
    /// for an example.
    ///
    /// # Errors
    ///
    /// [`JwtConfigError::PrivateKey`] if it is a private key, [`JwtConfigError::Key`] if it is not an Ed25519
    /// key.
    pub fn eddsa(public_key: &[u8], issuer: &str, audience: &str) -> Result<Self, JwtConfigError> {
        let key = read_public_key(public_key, DecodingKey::from_ed_pem)?;
        Ok(Self::new(Algorithm::EdDSA, key, issuer, audience))
    }

    /// Fixes the algorithm, the key and the required claims. A token can change none of them.
    fn new(algorithm: Algorithm, key: DecodingKey, issuer: &str, audience: &str) -> Self {
        // Where another crate enables a second backend of jsonwebtoken, the first token would panic without
        // this. An error means that the application has chosen a backend already.
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        // Without this a token that has no `iss` or no `aud` would be accepted.
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY;
        Self { key, validation }
    }

    /// Checks the signature and the claims of a token, and creates the principal from them.
    fn verify(&self, token: &str) -> Result<Principal, AuthError> {
        let token = decode::<Claims>(token, &self.key, &self.validation).map_err(AuthError::invalid)?;
        if token.header.crit.is_some() {
            return Err(AuthError::invalid(CriticalHeader));
        }
        let Claims { sub, scope, scp, .. } = token.claims;
        let principal = Principal::new(sub).map_err(AuthError::invalid)?;
        Ok(principal.with_scopes(scope.scopes()).with_scopes(scp.scopes()))
    }
}

/// Reads a PEM text with the function for its algorithm. A private key would be accepted by some of those,
/// and would then be where it does not belong.
fn read_public_key(
    pem: &[u8],
    read: impl FnOnce(&[u8]) -> jsonwebtoken::errors::Result<DecodingKey>,
) -> Result<DecodingKey, JwtConfigError> {
    if String::from_utf8_lossy(pem).contains("PRIVATE KEY") {
        return Err(JwtConfigError::PrivateKey);
    }
    read(pem).map_err(|error| JwtConfigError::Key(error.into()))
}

#[async_trait]
impl Authenticator for JwtAuth {
    async fn authenticate(&self, request: &Parts) -> Result<Principal, AuthError> {
        self.verify(bearer_token(&request.headers)?)
    }

    /// Returns a challenge with the error codes of RFC 6750, section 3.1.
    fn challenge(&self, denial: Denial) -> Option<HeaderValue> {
        Some(HeaderValue::from_static(match denial {
            Denial::MissingCredentials => "Bearer",
            Denial::InvalidCredentials => r#"Bearer error="invalid_token""#,
            Denial::InsufficientScope => r#"Bearer error="insufficient_scope""#,
        }))
    }

    fn instructions(&self) -> &str {
        "send a valid token as 'Authorization: Bearer <token>'"
    }
}

impl fmt::Debug for JwtAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the key, which may be a secret.
        f.debug_struct("JwtAuth").field("validation", &self.validation).finish_non_exhaustive()
    }
}

/// Returns the bearer token of a request (RFC 6750, section 2.1). No other place is searched for a token.
fn bearer_token(headers: &HeaderMap) -> Result<&str, AuthError> {
    let header = headers.get(AUTHORIZATION).ok_or(AuthError::Missing)?;
    let header = header.to_str().map_err(AuthError::invalid)?;
    let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(AuthError::Missing);
    }
    Ok(token.trim_matches(' '))
}

// === impl ScopeNames ===

impl ScopeNames {
    /// Returns the scopes of this API. Tokens may have scopes of other APIs, which are ignored.
    fn scopes(&self) -> Vec<Scope> {
        match self {
            Self::Text(text) => text.split(' ').filter_map(|name| name.parse().ok()).collect(),
            Self::List(names) => names.iter().filter_map(|name| name.parse().ok()).collect(),
        }
    }
}

impl Default for ScopeNames {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

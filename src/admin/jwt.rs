//! JSON web tokens.

use std::fmt;

use async_trait::async_trait;
use http::header::{AUTHORIZATION, HeaderMap};
use http::request::Parts;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use thiserror::Error;

use super::auth::{AdminAuth, AuthError, Authenticator};
use super::principal::{Principal, Scope};

/// What clocks may differ by, in seconds.
const LEEWAY: u64 = 30;

/// A shorter secret could be guessed from one token (RFC 7518, section 3.2).
const MIN_SECRET: usize = 32;

/// Authenticates by a JSON web token in `Authorization: Bearer`, signed with one algorithm by one key.
///
/// The token must have `exp`, `iss`, `aud` and `sub`; `exp` and `nbf` are checked with 30 seconds of leeway, and `sub`
/// (1 to 255 characters, no control characters) is the actor of changes. Scopes are taken from `scope` and `scp`, each
/// a text with spaces between (RFC 9068) or a list. The token's own header chooses nothing, and there is one key:
/// no key set is fetched. For the issuer `ops` and the audience `gateway-admin`, a token's claims are
///
/// ```json
/// {"iss": "ops", "aud": "gateway-admin", "sub": "alice", "exp": 1798761600, "scope": "canary:read canary:write"}
/// ```
///
/// ```
/// use tower_canary::admin::{AdminAuth, JwtAuth};
///
/// # let secret = [7; 32];
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

/// Why a [`JwtAuth`] cannot be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JwtConfigError {
    /// The secret is too short.
    #[error("the secret has {0} bytes: take at least {MIN_SECRET} random ones")]
    ShortSecret(usize),
    /// A private key was given.
    #[error("this is a private key: give the public one")]
    PrivateKey,
    /// The key cannot be read.
    #[error("the public key cannot be read: give it as PEM, of the kind that the algorithm needs")]
    Key(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[derive(Deserialize)]
struct Claims {
    // Also checked by `Validation`, which would take a list of issuers too.
    #[serde(rename = "iss")]
    _issuer: String,
    sub: String,
    #[serde(default)]
    scope: Names,
    #[serde(default)]
    scp: Names,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    Text(String),
    List(Vec<String>),
}

/// The token names header parameters that must be understood (RFC 7515, section 4.1.11). None is.
#[derive(Debug, Error)]
#[error("the token has critical header parameters")]
struct Critical;

impl AdminAuth {
    /// Asks for a JSON web token.
    pub fn jwt(jwt: JwtAuth) -> Self {
        Self::custom(jwt)
    }
}

// === impl JwtAuth ===

impl JwtAuth {
    /// HMAC with SHA-256: `secret` is shared with the issuer, at least 32 random bytes.
    ///
    /// # Errors
    ///
    /// When the secret is shorter.
    pub fn hs256(secret: &[u8], issuer: &str, audience: &str) -> Result<Self, JwtConfigError> {
        if secret.len() < MIN_SECRET {
            return Err(JwtConfigError::ShortSecret(secret.len()));
        }
        Ok(Self::new(Algorithm::HS256, DecodingKey::from_secret(secret), issuer, audience))
    }

    /// RSA (PKCS #1 v1.5) with SHA-256: `public_key` is the issuer's, as PEM, 2,048 bits or more.
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
    /// When it is not a public RSA key.
    pub fn rs256(public_key: &[u8], issuer: &str, audience: &str) -> Result<Self, JwtConfigError> {
        let key = public(public_key, DecodingKey::from_rsa_pem)?;
        Ok(Self::new(Algorithm::RS256, key, issuer, audience))
    }

    /// ECDSA on P-256 with SHA-256: `public_key` is the issuer's, as PEM. [`rs256`](Self::rs256) has an example.
    ///
    /// # Errors
    ///
    /// When it is not a public EC key.
    pub fn es256(public_key: &[u8], issuer: &str, audience: &str) -> Result<Self, JwtConfigError> {
        let key = public(public_key, DecodingKey::from_ec_pem)?;
        Ok(Self::new(Algorithm::ES256, key, issuer, audience))
    }

    /// Ed25519: `public_key` is the issuer's, as PEM. [`rs256`](Self::rs256) has an example.
    ///
    /// # Errors
    ///
    /// When it is not a public Ed25519 key.
    pub fn eddsa(public_key: &[u8], issuer: &str, audience: &str) -> Result<Self, JwtConfigError> {
        let key = public(public_key, DecodingKey::from_ed_pem)?;
        Ok(Self::new(Algorithm::EdDSA, key, issuer, audience))
    }

    fn new(algorithm: Algorithm, key: DecodingKey, issuer: &str, audience: &str) -> Self {
        // Without it the first token would panic where another crate enables another backend of jsonwebtoken. An error
        // means that the host has chosen one already.
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        // Else a token without `iss` or `aud` would pass.
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY;
        Self { key, validation }
    }

    fn verify(&self, token: &str) -> Result<Principal, AuthError> {
        let token = decode::<Claims>(token, &self.key, &self.validation).map_err(AuthError::invalid)?;
        if token.header.crit.is_some() {
            return Err(AuthError::invalid(Critical));
        }
        let Claims { sub, scope, scp, .. } = token.claims;
        let principal = Principal::new(sub).map_err(AuthError::invalid)?;
        Ok(principal.with_scopes(scope.scopes()).with_scopes(scp.scopes()))
    }
}

fn public(
    pem: &[u8],
    read: impl FnOnce(&[u8]) -> jsonwebtoken::errors::Result<DecodingKey>,
) -> Result<DecodingKey, JwtConfigError> {
    if String::from_utf8_lossy(pem).contains("PRIVATE KEY") {
        return Err(JwtConfigError::PrivateKey);
    }
    read(pem).map_err(|error| JwtConfigError::Key(error.into()))
}

/// Returns the bearer token of a request (RFC 6750, section 2.1). No other place is searched for a token.
fn bearer(headers: &HeaderMap) -> Result<&str, AuthError> {
    let header = headers.get(AUTHORIZATION).ok_or(AuthError::Missing)?;
    let header = header.to_str().map_err(AuthError::invalid)?;
    let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(AuthError::Missing);
    }
    Ok(token.trim_matches(' '))
}

#[async_trait]
impl Authenticator for JwtAuth {
    async fn authenticate(&self, request: &Parts) -> Result<Principal, AuthError> {
        self.verify(bearer(&request.headers)?)
    }
}

impl fmt::Debug for JwtAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtAuth").field("validation", &self.validation).finish_non_exhaustive()
    }
}

// === impl Names ===

impl Names {
    /// Scopes of others are none of ours.
    fn scopes(&self) -> Vec<Scope> {
        match self {
            Self::Text(text) => text.split(' ').filter_map(|name| name.parse().ok()).collect(),
            Self::List(names) => names.iter().filter_map(|name| name.parse().ok()).collect(),
        }
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

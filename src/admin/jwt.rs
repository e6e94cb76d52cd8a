//! Authentication by JSON web tokens.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use http::HeaderValue;
use http::header::{AUTHORIZATION, HeaderMap};
use http::request::Parts;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{TokenData, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::auth::{AdminAuth, AuthError, Authenticator, Denial};
use super::jwt_keys::{JwtConfigError, JwtKeys, Key};
use super::jwt_scopes::ScopeClaims;
use super::principal::Principal;

/// The tolerated difference between clocks, in seconds.
const LEEWAY: u64 = 30;

/// Authenticates by a JSON web token in `Authorization: Bearer`.
///
/// The token must have these claims:
///
/// - `iss` and `aud`, with the issuer and the audience that are given here,
/// - `exp`, a time in the future, and `nbf`, if there is one, a time in the past, each with 30 seconds of
///   leeway,
/// - `sub`, 1 to 255 characters without control characters: the actor of changes in the history. Keycloak since
///   release 25 leaves it out unless the client has the client scope `basic`,
/// - the names of [scopes](super::Scope), in the claims of the table. Unknown names are ignored.
///
/// | claim | of | form |
/// | --- | --- | --- |
/// | `scope` | RFC 9068, most issuers | a text with spaces between the names |
/// | `scp` | Entra, Okta | a text or a list |
/// | `roles` | Entra, for applications such as a CI system | a list; ignored in another form |
/// | `permissions` | Auth0 | a list; ignored in another form |
/// | at a path, such as `realm_access.roles` | Keycloak | [`with_scope_claim`](Self::with_scope_claim) |
///
/// The header of the token names one of the keys that are given here, see [`JwtKeys`]. It chooses no algorithm, and no
/// key set is fetched. A token for the issuer `ops` and the audience `gateway-admin` has these claims:
///
/// ```json
/// {"iss": "ops", "aud": "gateway-admin", "sub": "alice", "exp": 1798761600, "scope": "canary:read canary:write"}
/// ```
///
/// # Why a token is refused
///
/// The response to a bad token says only that it is not valid. The reason is in the log: an event `not authenticated` of
/// the target `tower_canary::admin::auth` at the level `debug`, which is off by default. With `tracing_subscriber`, turn
/// it on by `RUST_LOG=info,tower_canary::admin=debug`.
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
    keys: JwtKeys,
    validation: Validation,
    scopes: ScopeClaims,
}

/// The claims that are read here. [`Validation`] reads the times and the audience.
#[derive(Deserialize)]
struct Claims {
    // `Validation` checks the issuer too, but it would accept a list of issuers.
    #[serde(rename = "iss")]
    _issuer: String,
    sub: String,
    exp: f64,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// No key has the algorithm and the id that the token names.
#[derive(Debug, Error)]
#[error("no key has the algorithm and the key id of the token")]
struct NoSuchKey;

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
        Ok(Self::with_keys(JwtKeys::new().with_hs256(None, secret)?, issuer, audience))
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
        Ok(Self::with_keys(JwtKeys::new().with_rs256(None, public_key)?, issuer, audience))
    }

    /// Accepts tokens with ECDSA on P-256 and SHA-256. `public_key` is the key of the issuer as PEM. See
    /// [`rs256`](Self::rs256) for an example.
    ///
    /// # Errors
    ///
    /// [`JwtConfigError::PrivateKey`] if it is a private key, [`JwtConfigError::Key`] if it is not an EC key.
    pub fn es256(public_key: &[u8], issuer: &str, audience: &str) -> Result<Self, JwtConfigError> {
        Ok(Self::with_keys(JwtKeys::new().with_es256(None, public_key)?, issuer, audience))
    }

    /// Accepts tokens with Ed25519. `public_key` is the key of the issuer as PEM. See [`rs256`](Self::rs256)
    /// for an example.
    ///
    /// # Errors
    ///
    /// [`JwtConfigError::PrivateKey`] if it is a private key, [`JwtConfigError::Key`] if it is not an Ed25519
    /// key.
    pub fn eddsa(public_key: &[u8], issuer: &str, audience: &str) -> Result<Self, JwtConfigError> {
        Ok(Self::with_keys(JwtKeys::new().with_eddsa(None, public_key)?, issuer, audience))
    }

    /// Accepts tokens that one of `keys` has signed. See [`JwtKeys`] for an example.
    pub fn with_keys(keys: JwtKeys, issuer: &str, audience: &str) -> Self {
        // Where another crate enables a second backend of jsonwebtoken, the first token would panic without
        // this. An error means that the application has chosen a backend already.
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let mut validation = Validation::default();
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        // Without this a token that has no `iss` or no `aud` would be accepted.
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY;
        Self { keys, validation, scopes: ScopeClaims::default() }
    }

    /// Reads the scopes from one claim instead of the usual ones: `claim` is its name, or a path of names with dots between
    /// them. The claim is a text with spaces between the names, or a list of names.
    ///
    /// ```
    /// use tower_canary::admin::JwtAuth;
    ///
    /// // Keycloak puts the roles of a realm and of a client into objects:
    /// let realm = JwtAuth::hs256(&[7; 32], "ops", "gateway-admin")?.with_scope_claim("realm_access.roles");
    /// let client = JwtAuth::hs256(&[7; 32], "ops", "gateway-admin")?.with_scope_claim("resource_access.gateway.roles");
    /// # Ok::<(), tower_canary::admin::JwtConfigError>(())
    /// ```
    pub fn with_scope_claim(self, claim: impl Into<String>) -> Self {
        Self { scopes: ScopeClaims::At(claim.into()), ..self }
    }

    /// Checks the signature and the claims of a token, and creates the principal from them.
    fn verify(&self, token: &str) -> Result<Principal, AuthError> {
        let token = self.decode(token)?;
        if token.header.crit.is_some() {
            return Err(AuthError::invalid(CriticalHeader));
        }
        let Claims { sub, exp, others, .. } = token.claims;
        let scopes = self.scopes.read(&others).map_err(AuthError::invalid)?;
        let principal = Principal::new(sub).map_err(AuthError::invalid)?.with_scopes(scopes);
        let expires_at = Duration::try_from_secs_f64(exp).ok().and_then(|exp| UNIX_EPOCH.checked_add(exp));
        Ok(match expires_at {
            Some(at) => principal.with_expiry(at),
            // A time that the system cannot represent.
            None => principal,
        })
    }

    /// Verifies a token by the keys that may have signed it, each with its own algorithm. The first key that verifies the
    /// signature decides. The error is the one of the last key that was tried, or [`NoSuchKey`].
    fn decode(&self, token: &str) -> Result<TokenData<Claims>, AuthError> {
        let header = decode_header(token).map_err(AuthError::invalid)?;
        let mut refused = AuthError::invalid(NoSuchKey);
        for Key { algorithm, key, .. } in self.keys.candidates(&header) {
            let validation = Validation { algorithms: vec![algorithm], ..self.validation.clone() };
            match decode::<Claims>(token, &key, &validation) {
                Ok(token) => return Ok(token),
                Err(error) => {
                    let may_be_of_other_key = matches!(error.kind(), ErrorKind::InvalidSignature);
                    refused = AuthError::invalid(error);
                    // The claims are checked after the signature: their error is the same with every key.
                    if !may_be_of_other_key {
                        break;
                    }
                }
            }
        }
        Err(refused)
    }
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
        f.debug_struct("JwtAuth")
            .field("keys", &self.keys)
            .field("validation", &self.validation)
            .finish_non_exhaustive()
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

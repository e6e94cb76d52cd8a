//! The keys by which tokens are verified.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::common::error::BoxError;

/// The shortest secret, in bytes. A shorter one could be found from one token (RFC 7518, section 3.2).
const MIN_SECRET: usize = 32;

/// The keys by which a [`JwtAuth`](super::JwtAuth) verifies tokens: several, so that an issuer can change its key without
/// a token that is refused.
///
/// Each key has one algorithm and perhaps an id (`kid`). A token is verified by the keys of its algorithm: those with the
/// id that its header names and those without an id, or all if it names none. The header therefore chooses among the keys
/// that are given here, and neither adds a key nor an algorithm.
///
/// # Changing keys
///
/// Clones share the keys. The application keeps a clone and [replaces](Self::replace) the keys while the API runs, for
/// example when a file changes or once in a while from the `jwks_uri` of the issuer. The library itself reads no file and
/// fetches nothing. No token is refused if the new key is added before the issuer signs with it, and the old one removed
/// after its last token has expired. A key set (JWKS) of an issuer is such a list.
///
/// ```
/// use tower_canary::admin::{AdminAuth, JwtAuth, JwtKeys};
///
/// let (old, new) = ([7; 32], [8; 32]);
/// let keys = JwtKeys::new().with_hs256(Some("2026-01"), &old)?;
/// let auth = AdminAuth::jwt(JwtAuth::with_keys(keys.clone(), "https://login.example", "canary-admin"));
///
/// // While the API runs:
/// keys.replace(&JwtKeys::new().with_hs256(Some("2026-01"), &old)?.with_hs256(Some("2026-02"), &new)?);
/// assert_eq!(keys.len(), 2);
/// # Ok::<(), tower_canary::admin::JwtConfigError>(())
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct JwtKeys {
    keys: Arc<ArcSwap<Vec<Key>>>,
}

/// One key with its only algorithm.
#[derive(Clone)]
pub(super) struct Key {
    id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// Why keys cannot be used.
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
    /// The text is not a key set.
    #[error("this is not a JSON web key set: give an object with a list of 'keys'")]
    KeySet(#[source] BoxError),
    /// The key set has no key that can verify a token.
    #[error("the key set has no public key for signatures with RSA, ECDSA or Ed25519")]
    NoKey,
}

/// A JSON web key set (RFC 7517, section 5). Its keys are read one by one, since one that is not known here is no error.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

impl JwtKeys {
    /// Creates a list without keys, which refuses every token.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a JSON web key set, as the `jwks_uri` of an issuer returns it.
    ///
    /// Keys for encryption, secrets, and keys of unknown kinds are left out. A key without `alg` verifies RS256, ES256,
    /// ES384 or EdDSA, as its kind and curve say.
    ///
    /// ```
    /// use tower_canary::admin::JwtKeys;
    ///
    /// let keys = JwtKeys::from_jwks(
    ///     br#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": "2026-01",
    ///         "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
    /// )?;
    /// assert_eq!(keys.len(), 1);
    /// assert!(JwtKeys::from_jwks(br#"{"keys": []}"#).is_err());
    /// # Ok::<(), tower_canary::admin::JwtConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`JwtConfigError::KeySet`] if `json` is not a key set, [`JwtConfigError::NoKey`] if it has no usable key.
    pub fn from_jwks(json: &[u8]) -> Result<Self, JwtConfigError> {
        let set: KeySet =
            serde_json::from_slice(json).map_err(|error| JwtConfigError::KeySet(error.into()))?;
        let keys: Vec<Key> = set.keys.into_iter().filter_map(read_jwk).collect();
        if keys.is_empty() {
            return Err(JwtConfigError::NoKey);
        }
        Ok(Self { keys: Arc::new(ArcSwap::from_pointee(keys)) })
    }

    /// Adds the secret of tokens with HMAC and SHA-256: at least 32 random bytes. See [`JwtKeys`] for an example.
    ///
    /// # Errors
    ///
    /// [`JwtConfigError::ShortSecret`] if the secret is shorter.
    pub fn with_hs256(self, id: Option<&str>, secret: &[u8]) -> Result<Self, JwtConfigError> {
        if secret.len() < MIN_SECRET {
            return Err(JwtConfigError::ShortSecret(secret.len()));
        }
        Ok(self.with_key(id, Algorithm::HS256, DecodingKey::from_secret(secret)))
    }

    /// Adds the public key of tokens with RSA (PKCS #1 v1.5) and SHA-256, as PEM, of 2,048 bits or more.
    ///
    /// # Errors
    ///
    /// [`JwtConfigError::PrivateKey`] if it is a private key, [`JwtConfigError::Key`] if it is not an RSA key.
    pub fn with_rs256(self, id: Option<&str>, public_key: &[u8]) -> Result<Self, JwtConfigError> {
        let key = read_public_key(public_key, DecodingKey::from_rsa_pem)?;
        Ok(self.with_key(id, Algorithm::RS256, key))
    }

    /// Adds the public key of tokens with ECDSA on P-256 and SHA-256, as PEM.
    ///
    /// # Errors
    ///
    /// [`JwtConfigError::PrivateKey`] if it is a private key, [`JwtConfigError::Key`] if it is not an EC key.
    pub fn with_es256(self, id: Option<&str>, public_key: &[u8]) -> Result<Self, JwtConfigError> {
        let key = read_public_key(public_key, DecodingKey::from_ec_pem)?;
        Ok(self.with_key(id, Algorithm::ES256, key))
    }

    /// Adds the public key of tokens with Ed25519, as PEM.
    ///
    /// # Errors
    ///
    /// [`JwtConfigError::PrivateKey`] if it is a private key, [`JwtConfigError::Key`] if it is not an Ed25519 key.
    pub fn with_eddsa(self, id: Option<&str>, public_key: &[u8]) -> Result<Self, JwtConfigError> {
        let key = read_public_key(public_key, DecodingKey::from_ed_pem)?;
        Ok(self.with_key(id, Algorithm::EdDSA, key))
    }

    /// Replaces the keys of this list and of all its clones by the keys of `other`. Requests that are verified now end with the
    /// earlier ones. See [`JwtKeys`] for an example.
    pub fn replace(&self, other: &Self) {
        self.keys.store(other.keys.load_full());
    }

    /// Returns the number of keys. See [`JwtKeys`] for an example.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.load().len()
    }

    /// Returns whether there is no key, so that every token is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns a list with one key more. Clones of this one do not change.
    fn with_key(self, id: Option<&str>, algorithm: Algorithm, key: DecodingKey) -> Self {
        let mut keys = Vec::clone(&self.keys.load());
        keys.push(Key { id: id.map(ToOwned::to_owned), algorithm, key });
        Self { keys: Arc::new(ArcSwap::from_pointee(keys)) }
    }

    /// Returns the keys that may have signed a token with this header.
    pub(super) fn candidates(&self, header: &Header) -> Vec<Key> {
        self.keys.load().iter().filter(|key| key.may_have_signed(header)).cloned().collect()
    }
}

impl fmt::Debug for JwtKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the keys, which may be secrets.
        let keys = self.keys.load();
        f.debug_list().entries(keys.iter().map(|key| (key.algorithm, key.id.as_deref()))).finish()
    }
}

impl Key {
    /// Returns whether this key may have signed a token with `header`: the header names the algorithm of the key, and their
    /// ids agree if both have one.
    fn may_have_signed(&self, header: &Header) -> bool {
        let ids_agree = match (&self.id, &header.kid) {
            (Some(id), Some(named)) => id == named,
            (None, _) | (_, None) => true,
        };
        self.algorithm == header.alg && ids_agree
    }
}

/// Reads one key of a set. `None`: the key is not for signatures, is of an unknown kind, or names an algorithm of another
/// kind.
fn read_jwk(key: Value) -> Option<Key> {
    let key: Jwk = serde_json::from_value(key).ok()?;
    if !matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let usual = match &key.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(params) if params.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::EllipticCurve(params) if params.curve == EllipticCurve::P384 => Algorithm::ES384,
        AlgorithmParameters::OctetKeyPair(params) if params.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDSA
        }
        // A secret does not belong into a set that an issuer publishes.
        _ => return None,
    };
    let algorithm = match key.common.key_algorithm {
        Some(named) => Algorithm::try_from(named).ok()?,
        None => usual,
    };
    if algorithm.family() != usual.family() {
        return None;
    }
    let verifying = DecodingKey::from_jwk(&key).ok()?;
    Some(Key { id: key.common.key_id, algorithm, key: verifying })
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

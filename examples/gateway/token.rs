//! The secret of the admin API, and tokens that are signed with it.

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header, encode};

pub(crate) const ISSUER: &str = "canary";
pub(crate) const AUDIENCE: &str = "canary-admin";

/// Lifetime of a printed token.
const LIFETIME: Duration = Duration::from_hours(12);

// `Debug` is not derived: it would print the secret.
/// The secret that signs tokens of the admin API.
#[derive(Clone)]
pub(crate) struct Secret {
    text: String,
    pub(crate) is_random: bool,
}

impl Secret {
    /// Returns a secret for `given`, or a random one.
    pub(crate) fn new(given: Option<&str>) -> Self {
        Self { text: given.map_or_else(random_text, Into::into), is_random: given.is_none() }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Creates a token that may read and write.
    pub(crate) fn token(&self) -> Result<String, Box<dyn Error>> {
        let expires = SystemTime::now().duration_since(UNIX_EPOCH)? + LIFETIME;
        let claims = serde_json::json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "demo", "scope": "canary:read canary:write",
            "exp": expires.as_secs(),
        });
        Ok(encode(&Header::default(), &claims, &EncodingKey::from_secret(self.as_bytes()))?)
    }
}

fn random_text() -> String {
    format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>())
}

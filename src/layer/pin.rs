//! Session affinity by a signed cookie.
//!
//! The value of a cookie is `SERVICE/EPOCH/VERSION-ID/EXPIRY` behind its signature. The epoch is a
//! number of the service that a redraw raises, which makes all earlier cookies invalid.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cookie::{Cookie, CookieJar, Key, SameSite};
use http::{HeaderMap, HeaderValue};
use thiserror::Error;

use super::cookies;
use super::layer::WeightedVersionLayer;
use super::rules::Pinning;
use crate::routing::{Split, Version};

/// Minimum length of a secret in bytes: the length of the hash in the signature.
const MIN_SECRET: usize = 32;

/// Maximum number of cookies of one name that are verified.
///
/// Browsers send one, or one for each path and domain that it was set for. A head full of forged
/// ones would cost thousands of signatures.
const MAX_CANDIDATES: usize = 8;

/// The default of [`PinCookie::with_lifetime`].
const DEFAULT_LIFETIME: Duration = Duration::from_hours(30 * 24);

/// Session affinity by a signed cookie: a user stays with the version of the first response.
///
/// It is for users without a key (see [`Affinity`](super::Affinity)). Users of every version get a
/// cookie, so a canary of 10 % stays 10 % of the users. Give it to
/// [`WeightedVersionLayer::with_pin`](crate::WeightedVersionLayer::with_pin).
///
/// # Validity
///
/// - A pin is valid while its version is active, also at weight 0: the version drains. To take all
///   users off a version, deactivate it.
/// - A pin is ignored if it is forged, expired, of another service, or of an inactive version. The
///   user is then drawn, and gets a new one.
/// - A [`Redraw`](crate::routing::Change::Redraw) makes all pins of a service invalid.
///
/// # The cookie
///
/// - Its name is the prefix and the service: `canary_auth`.
/// - It is signed (HMAC-SHA256) and bound to the service. All replicas need the same secret.
/// - Its attributes are `HttpOnly`, `SameSite=Lax`, `Secure`, `Path=/` and `Max-Age`.
/// - A response that sets it is for one user. Shared caches must not store it.
///
/// This is not access control: without the cookie, a user is drawn again. Several requests before
/// the first response are drawn one by one, and the pin of the last response stays.
///
/// ```
/// use std::time::Duration;
/// use tower_canary::layer::PinCookie;
/// use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};
///
/// let pin = PinCookie::new(b"a secret of at least 32 bytes ...")?.with_lifetime(Duration::from_hours(24));
/// let layer = WeightedVersionLayer::new(&RoutingHandle::new(), Target::path_segment()).with_pin(pin);
/// # Ok::<(), tower_canary::layer::InvalidPinSecret>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct PinCookie {
    key: Key,
    prefix: String,
    lifetime: Duration,
    secure: bool,
}

/// The error of [`PinCookie::new`]: the secret is too short to sign with.
///
/// ```
/// let refused = tower_canary::layer::PinCookie::new(b"short").unwrap_err();
/// assert_eq!(refused.to_string(), "a secret for pins needs at least 32 bytes, but this one has 5");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a secret for pins needs at least {MIN_SECRET} bytes, but this one has {len}")]
pub struct InvalidPinSecret {
    len: usize,
}

/// The error of [`PinCookie::with_prefix`]: the prefix cannot begin the name of a cookie.
///
/// ```
/// # let pin = tower_canary::layer::PinCookie::new(&[7; 32])?;
/// let refused = pin.with_prefix("a;b").unwrap_err();
/// assert_eq!(refused.to_string(), "\"a;b\" cannot begin the name of a cookie: use letters, digits, '-' and '_'");
/// # Ok::<(), tower_canary::layer::InvalidPinSecret>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{prefix:?} cannot begin the name of a cookie: use letters, digits, '-' and '_'")]
pub struct InvalidPinPrefix {
    prefix: String,
}

impl PinCookie {
    /// Creates pins that are signed with `secret`: at least 32 random bytes, the same in all replicas.
    ///
    /// A new secret makes all earlier pins invalid. See [`PinCookie`] for an example.
    ///
    /// # Errors
    ///
    /// [`InvalidPinSecret`] if the secret is shorter.
    pub fn new(secret: &[u8]) -> Result<Self, InvalidPinSecret> {
        if secret.len() < MIN_SECRET {
            return Err(InvalidPinSecret { len: secret.len() });
        }
        let key = Key::derive_from(secret);
        Ok(Self { key, prefix: "canary".into(), lifetime: DEFAULT_LIFETIME, secure: true })
    }

    /// Sets the prefix of cookie names: they are `PREFIX_SERVICE`. Default: `canary`.
    ///
    /// # Errors
    ///
    /// [`InvalidPinPrefix`] if a byte of it is not allowed in the name of a cookie (a token, RFC 9110,
    /// 5.6.2). Browsers would not store the cookie, and users would be drawn for each request.
    ///
    /// ```
    /// use tower_canary::layer::PinCookie;
    ///
    /// let pin = PinCookie::new(&[7; 32])?;
    /// assert!(pin.with_prefix("shop").is_ok()); // shop_auth
    /// # Ok::<(), tower_canary::layer::InvalidPinSecret>(())
    /// ```
    pub fn with_prefix(self, prefix: &str) -> Result<Self, InvalidPinPrefix> {
        let prefix = prefix.to_owned();
        if prefix.bytes().all(is_token_byte) {
            Ok(Self { prefix, ..self })
        } else {
            Err(InvalidPinPrefix { prefix })
        }
    }

    /// Sets the time until a pin expires, in whole seconds. Default: 30 days.
    ///
    /// It counts from the response that sets the cookie, and is not extended by later requests. See
    /// [`PinCookie`] for an example.
    pub fn with_lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    /// Omits the attribute `Secure`, so that browsers send the cookie without TLS. For tests only.
    ///
    /// ```
    /// use tower_canary::layer::PinCookie;
    ///
    /// let pin = PinCookie::new(&[7; 32])?.allow_http();
    /// # Ok::<(), tower_canary::layer::InvalidPinSecret>(())
    /// ```
    pub fn allow_http(self) -> Self {
        Self { secure: false, ..self }
    }

    /// Returns the name of the cookie for a service.
    fn name(&self, split: &Split) -> String {
        format!("{}_{}", self.prefix, split.service())
    }
}

impl WeightedVersionLayer {
    /// Enables session affinity by a signed cookie, for users without a key.
    ///
    /// A valid pin comes before the key: a pinned user stays with the
    /// version after a login adds a key. A request with a key gets no pin. See [`PinCookie`] for an example.
    pub fn with_pin(self, pin: PinCookie) -> Self {
        self.zero_weight_rule(|rules| rules.pinning = Some(Arc::new(pin)))
    }
}

impl fmt::Debug for PinCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the key, which must not reach a log.
        f.debug_struct("PinCookie")
            .field("prefix", &self.prefix)
            .field("lifetime", &self.lifetime)
            .field("secure", &self.secure)
            .finish_non_exhaustive()
    }
}

impl Pinning for PinCookie {
    fn pinned(&self, headers: &HeaderMap, split: &Split) -> Option<usize> {
        let name = self.name(split);
        let jar = CookieJar::new();
        let now = unix_seconds();
        let candidates = cookies::pairs(headers).filter_map(|pair| cookies::value(pair, &name));
        let mut texts = candidates.take(MAX_CANDIDATES).filter_map(|value| std::str::from_utf8(value).ok());
        // The first valid one counts: of several, all but one may be forged or of an older epoch.
        texts.find_map(|text| {
            let cookie = Cookie::new(name.clone(), text.to_owned());
            let signed = jar.signed(&self.key).verify(cookie)?;
            PinValue::parse(signed.value())?.version(split, now)
        })
    }

    fn cookie(&self, split: &Split, version: &Version) -> Option<HeaderValue> {
        let name = self.name(split);
        let expires = unix_seconds().saturating_add(self.lifetime.as_secs());
        let value = PinValue::format(split, version, expires);
        let max_age = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        let cookie = Cookie::build((name.clone(), value))
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(self.secure)
            .max_age(cookie::time::Duration::seconds(max_age));
        let mut jar = CookieJar::new();
        jar.signed_mut(&self.key).add(cookie);
        HeaderValue::from_str(&jar.get(&name)?.to_string()).ok()
    }
}

/// The signed value of a cookie: `SERVICE/EPOCH/VERSION-ID/EXPIRY`.
struct PinValue<'a> {
    service: &'a str,
    /// The [pin epoch](Split::pin_epoch) of the split that chose the version.
    epoch: u64,
    id: &'a str,
    /// Seconds since 1970.
    expires: u64,
}

impl<'a> PinValue<'a> {
    /// Formats the value for a version.
    fn format(split: &Split, version: &Version, expires: u64) -> String {
        format!("{}/{}/{}/{expires}", split.service(), split.pin_epoch(), version.id)
    }

    /// Parses a value. Returns `None` if it is not of the form that `format` writes.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split('/');
        let value = Self {
            service: parts.next()?,
            epoch: parts.next()?.parse().ok()?,
            id: parts.next()?,
            expires: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(value)
    }

    /// Returns the position of the version, if the pin is valid at the second `now`.
    ///
    /// A later epoch than the split's is valid: another replica, which has seen a redraw before this
    /// one, has drawn the user since.
    fn version(&self, split: &Split, now: u64) -> Option<usize> {
        if self.service != split.service().as_str() || self.epoch < split.pin_epoch() || self.expires <= now {
            return None;
        }
        split.versions().iter().position(|version| version.active && version.id.to_string() == self.id)
    }
}

/// Returns whether `byte` may be in the name of a cookie: a token (RFC 9110, section 5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Returns the seconds since 1970.
fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

//! A cookie of the layer's own that keeps a user with a version.

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

/// The fewest bytes of a secret: as many as the signature's hash has.
const MIN_SECRET: usize = 32;

/// How many pins of one name are looked at. Browsers send one, or one for each path and domain that it was set for; a head
/// full of forged ones would cost thousands of signatures.
const MOST_COPIES: usize = 8;

/// How long a pin is good, unless the host says otherwise.
const LIFETIME: Duration = Duration::from_hours(30 * 24);

/// Keeps users without a key with the version they were given first, by a cookie: those of every version, so that a canary
/// of 10 % stays 10 % of the users.
///
/// A pin is honoured while its version is active, at weight 0 too: that is draining. One that is forged, expired, of
/// another service or of an inactive version counts for nothing: the user is drawn anew and gets another. A
/// [`Redraw`](crate::routing::Change::Redraw) gives up all pins of a service.
///
/// The cookie is called by the prefix and the service, as `canary_auth`. It is signed (HMAC-SHA256), bound to the service,
/// `HttpOnly`, `SameSite=Lax`, `Secure` and for the path `/`. All gateways need the same secret. Who drops the cookie is
/// drawn anew, so this is no access control. So is who sends several requests before the first answer: the last one's pin
/// stays. A response that sets it is one user's, and not for a shared cache.
///
/// Pinned users come to a version at weight 0 for as long as it is active. To stop it, put it out of service first.
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

/// A secret that is too short to sign with.
///
/// ```
/// let refused = tower_canary::layer::PinCookie::new(b"short").unwrap_err();
/// assert_eq!(refused.to_string(), "the secret of pins needs at least 32 bytes, and has 5");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the secret of pins needs at least {MIN_SECRET} bytes, and has {len}")]
pub struct InvalidPinSecret {
    len: usize,
}

/// A prefix that cannot begin the name of a cookie.
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
    /// Pins signed with `secret`, of 32 random bytes or more, that are good for 30 days.
    ///
    /// # Errors
    ///
    /// [`InvalidPinSecret`] when it is shorter.
    pub fn new(secret: &[u8]) -> Result<Self, InvalidPinSecret> {
        if secret.len() < MIN_SECRET {
            return Err(InvalidPinSecret { len: secret.len() });
        }
        let key = Key::derive_from(secret);
        Ok(Self { key, prefix: "canary".into(), lifetime: LIFETIME, secure: true })
    }

    /// Calls the cookies `PREFIX_SERVICE`. Default: `canary`.
    ///
    /// # Errors
    ///
    /// [`InvalidPinPrefix`] when it cannot begin the name of a cookie: users would be drawn for every request.
    pub fn with_prefix(self, prefix: &str) -> Result<Self, InvalidPinPrefix> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let prefix = prefix.to_owned();
        if prefix.bytes().all(is_token) {
            Ok(Self { prefix, ..self })
        } else {
            Err(InvalidPinPrefix { prefix })
        }
    }

    /// How long a pin is good, in whole seconds. Default: 30 days.
    pub fn with_lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    /// Lets browsers send the cookie without TLS: for tests.
    pub fn allow_http(self) -> Self {
        Self { secure: false, ..self }
    }

    fn name(&self, split: &Split) -> String {
        format!("{}_{}", self.prefix, split.service())
    }
}

impl WeightedVersionLayer {
    /// Keeps users without a key with their version by a cookie. It comes before the key: who was pinned stays, and who
    /// has a key from the start needs no pin.
    pub fn with_pin(self, pin: PinCookie) -> Self {
        self.zero_weight_rule(|rules| rules.pinning = Some(Arc::new(pin)))
    }
}

impl fmt::Debug for PinCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { prefix, lifetime, secure, .. } = self;
        f.debug_struct("PinCookie")
            .field("prefix", prefix)
            .field("lifetime", lifetime)
            .field("secure", secure)
            .finish_non_exhaustive()
    }
}

impl Pinning for PinCookie {
    fn pinned(&self, headers: &HeaderMap, split: &Split) -> Option<usize> {
        let (name, jar, now) = (self.name(split), CookieJar::new(), now());
        let ours = cookies::pairs(headers).filter_map(|pair| cookies::value(pair, &name)).take(MOST_COPIES);
        ours.filter_map(|value| std::str::from_utf8(value).ok()).find_map(|value| {
            let cookie = Cookie::new(name.clone(), value.to_owned());
            let signed = jar.signed(&self.key).verify(cookie)?;
            Pinned::parse(signed.value())?.version(split, now)
        })
    }

    fn cookie(&self, split: &Split, version: &Version) -> Option<HeaderValue> {
        let name = self.name(split);
        let value = Pinned::text(split, version, now().saturating_add(self.lifetime.as_secs()));
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

/// What a cookie says: `SERVICE EPOCH VERSION-ID EXPIRY`, with `/` between them.
struct Pinned<'a> {
    service: &'a str,
    epoch: u64,
    id: &'a str,
    expires: u64,
}

impl<'a> Pinned<'a> {
    fn text(split: &Split, version: &Version, expires: u64) -> String {
        format!("{}/{}/{}/{expires}", split.service(), split.pin_epoch(), version.id)
    }

    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split('/');
        let pinned = Self {
            service: parts.next()?,
            epoch: parts.next()?.parse().ok()?,
            id: parts.next()?,
            expires: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(pinned)
    }

    /// The position of the version, if the pin is good at the second `now`. One of a later epoch is another gateway's that
    /// knows of a redraw already: its user was drawn anew there.
    fn version(&self, split: &Split, now: u64) -> Option<usize> {
        if self.service != split.service().as_str() || self.epoch < split.pin_epoch() || self.expires <= now {
            return None;
        }
        split.versions().iter().position(|version| version.active && version.id.to_string() == self.id)
    }
}

/// The seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

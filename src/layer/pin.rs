//! Session affinity by a signed cookie.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cookie::{Cookie, CookieJar, Key, SameSite};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use thiserror::Error;

use super::cookies;
use super::head::RequestHead;
use super::layer::WeightedVersionLayer;
use super::pin_value::PinValue;
use super::rules::{NewPin, Pinning};
use super::shared_cache::{CacheableRequest, make_private};
use crate::routing::{Reason, Split, Version};

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
/// - It is removed from requests before they are sent to a version, valid or not. Other cookies keep
///   their bytes.
///
/// # Shared caches
///
/// A response that sets a pin is for one user. A shared cache that stored it would pin all its users
/// to one version. So a response that shared caches may store (RFC 9111, section 3) is made private,
/// or gets no pin: see [`with_caching`](Self::with_caching). A response that they must not store is
/// not changed.
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
    /// Keys that signed earlier pins, which stay valid.
    earlier: Vec<Key>,
    prefix: String,
    lifetime: Duration,
    secure: bool,
    caching: PinCaching,
}

/// What the layer does with a response that would set a pin and that shared caches may store.
///
/// Give it to [`PinCookie::with_caching`], which has an example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PinCaching {
    /// The response sets the pin, and shared caches are forbidden to store it.
    ///
    /// `Cache-Control` gets `private` and loses `public` and `s-maxage`; `max-age` and the others stay,
    /// for browsers. Fields for certain caches, such as `CDN-Cache-Control`, are removed.
    ///
    /// It is the default because responses without `Cache-Control`, as most applications send them, may
    /// be stored, too: without pins on these, users would be drawn for each request. Only the response
    /// that pins a user is withheld from shared caches. The next ones of this user are not.
    #[default]
    MakePrivate,
    /// The response sets no pin and is not changed. The user is drawn again with the next request.
    ///
    /// It suits sites behind a shared cache whose pages state that they must not be stored: the pages pin
    /// the user, and the assets stay in the cache.
    OmitPin,
}

/// The error of [`PinCookie::new`] and [`PinCookie::with_earlier_secret`]: the secret is too short to sign with.
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
    /// It should not be the secret of anything else, such as tokens: each then changes without the other. A new secret
    /// makes all earlier pins invalid, unless the earlier one is given to
    /// [`with_earlier_secret`](Self::with_earlier_secret). See [`PinCookie`] for an example.
    ///
    /// # Errors
    ///
    /// [`InvalidPinSecret`] if the secret is shorter.
    pub fn new(secret: &[u8]) -> Result<Self, InvalidPinSecret> {
        Ok(Self {
            key: derive_key(secret)?,
            earlier: Vec::new(),
            prefix: "canary".into(),
            lifetime: DEFAULT_LIFETIME,
            secure: true,
            caching: PinCaching::default(),
        })
    }

    /// Accepts pins that were signed with `secret` too, so that a new secret moves no user. Call it once for each earlier
    /// secret.
    ///
    /// Such a pin is not signed again: its cookie stays as it is until it expires. So keep a secret for as long as the
    /// [lifetime](Self::with_lifetime) of its pins. Where several replicas share users, give the new secret to all of
    /// them as an earlier one first, and sign with it afterwards: a replica ignores a pin whose secret it does not have.
    ///
    /// ```
    /// use tower_canary::layer::PinCookie;
    ///
    /// let (new, old) = ([8; 32], [7; 32]);
    /// let pin = PinCookie::new(&new)?.with_earlier_secret(&old)?;
    /// # Ok::<(), tower_canary::layer::InvalidPinSecret>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidPinSecret`] if the secret has less than 32 bytes.
    pub fn with_earlier_secret(mut self, secret: &[u8]) -> Result<Self, InvalidPinSecret> {
        self.earlier.push(derive_key(secret)?);
        Ok(self)
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

    /// Sets what happens to a response that would set a pin and that shared caches may store. Default:
    /// [`PinCaching::MakePrivate`].
    ///
    /// ```
    /// use tower_canary::layer::{PinCaching, PinCookie};
    ///
    /// let pin = PinCookie::new(&[7; 32])?.with_caching(PinCaching::OmitPin);
    /// # Ok::<(), tower_canary::layer::InvalidPinSecret>(())
    /// ```
    pub fn with_caching(self, caching: PinCaching) -> Self {
        Self { caching, ..self }
    }

    /// Returns the name of the cookie for a service.
    fn name(&self, split: &Split) -> String {
        format!("{}_{}", self.prefix, split.service())
    }

    /// Returns the value of the `Set-Cookie` header that pins a user to `version`.
    fn set_cookie(&self, split: &Split, version: &Version) -> Option<HeaderValue> {
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

impl<M> WeightedVersionLayer<M> {
    /// Enables session affinity by a signed cookie, for users without a key.
    ///
    /// A valid pin comes before the key: a pinned user stays with the
    /// version after a login adds a key. A request with a key gets no pin. See [`PinCookie`] for an example.
    pub fn with_pin(self, pin: PinCookie) -> Self {
        self.zero_weight_rule(Reason::Pin, |rules| rules.pinning = Some(Arc::new(pin)))
    }
}

impl fmt::Debug for PinCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the key, which must not reach a log.
        f.debug_struct("PinCookie")
            .field("prefix", &self.prefix)
            .field("lifetime", &self.lifetime)
            .field("secure", &self.secure)
            .field("caching", &self.caching)
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
            let keys = std::iter::once(&self.key).chain(&self.earlier);
            let signed = keys.filter_map(|key| jar.signed(key).verify(cookie.clone())).next()?;
            PinValue::parse(signed.value())?.version(split, now)
        })
    }

    fn remove(&self, headers: &mut HeaderMap, split: &Split) {
        if headers.contains_key(COOKIE) {
            cookies::remove(headers, &self.name(split));
        }
    }

    fn pin(&self, head: &RequestHead<'_>, split: &Split, version: &Version) -> Option<Box<dyn NewPin>> {
        let cookie = self.set_cookie(split, version)?;
        let request = CacheableRequest::new(head.method, head.headers);
        Some(Box::new(NewCookie { cookie, request, caching: self.caching }))
    }
}

/// A new pin on its way to the response.
#[derive(Debug)]
struct NewCookie {
    cookie: HeaderValue,
    request: CacheableRequest,
    caching: PinCaching,
}

impl NewPin for NewCookie {
    fn add_to(self: Box<Self>, status: StatusCode, headers: &mut HeaderMap) {
        if self.request.allows_storage(status, headers) {
            match self.caching {
                PinCaching::MakePrivate => make_private(headers),
                PinCaching::OmitPin => return,
            }
        }
        // Appended: the application may set cookies of its own.
        headers.append(SET_COOKIE, self.cookie);
    }
}

/// Derives the key of a signature from a secret.
fn derive_key(secret: &[u8]) -> Result<Key, InvalidPinSecret> {
    if secret.len() < MIN_SECRET {
        return Err(InvalidPinSecret { len: secret.len() });
    }
    Ok(Key::derive_from(secret))
}

/// Returns whether `byte` may be in the name of a cookie: a token (RFC 9110, section 5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Returns the seconds since 1970.
fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

//! The base URL of a version, parsed once.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};
use thiserror::Error;

use super::path::{has_dot_segment, segment_pattern};
use super::text::impl_text_conversions;

/// The maximum length of a base URL in bytes.
const MAX_LEN: usize = 2_048;

/// The maximum length of a name that the DNS can resolve (RFC 1035, 2.3.4).
const MAX_NAME_LEN: usize = 253;

/// A port from 1 to 65535 as a regular expression.
macro_rules! port_pattern {
    () => {
        "[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
    };
}

/// An IPv6 address as a regular expression: eight groups, or up to seven with `::` between or before them.
macro_rules! address_pattern {
    () => {
        concat!(
            "(?:(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}|(?:[0-9A-Fa-f]{1,4}:){1,6}:[0-9A-Fa-f]{1,4}",
            "|(?:[0-9A-Fa-f]{1,4}:){2}(?::[0-9A-Fa-f]{1,4}){1,5}|::[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){0,6})"
        )
    };
}

/// An IPv4 address in four decimal numbers as a regular expression.
macro_rules! numbers_pattern {
    () => {
        concat!("(?:(?:", octet_pattern!(), r")\.){3}(?:", octet_pattern!(), ")")
    };
}

/// A decimal number from 0 to 255 without leading zeros as a regular expression.
macro_rules! octet_pattern {
    () => {
        "25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9]"
    };
}

/// A host name as a regular expression: up to three labels of any length, or up to six of at most 36 characters, so that
/// the name has at most 253. The last label is no number, neither decimal nor hexadecimal.
macro_rules! name_pattern {
    () => {
        concat!(
            r"(?:(?:[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.){0,2}",
            r"|(?:[A-Za-z0-9](?:[A-Za-z0-9_-]{0,34}[A-Za-z0-9])?\.){3,5})",
            "(?:[A-Za-z]|[0-9]{1,12}[A-WYZa-wyz])(?:[A-Za-z0-9_-]{0,49}[A-Za-z0-9])?"
        )
    };
}

/// The maximum length in characters of a refused URL in an error message.
const MAX_SHOWN: usize = 128;

/// The base URL of a version. The path of a request is joined to it.
///
/// It has the scheme `http` or `https`, a host, an optional port and an optional base path, in at most 2,048 bytes. It
/// has no user information, no query, no fragment and no dot segment. The host is a name, an IPv4 address in four decimal
/// numbers, or an IPv6 address in brackets. Other spellings of an IPv4 address, such as `127.1`, are refused, since
/// clients differ in how they read them. Whether the gateway may connect to the host is decided elsewhere, by the
/// [`VersionCheck`](crate::deployments::VersionCheck).
///
/// Two backends are equal if their scheme, host, port and base path are: a `/` at the end of the URL and the case of
/// the host make no difference. `http://a` and `http://a:80` differ, as their `Host` headers do. A clone shares all
/// parts.
///
/// ```
/// use tower_canary::Backend;
///
/// let backend: Backend = "http://10.0.0.7:8080/api/".parse()?;
/// assert_eq!(backend.authority().as_str(), "10.0.0.7:8080");
/// assert_eq!(backend.base_path(), "/api");
/// assert_eq!(backend, "http://10.0.0.7:8080/api".parse()?);
/// assert!("ftp://10.0.0.7".parse::<Backend>().is_err());
/// # Ok::<(), tower_canary::routing::InvalidBackend>(())
/// ```
#[derive(Clone)]
pub struct Backend {
    scheme: Scheme,
    authority: Authority,
    host: HeaderValue,
    base_path: Arc<str>,
    /// The URL as it was given.
    given: Arc<str>,
}

impl Backend {
    /// The maximum length of a base URL in bytes.
    pub const MAX_LEN: usize = MAX_LEN;

    /// The form of the usual base URLs as a regular expression of JSON Schema: every text of this form and length
    /// is a base URL. A few unusual ones have another form, so a client should not refuse them by itself.
    pub const PATTERN: &'static str = concat!(
        "^https?://(?:",
        name_pattern!(),
        "|",
        numbers_pattern!(),
        r"|\[",
        address_pattern!(),
        r"\])(?::(?:",
        port_pattern!(),
        "))?(?:/",
        segment_pattern!(),
        ")*/?$"
    );

    /// Returns the scheme, `http` or `https`.
    #[must_use]
    pub const fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// Returns the host and the port, if the URL has one.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Returns the authority as the value of a `Host` header.
    ///
    /// ```
    /// let backend: tower_canary::Backend = "https://[2001:db8::1]:8443/api".parse()?;
    /// assert_eq!(backend.host_header(), "[2001:db8::1]:8443");
    /// # Ok::<(), tower_canary::routing::InvalidBackend>(())
    /// ```
    #[must_use]
    pub const fn host_header(&self) -> &HeaderValue {
        &self.host
    }

    /// Returns the path that is put in front of the path of each request. It is empty, or starts with a `/` and does
    /// not end with one.
    #[must_use]
    pub fn base_path(&self) -> &str {
        &self.base_path
    }

    /// Returns [`base_path`](Self::base_path) as a shared text, which is cloned without a copy.
    pub(crate) fn shared_base_path(&self) -> Arc<str> {
        Arc::clone(&self.base_path)
    }

    /// Returns the URL as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.given
    }
}

impl FromStr for Backend {
    type Err = InvalidBackend;

    fn from_str(text: &str) -> Result<Self, InvalidBackend> {
        parse(text).map_err(|fault| {
            // A text with an '@' may hold a password, which must not reach a log.
            let given = (!text.contains('@')).then(|| text.chars().take(MAX_SHOWN).collect());
            InvalidBackend { given, fault }
        })
    }
}

/// By scheme, host and port, and base path: the spelling of the URL is left out.
impl PartialEq for Backend {
    fn eq(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.authority == other.authority && self.base_path == other.base_path
    }
}

impl Eq for Backend {}

/// Agrees with equality: the spelling of the URL is left out.
impl Hash for Backend {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.scheme.hash(state);
        self.authority.hash(state);
        self.base_path.hash(state);
    }
}

/// By scheme, host and port, and base path. Agrees with equality: the spelling of the URL is left out.
impl Ord for Backend {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_scheme = self.scheme.as_str().cmp(other.scheme.as_str());
        by_scheme
            .then_with(|| lower_case(&self.authority).cmp(lower_case(&other.authority)))
            .then_with(|| self.base_path.cmp(&other.base_path))
    }
}

impl PartialOrd for Backend {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Iterates over the bytes of `authority` in lower case: authorities are compared without regard to case.
fn lower_case(authority: &Authority) -> impl Iterator<Item = u8> {
    authority.as_str().bytes().map(|byte| byte.to_ascii_lowercase())
}

impl_text_conversions!(Backend, InvalidBackend);

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Backend({})", self.given)
    }
}

/// Parses a base URL and checks each of its parts.
fn parse(text: &str) -> Result<Backend, Fault> {
    if text.len() > MAX_LEN {
        return Err(Fault::TooLong);
    }
    // `http::Uri` drops a fragment silently.
    if text.contains('#') {
        return Err(Fault::QueryOrFragment);
    }
    let parts = text.parse::<Uri>().map_err(|_| Fault::NotAUrl)?.into_parts();
    let scheme = parts.scheme.ok_or(Fault::NotAUrl)?;
    let authority = parts.authority.ok_or(Fault::NotAUrl)?;
    let path = parts.path_and_query.ok_or(Fault::NotAUrl)?;
    if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
        return Err(Fault::Scheme);
    }
    check_authority(&authority)?;
    if path.query().is_some() {
        return Err(Fault::QueryOrFragment);
    }
    if has_dot_segment(path.path()) {
        return Err(Fault::DotSegment);
    }
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Fault::NotAUrl)?;
    let base_path = path.path().trim_end_matches('/').into();
    Ok(Backend { scheme, authority, host, base_path, given: text.into() })
}

/// Checks the host and the port. `http::Uri` accepts characters there that no host has.
fn check_authority(authority: &Authority) -> Result<(), Fault> {
    if authority.as_str().contains('@') {
        return Err(Fault::UserInfo);
    }
    if !is_host(authority.host()) {
        return Err(Fault::Host);
    }
    // Without user information the authority starts with its host.
    let after_host = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    if after_host.is_empty() {
        return Ok(());
    }
    // `http::Uri` lets other text follow the brackets of an IPv6 address.
    let port = after_host.strip_prefix(':').ok_or(Fault::Host)?;
    if is_port(port) { Ok(()) } else { Err(Fault::Port) }
}

/// Returns whether `text` is a port as it is sent in a `Host` header: without a sign, a leading zero or port 0.
fn is_port(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    is_plain && text.parse::<u16>().is_ok()
}

/// Returns whether `host` is an IPv6 address in brackets, an IPv4 address, or labels between dots.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.rsplit('.').next().is_some_and(is_number) {
        // The URL standard reads such a host as an IPv4 address. Resolvers read it otherwise, or as a name.
        return host.parse::<Ipv4Addr>().is_ok();
    }
    name.len() <= MAX_NAME_LEN && name.split('.').all(is_label)
}

/// Returns whether the URL standard reads `label` as a number: decimal, octal or hexadecimal.
fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// Returns whether `label` is a label of RFC 1123, or one with `_`, which names of containers often have.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// The error for a text that is not the base URL of a [`Backend`]. The message names the fault and, unless the text
/// could hold a password, the text.
///
/// ```
/// let error = "http://me:secret@10.0.0.7".parse::<tower_canary::Backend>().unwrap_err();
/// assert!(error.to_string().contains("user information"));
/// assert!(!error.to_string().contains("secret"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct InvalidBackend {
    /// The start of the text. `None` if it could hold a password.
    given: Option<Box<str>>,
    fault: Fault,
}

impl fmt::Display for InvalidBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.given {
            Some(given) => write!(f, "{given:?} is not a base URL: {}", self.fault),
            None => write!(f, "a text with '@', not shown here, is not a base URL: {}", self.fault),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
enum Fault {
    #[error("write it as http://host:port/path")]
    NotAUrl,
    #[error("it is over 2,048 bytes")]
    TooLong,
    #[error("only http and https are served")]
    Scheme,
    #[error("it must not hold user information: leave out 'user:password@'")]
    UserInfo,
    #[error(
        "its host must be labels of letters, digits, '-' and '_' between dots, or an address in its usual form"
    )]
    Host,
    #[error("its port must be 1 to 65535")]
    Port,
    #[error("leave out '?' and '#'")]
    QueryOrFragment,
    #[error("leave out '.' and '..' segments")]
    DotSegment,
}

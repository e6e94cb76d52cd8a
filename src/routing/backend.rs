//! The base URL of a version, parsed once.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};

/// The most bytes of a base URL.
const MAX_LEN: usize = 2_048;

/// Where a version is served: the base URL that a request's path is joined to.
///
/// `http` or `https`, a host, an optional port and an optional base path. No user information, query or
/// fragment. Whether the host may be reached at all is not decided here.
///
/// ```
/// use tower_canary::Backend;
///
/// let backend: Backend = "http://10.0.0.7:8080/api/".parse()?;
/// assert_eq!(backend.authority().as_str(), "10.0.0.7:8080");
/// assert_eq!(backend.base_path(), "/api");
/// assert!("ftp://10.0.0.7".parse::<Backend>().is_err());
/// # Ok::<(), tower_canary::routing::InvalidBackend>(())
/// ```
#[derive(Clone)]
pub struct Backend {
    scheme: Scheme,
    authority: Authority,
    host: HeaderValue,
    base_path: Arc<str>,
    given: Arc<str>,
}

impl Backend {
    /// `http` or `https`.
    #[must_use]
    pub const fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// The host and port.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The host and port, as the `Host` header has them.
    #[must_use]
    pub const fn host_header(&self) -> &HeaderValue {
        &self.host
    }

    /// The path in front of every request's path: empty, or with a `/` in front and none behind.
    #[must_use]
    pub fn base_path(&self) -> &str {
        &self.base_path
    }

    /// [`base_path`](Self::base_path), to be kept without a copy.
    pub(crate) fn shared_base_path(&self) -> Arc<str> {
        Arc::clone(&self.base_path)
    }

    /// The URL as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.given
    }
}

impl FromStr for Backend {
    type Err = InvalidBackend;

    fn from_str(text: &str) -> Result<Self, InvalidBackend> {
        parse(text).map_err(|reason| {
            // What may hold a password is not kept, so that no log shows it.
            let shown = if text.contains('@') { 0 } else { 128 };
            InvalidBackend { given: text.chars().take(shown).collect(), reason }
        })
    }
}

fn parse(text: &str) -> Result<Backend, Reason> {
    if text.len() > MAX_LEN {
        return Err(Reason::TooLong);
    }
    // `http::Uri` drops a fragment silently.
    if text.contains('#') {
        return Err(Reason::QueryOrFragment);
    }
    let parts = text.parse::<Uri>().map_err(|_| Reason::NotAUrl)?.into_parts();
    let (Some(scheme), Some(authority), Some(path)) = (parts.scheme, parts.authority, parts.path_and_query)
    else {
        return Err(Reason::NotAUrl);
    };
    if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
        return Err(Reason::Scheme);
    }
    check_authority(&authority)?;
    if path.query().is_some() {
        return Err(Reason::QueryOrFragment);
    }
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Reason::NotAUrl)?;
    Ok(Backend { scheme, authority, host, base_path: base_path(path.path())?, given: text.into() })
}

fn check_authority(authority: &Authority) -> Result<(), Reason> {
    if authority.as_str().contains('@') {
        return Err(Reason::UserInfo);
    }
    if !is_host(authority.host()) {
        return Err(Reason::Host);
    }
    let port = authority.as_str().strip_prefix(authority.host()).and_then(|rest| rest.strip_prefix(':'));
    let digits = |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
    if port.is_some_and(|port| !digits(port) || port.parse::<u16>().is_err()) {
        return Err(Reason::Port);
    }
    Ok(())
}

fn base_path(path: &str) -> Result<Arc<str>, Reason> {
    if has_dot_segment(path) {
        return Err(Reason::DotSegment);
    }
    Ok(path.trim_end_matches('/').into())
}

/// Whether some reader of `path` could find a `.` or `..` in it: encoded, behind an encoded slash, with parameters.
pub(super) fn has_dot_segment(path: &str) -> bool {
    if !path.contains(['.', '%']) {
        return false;
    }
    let path = path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
    let names = path.split(['/', '\\']).filter_map(|segment| segment.split(';').next());
    names.into_iter().any(|name| matches!(name, "." | ".."))
}

/// An IPv6 address in brackets, or labels of letters, digits, `-` and `_` (RFC 1123; `_` is common in container names).
fn is_host(host: &str) -> bool {
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_label = |label: &str| {
        let ends = label.starts_with('-') || label.ends_with('-');
        (1..=63).contains(&label.len()) && label.bytes().all(sign) && !ends
    };
    host.starts_with('[') || host.strip_suffix('.').unwrap_or(host).split('.').all(is_label)
}

/// Equal when requests go to the same place, whatever the spelling of an empty path.
impl PartialEq for Backend {
    fn eq(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.authority == other.authority && self.base_path == other.base_path
    }
}

impl Eq for Backend {}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.given)
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Backend({})", self.given)
    }
}

/// A text that is not the base URL of a [`Backend`].
///
/// ```
/// let error = "http://me:secret@10.0.0.7".parse::<tower_canary::Backend>().unwrap_err();
/// assert!(error.to_string().contains("user information"));
/// assert!(!error.to_string().contains("secret"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidBackend {
    given: Box<str>,
    reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    NotAUrl,
    TooLong,
    Scheme,
    UserInfo,
    Host,
    Port,
    QueryOrFragment,
    DotSegment,
}

impl fmt::Display for InvalidBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.reason {
            Reason::UserInfo => "it must not hold user information: leave out 'user:password@'",
            Reason::NotAUrl => "write it as http://host:port/path",
            Reason::TooLong => "it is over 2,048 bytes",
            Reason::Scheme => "only http and https are served",
            Reason::Host => {
                "its host must be labels of letters, digits, '-' and '_' between dots, or an address"
            }
            Reason::Port => "its port must be 1 to 65535",
            Reason::QueryOrFragment => "leave out '?' and '#'",
            Reason::DotSegment => "leave out '.' and '..' segments",
        };
        write!(f, "{:?} is not a base URL: {why}", self.given)
    }
}

impl std::error::Error for InvalidBackend {}

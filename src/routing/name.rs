//! Names of services and versions.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The most bytes a name has.
const MAX_LEN: usize = 63;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                if is_name(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidName { kind: $kind, given: text.into() })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        // Hash, Eq and Ord are those of the text, as `Borrow` asks.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name! {
    /// The name of a service: a logical backend, such as `auth`.
    ///
    /// 1 to 63 lower-case ASCII letters, digits, `.`, `_` and `-`; a letter or digit at both ends; no `..`.
    /// So a name is safe in a path, a log line, a header and a metric label.
    ///
    /// ```
    /// use tower_canary::ServiceName;
    ///
    /// let auth: ServiceName = "auth".parse()?;
    /// assert_eq!(auth.as_str(), "auth");
    /// assert!("../auth".parse::<ServiceName>().is_err());
    /// # Ok::<(), tower_canary::routing::InvalidName>(())
    /// ```
    ServiceName, "service"
}

name! {
    /// The name of one version of a service, such as `v1.1`. The same characters as a [`ServiceName`].
    ///
    /// ```
    /// use tower_canary::VersionName;
    ///
    /// let canary: VersionName = "v1.1".parse()?;
    /// assert_eq!(canary.to_string(), "v1.1");
    /// # Ok::<(), tower_canary::routing::InvalidName>(())
    /// ```
    VersionName, "version"
}

fn is_name(text: &str) -> bool {
    let end = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    let bytes = text.as_bytes();
    bytes.len() <= MAX_LEN
        && end(bytes.first())
        && end(bytes.last())
        && bytes.iter().all(|b| inner(*b))
        && !text.contains("..")
}

/// A text that is not a [`ServiceName`] or [`VersionName`].
///
/// ```
/// let error = "Auth".parse::<tower_canary::ServiceName>().unwrap_err();
/// assert!(error.to_string().starts_with("\"Auth\" is not a service name"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidName {
    kind: &'static str,
    given: Box<str>,
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.given.chars().take(MAX_LEN + 1).collect();
        write!(
            f,
            "{shown:?} is not a {} name: use 1 to {MAX_LEN} lower-case letters, digits, '.', '_' or '-', \
             with a letter or digit at both ends and no '..'",
            self.kind
        )
    }
}

impl std::error::Error for InvalidName {}

//! Names of services and versions.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use super::text::impl_text_conversions;

/// The maximum length of a name in bytes: one label of the DNS.
const MAX_LEN: usize = 63;

/// The form that [`is_name`] accepts, without the length: a `.` is followed by another character, which excludes `..`.
const PATTERN: &str = r"^[a-z0-9](?:(?:\.?[a-z0-9_-])*\.?[a-z0-9])?$";

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The maximum length of a name in bytes.
            pub const MAX_LEN: usize = MAX_LEN;

            /// The form of a name as a regular expression of JSON Schema, without the length. A form of a client can
            /// check its input with both.
            pub const PATTERN: &'static str = PATTERN;

            /// Returns the name as text.
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

        impl_text_conversions!($name, InvalidName);

        // `Borrow` requires that `Hash`, `Eq` and `Ord` agree with `str`: all three are derived from the text.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
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
    /// A name has 1 to 63 characters: lower-case ASCII letters, digits, `.`, `_` and `-`. It starts and ends with a
    /// letter or a digit and has no `..`. So it is safe in a path, a log line, a header and a metric label.
    ///
    /// A clone shares the text.
    ///
    /// ```
    /// use tower_canary::ServiceName;
    ///
    /// let auth: ServiceName = "auth".parse()?;
    /// assert_eq!(auth, ServiceName::try_from("auth")?);
    /// assert_eq!(auth.as_str(), "auth");
    /// assert!("../auth".parse::<ServiceName>().is_err());
    /// # Ok::<(), tower_canary::routing::InvalidName>(())
    /// ```
    ServiceName, "service"
}

name! {
    /// The name of one version of a service, such as `v1.1`. It has the same form as a [`ServiceName`].
    ///
    /// A version that is removed frees its name. A version registered under it later has another
    /// [`VersionId`](super::VersionId).
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

/// Returns whether a text is a name: see [`ServiceName`] for the rules.
fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    bytes.len() <= MAX_LEN
        && is_letter_or_digit(*first)
        && is_letter_or_digit(*last)
        && bytes.iter().all(|byte| is_letter_or_digit(*byte) || matches!(byte, b'.' | b'_' | b'-'))
        && !text.contains("..")
}

/// Returns whether a byte is a lower-case letter or a digit of ASCII.
const fn is_letter_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// The error for a text that is not a [`ServiceName`] or a [`VersionName`].
///
/// ```
/// let error = "Auth".parse::<tower_canary::ServiceName>().unwrap_err();
/// assert!(error.to_string().starts_with("\"Auth\" is not a service name: use 1 to 63 lower-case letters"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{:?} is not a {kind} name: use 1 to {MAX_LEN} lower-case letters, digits, '.', '_' or '-', \
     with a letter or digit at both ends and no '..'",
    shorten(.given)
)]
pub struct InvalidName {
    kind: &'static str,
    given: Box<str>,
}

/// Returns the start of `given`, long enough to show that it is too long.
fn shorten(given: &str) -> String {
    given.chars().take(MAX_LEN + 1).collect()
}

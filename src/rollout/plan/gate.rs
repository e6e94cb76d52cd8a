//! Names of gates.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// The longest name in bytes.
const MAX_LEN: usize = 63;

/// The name of a gate: a condition that must hold before a rollout continues.
///
/// [`GateName::APPROVAL`] is opened by a person. Every other name is of a gate that the application registers in code. So a
/// plan holds no URL, and who may start a rollout cannot make the gateway call an address.
///
/// A name has 1 to 63 lower-case letters, digits and `-`, with a letter or digit at both ends.
///
/// ```
/// use tower_canary::rollout::GateName;
///
/// let smoke: GateName = "smoke-test".parse()?;
/// assert!(!smoke.is_approval());
/// assert!("http://10.0.0.1/hook".parse::<GateName>().is_err());
/// # Ok::<(), tower_canary::rollout::InvalidGateName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GateName(String);

impl GateName {
    /// The name of the gate that a person opens.
    pub const APPROVAL: &'static str = "approval";

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether a person opens the gate.
    #[must_use]
    pub fn is_approval(&self) -> bool {
        self.0 == Self::APPROVAL
    }
}

impl FromStr for GateName {
    type Err = InvalidGateName;

    fn from_str(text: &str) -> Result<Self, InvalidGateName> {
        let bytes = text.as_bytes();
        let has_ends =
            bytes.first().is_some_and(is_letter_or_digit) && bytes.last().is_some_and(is_letter_or_digit);
        let is_name = bytes.iter().all(|byte| is_letter_or_digit(byte) || *byte == b'-');
        if has_ends && is_name && bytes.len() <= MAX_LEN {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidGateName)
        }
    }
}

/// Returns whether a name may begin or end with this byte.
const fn is_letter_or_digit(byte: &u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

impl fmt::Display for GateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for GateName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for GateName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The error for a text that is not a [`GateName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "not the name of a gate: use 1 to 63 lower-case letters, digits and '-', with a letter or digit at both ends"
)]
#[non_exhaustive]
pub struct InvalidGateName;

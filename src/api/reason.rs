//! The reason for a change.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::store::MAX_REASON;

/// Why a change is made, for the history: at most 1,000 characters, no control characters.
///
/// ```
/// use tower_canary::api::{ChangeReason, InvalidChangeReason};
///
/// let reason: ChangeReason = "v1.1 responds with 500".parse()?;
/// assert_eq!(reason.as_str(), "v1.1 responds with 500");
/// assert_eq!("two\nlines".parse::<ChangeReason>(), Err(InvalidChangeReason::ControlCharacter));
/// # Ok::<(), InvalidChangeReason>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "admin", schema(value_type = String, max_length = 1000))]
pub struct ChangeReason(String);

/// A text that is not a [`ChangeReason`].
///
/// See [`ChangeReason`] for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidChangeReason {
    /// The text has more than 1,000 characters.
    #[error("a reason has at most 1,000 characters")]
    TooLong,
    /// The text has a control character, for example a line break.
    #[error("a reason has no control characters, such as line breaks")]
    ControlCharacter,
}

impl ChangeReason {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ChangeReason {
    type Error = InvalidChangeReason;

    fn try_from(text: String) -> Result<Self, InvalidChangeReason> {
        if text.chars().nth(MAX_REASON).is_some() {
            return Err(InvalidChangeReason::TooLong);
        }
        if text.contains(char::is_control) {
            return Err(InvalidChangeReason::ControlCharacter);
        }
        Ok(Self(text))
    }
}

impl FromStr for ChangeReason {
    type Err = InvalidChangeReason;

    fn from_str(text: &str) -> Result<Self, InvalidChangeReason> {
        Self::try_from(text.to_owned())
    }
}

impl From<ChangeReason> for String {
    fn from(reason: ChangeReason) -> Self {
        reason.0
    }
}

impl fmt::Display for ChangeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

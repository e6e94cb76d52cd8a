//! Why a plan is refused.

use std::fmt;

use thiserror::Error;

/// The error for JSON that is not a [`Plan`](super::Plan).
///
/// ```
/// use tower_canary::rollout::Plan;
///
/// let error = r#"{"version": "v1.1", "steps": [5, 50, 25]}"#.parse::<Plan>().unwrap_err();
/// assert_eq!(error.pointer(), "/steps/2");
/// assert_eq!(error.to_string(), "/steps/2: give a weight above 50, the weight of the step before");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct InvalidPlan {
    pointer: String,
    reason: String,
}

impl InvalidPlan {
    pub(crate) fn new(pointer: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self { pointer: pointer.into(), reason: reason.to_string() }
    }

    /// Returns the place in the plan as a JSON pointer (RFC 6901). Empty for the plan as a whole.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// Returns the reason without the place.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for InvalidPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.pointer.is_empty() {
            write!(f, "{}: ", self.pointer)?;
        }
        f.write_str(&self.reason)
    }
}

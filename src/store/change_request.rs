//! A change with who asks for it, why, and under which conditions.

use std::time::SystemTime;

use super::error::StoreError;
use crate::routing::{Backend, Change, Split, Version, VersionName};

/// A [`Change`] with who asks for it, why, and under which conditions.
///
/// ```
/// use tower_canary::routing::Change;
/// use tower_canary::store::ChangeRequest;
///
/// let mut request = ChangeRequest::new(Change::Switch { version: "v1.0".parse()? }, "alice");
/// request.reason = Some("v1.1 answers 500".into());
/// request.expected_generation = Some(41);
/// # Ok::<(), tower_canary::routing::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChangeRequest {
    /// What to do.
    pub change: Change,
    /// Who asks: at most 255 characters.
    pub actor: String,
    /// Why: at most 1,000 characters.
    pub reason: Option<String>,
    /// Refuse the change when the split is at another generation.
    pub expected_generation: Option<u64>,
    /// Which versions may get traffic that have none.
    pub clearance: Clearance,
}

/// Which versions may get traffic that have none: those that were found healthy, or all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Clearance {
    /// Only these versions at these URLs.
    Only(Vec<(VersionName, Backend)>),
    /// Every version, healthy or not.
    All,
}

impl ChangeRequest {
    /// Asks for `change` on behalf of `actor`, whatever the generation, with all versions cleared.
    #[must_use]
    pub fn new(change: Change, actor: impl Into<String>) -> Self {
        Self {
            change,
            actor: actor.into(),
            reason: None,
            expected_generation: None,
            clearance: Clearance::All,
        }
    }

    /// The split that the request makes of `split`, at the time `at`: what every store asks inside its transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError::GenerationConflict`], [`StoreError::Refused`] by a rule of the split, or
    /// [`StoreError::NotCleared`].
    pub fn decide(&self, split: &Split, at: SystemTime) -> Result<Split, StoreError> {
        if let Some(expected) = self.expected_generation.filter(|expected| *expected != split.generation()) {
            return Err(StoreError::GenerationConflict { expected, found: split.generation() });
        }
        let after = split.apply(&self.change, at)?;
        let unclear: Vec<Version> =
            split.newly_serving(&after).filter(|v| !self.clears(v)).cloned().collect();
        if unclear.is_empty() { Ok(after) } else { Err(StoreError::NotCleared(unclear)) }
    }

    fn clears(&self, version: &Version) -> bool {
        match &self.clearance {
            Clearance::All => true,
            Clearance::Only(cleared) => {
                cleared.iter().any(|(name, backend)| *name == version.name && *backend == version.backend)
            }
        }
    }
}

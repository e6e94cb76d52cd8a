//! A change with who asks for it, why, and under which conditions.

use std::time::SystemTime;

use super::error::StoreError;
use crate::routing::{Change, Instances, Split, Version, VersionName};

/// How many characters the name of who asks has at most.
pub(crate) const MAX_ACTOR: usize = 255;
/// How many characters a reason has at most.
pub(crate) const MAX_REASON: usize = 1_000;

/// A [`Change`] with who asks for it, why, and under which conditions.
///
/// ```
/// use tower_canary::routing::Change;
/// use tower_canary::store::ChangeRequest;
///
/// let request = ChangeRequest::new(Change::switch("v1.0".parse()?), "alice")
///     .with_reason("v1.1 answers 500")
///     .with_expected_generation(41);
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

/// Which versions at weight 0 may be given traffic without a probe: those that were found healthy, or all.
///
/// ```
/// use tower_canary::routing::Change;
/// use tower_canary::store::{ChangeRequest, Clearance};
///
/// let request = ChangeRequest::new(Change::switch("v1.0".parse()?), "alice");
/// assert_eq!(request.clearance, Clearance::Only(vec![]));
/// assert_eq!(request.without_check().clearance, Clearance::All);
/// # Ok::<(), tower_canary::routing::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Clearance {
    /// Only these versions at these URLs.
    Only(Vec<(VersionName, Instances)>),
    /// Every version, healthy or not.
    All,
}

impl ChangeRequest {
    /// Asks for `change` on behalf of `actor`, whatever the generation. Versions that would get traffic and have none
    /// are to be probed first, as [`Deployments::apply`](crate::Deployments::apply) does.
    #[must_use]
    pub fn new(change: Change, actor: impl Into<String>) -> Self {
        let clearance = Clearance::Only(Vec::new());
        Self { change, actor: actor.into(), reason: None, expected_generation: None, clearance }
    }

    /// Says why.
    #[must_use]
    pub fn with_reason(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// Refuses the change when the split is at another generation.
    #[must_use]
    pub fn with_expected_generation(self, generation: u64) -> Self {
        Self { expected_generation: Some(generation), ..self }
    }

    /// Skips the probe. It does not take the last active version out: that is `force` of
    /// [`Change::SetActive`].
    #[must_use]
    pub fn without_check(self) -> Self {
        Self { clearance: Clearance::All, ..self }
    }

    /// The split that the request makes of `split`, at the time `at`: what every store asks inside its transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError::TextRefused`], [`StoreError::GenerationConflict`], [`StoreError::Refused`] by a rule of the split,
    /// or [`StoreError::NotCleared`].
    pub fn decide(&self, split: &Split, at: SystemTime) -> Result<Split, StoreError> {
        text("actor", &self.actor, MAX_ACTOR)?;
        text("reason", self.reason.as_deref().unwrap_or_default(), MAX_REASON)?;
        if let Some(expected) = self.expected_generation.filter(|expected| *expected != split.generation()) {
            return Err(StoreError::GenerationConflict { expected, found: split.generation() });
        }
        let after = split.apply(&self.change, at)?;
        let unclear: Vec<Version> =
            split.newly_serving(&after).filter(|v| !self.clears(v)).cloned().collect();
        if unclear.is_empty() {
            return Ok(after);
        }
        Err(StoreError::NotCleared { versions: unclear, health_path: after.health_path().cloned() })
    }

    fn clears(&self, version: &Version) -> bool {
        match &self.clearance {
            Clearance::All => true,
            Clearance::Only(cleared) => cleared
                .iter()
                .any(|(name, instances)| *name == version.name && *instances == version.instances),
        }
    }
}

/// Refuses what some database would.
pub(crate) fn text(field: &'static str, text: &str, most: usize) -> Result<(), StoreError> {
    let fits = text.chars().count() <= most && !text.contains('\0');
    if fits { Ok(()) } else { Err(StoreError::TextRefused { field, most }) }
}

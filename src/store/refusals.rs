//! Changes that were asked for and refused.

use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;

use super::change_request::{ChangeRequest, MAX_ACTOR, MAX_REASON};
use super::error::StoreError;
use crate::common::time::now;
use crate::routing::{ServiceName, Split, VersionName, VersionShare};

/// How many refused changes a store keeps.
pub(crate) const MAX_REFUSALS: usize = 1_000;

/// Records changes that were refused, beside the history.
///
/// See [`Deployments::refusals`](crate::Deployments::refusals) for an example.
#[async_trait]
pub trait RefusalLog: fmt::Debug + Send + Sync + 'static {
    /// Records a change that was refused. The last 1,000 of the whole store are enough.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the store cannot be written.
    async fn record_refusal(&self, refusal: &Refusal) -> Result<(), StoreError>;

    /// Returns up to `limit` refused changes of `service`, latest first. The service need not exist.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the store cannot be read.
    async fn refusals(&self, service: &ServiceName, limit: u32) -> Result<Vec<Refusal>, StoreError>;
}

/// A change that was asked for and refused, as a store keeps it.
///
/// ```
/// use tower_canary::routing::Change;
/// use tower_canary::store::{ChangeRequest, Refusal};
///
/// let request = ChangeRequest::new(Change::switch("v1.1".parse()?), "alice");
/// let refusal = Refusal::new(&"auth".parse()?, &request, None, &"there is no such service");
/// assert_eq!(refusal.asked, "switch to v1.1");
/// assert_eq!(refusal.why, "there is no such service");
/// # Ok::<(), tower_canary::routing::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// Whose split was to change. There may be no such service.
    pub service: ServiceName,
    /// Who asked.
    pub actor: String,
    /// Why they asked, if they said.
    pub reason: Option<String>,
    /// The kind of change, as [`Change::kind`](crate::routing::Change::kind) names it.
    pub kind: String,
    /// The version it named.
    pub version: Option<VersionName>,
    /// What was asked for, in words.
    pub asked: String,
    /// The generation that was served then, if there was one.
    pub generation: Option<u64>,
    /// The split that was served then.
    pub shares: Vec<VersionShare>,
    /// Why it was refused, and what to do.
    pub why: String,
    /// When.
    pub at: SystemTime,
}

impl Refusal {
    /// That of a `request` to change `service`, refused now for `why`, while `split` was served. Texts are cut to what
    /// every store can keep.
    #[must_use]
    pub fn new(
        service: &ServiceName,
        request: &ChangeRequest,
        split: Option<&Split>,
        why: &dyn fmt::Display,
    ) -> Self {
        Self {
            service: service.clone(),
            actor: cut(&request.actor, MAX_ACTOR),
            reason: request.reason.as_deref().map(|reason| cut(reason, MAX_REASON)),
            kind: request.change.kind().to_owned(),
            version: request.change.version().cloned(),
            asked: cut(&request.change.to_string(), MAX_REASON),
            generation: split.map(Split::generation),
            shares: split.map(Split::shares).unwrap_or_default(),
            why: cut(&why.to_string(), MAX_REASON),
            at: now(),
        }
    }
}

fn cut(text: &str, most: usize) -> String {
    text.chars().filter(|letter| *letter != '\0').take(most).collect()
}

//! Changes that were refused.

use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;

use super::actor_kind::ActorKind;
use super::change_request::{ChangeRequest, MAX_ACTOR, MAX_REASON, MAX_REQUEST_ID, truncate};
use super::error::StoreError;
use crate::common::time::now;
use crate::routing::{ServiceName, Split, VersionName, VersionShare};

/// Records changes that were refused, apart from the history.
///
/// A store that has a log returns it from [`RouteStore::refusal_log`](super::RouteStore::refusal_log).
/// [`Deployments`](crate::Deployments) then records each change that it refuses. A failure to record is logged and does not
/// change the response.
///
/// ```
/// use tower_canary::routing::Change;
/// use tower_canary::store::{ChangeRequest, MemoryStore, Refusal, RouteStore};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = MemoryStore::new();
/// let log = store.refusal_log().ok_or("the store has no log")?;
/// let request = ChangeRequest::new(Change::switch("v1.1".parse()?), "alice");
/// log.record_refusal(&Refusal::new(&"auth".parse()?, &request, None, &"no such service")).await?;
/// let page = log.refusals(&"auth".parse()?, None, 10).await?;
/// assert_eq!(page[0].actor, "alice");
/// assert!(log.refusals(&"auth".parse()?, Some(page[0].id), 10).await?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[async_trait]
pub trait RefusalLog: fmt::Debug + Send + Sync + 'static {
    /// Records a change that was refused, under an [id](Refusal::id) that the log assigns. The log keeps the last
    /// [`Refusal::RETAINED`] of all services together.
    ///
    /// # Errors
    ///
    /// - [`StoreError::Unstorable`] if the store cannot store a character of a text.
    /// - [`StoreError::Unavailable`] or [`StoreError::Unusable`] if the log cannot be written.
    async fn record_refusal(&self, refusal: &Refusal) -> Result<(), StoreError>;

    /// Returns up to `limit` refused changes of `service`, latest first: those with an id below `before`, or all. Fewer
    /// than `limit` are the last ones that are stored. The service need not exist.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] or [`StoreError::Unusable`] if the log cannot be read.
    async fn refusals(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Refusal>, StoreError>;
}

/// A change that was refused, as a [`RefusalLog`] records it.
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
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct Refusal {
    /// The place in the log: a later refusal has a greater number, from 1 on. 0: it is not recorded.
    #[cfg_attr(feature = "serde", serde(default))]
    pub id: u64,
    /// The service whose split was to change. It need not exist.
    pub service: ServiceName,
    /// Who requested the change.
    pub actor: String,
    /// The reason for the change, if one was given.
    pub reason: Option<String>,
    /// The kind of change: see [`Change::kind`](crate::routing::Change::kind).
    pub kind: String,
    /// The version that the change names, if it names one.
    pub version: Option<VersionName>,
    /// The change in words.
    pub asked: String,
    /// The generation that was served at that time, if the service existed.
    pub generation: Option<u64>,
    /// The split that was served at that time.
    pub shares: Vec<VersionShare>,
    /// Why the change was refused, and how to fix it.
    pub why: String,
    /// When the change was refused.
    #[cfg_attr(feature = "serde", serde(with = "crate::common::millis"))]
    pub at: SystemTime,
    /// What kind of sender the actor is. `None`: an earlier release recorded the refusal.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none", with = "super::actor_kind::optional_word")
    )]
    pub actor_kind: Option<ActorKind>,
    /// The id of the request in the logs of the application, if it has one.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub request_id: Option<String>,
}

impl Refusal {
    /// How many refused changes a log keeps, of all services together.
    pub const RETAINED: usize = 1_000;

    /// Creates the record of a `request` to change `service` that is refused now because of `why`, while `split` is served.
    ///
    /// Texts are truncated to [`MAX_ACTOR`], [`MAX_REASON`] and [`MAX_REQUEST_ID`] characters, without NUL.
    #[must_use]
    pub fn new(
        service: &ServiceName,
        request: &ChangeRequest,
        split: Option<&Split>,
        why: &dyn fmt::Display,
    ) -> Self {
        let actor = truncate(&request.actor, MAX_ACTOR);
        let reason = request.reason.as_deref().map(truncate_long);
        let request_id = request.request_id.as_deref().map(|id| truncate(id, MAX_REQUEST_ID));
        let shares = split.map(Split::shares).unwrap_or_default();
        Self::from_stored(service.clone(), actor, request.change.kind(), now())
            .with_reason(reason)
            .with_version(request.change.version().cloned())
            .with_texts(truncate_long(&request.change.to_string()), truncate_long(&why.to_string()))
            .with_split(split.map(Split::generation), shares)
            .with_sender(Some(request.actor_kind), request_id)
    }

    /// Creates a record from stored values. The `with_*` methods set the others. A store of an application reads its log
    /// back with it.
    ///
    /// ```
    /// use tower_canary::store::{Refusal, now};
    ///
    /// let refusal = Refusal::from_stored("auth".parse()?, "alice", "switch", now())
    ///     .with_version(Some("v1.1".parse()?))
    ///     .with_texts("switch to v1.1", "there is no such service");
    /// assert_eq!((refusal.kind.as_str(), refusal.generation), ("switch", None));
    /// # Ok::<(), tower_canary::routing::InvalidName>(())
    /// ```
    #[must_use]
    pub fn from_stored(
        service: ServiceName,
        actor: impl Into<String>,
        kind: impl Into<String>,
        at: SystemTime,
    ) -> Self {
        Self {
            id: 0,
            service,
            actor: actor.into(),
            reason: None,
            kind: kind.into(),
            version: None,
            asked: String::new(),
            generation: None,
            shares: Vec::new(),
            why: String::new(),
            at,
            actor_kind: None,
            request_id: None,
        }
    }

    /// Sets the place in the log.
    #[must_use]
    pub fn with_id(self, id: u64) -> Self {
        Self { id, ..self }
    }

    /// Sets the kind of the actor and the id of the request.
    #[must_use]
    pub fn with_sender(self, actor_kind: Option<ActorKind>, request_id: Option<String>) -> Self {
        Self { actor_kind, request_id, ..self }
    }

    /// Sets the reason.
    #[must_use]
    pub fn with_reason(self, reason: Option<String>) -> Self {
        Self { reason, ..self }
    }

    /// Sets the version that the change names.
    #[must_use]
    pub fn with_version(self, version: Option<VersionName>) -> Self {
        Self { version, ..self }
    }

    /// Sets the change in words, and why it was refused.
    #[must_use]
    pub fn with_texts(self, asked: impl Into<String>, why: impl Into<String>) -> Self {
        Self { asked: asked.into(), why: why.into(), ..self }
    }

    /// Sets the split that was served at that time.
    #[must_use]
    pub fn with_split(self, generation: Option<u64>, shares: Vec<VersionShare>) -> Self {
        Self { generation, shares, ..self }
    }
}

/// Truncates a text to [`MAX_REASON`] characters, without NUL.
fn truncate_long(text: &str) -> String {
    truncate(text, MAX_REASON)
}

//! The history of a split.

use std::time::SystemTime;

use super::actor_kind::ActorKind;
use super::change_request::ChangeRequest;
use crate::routing::{ServiceSettings, Split, VersionName, VersionShare};

/// One change of a split, as the history records it.
///
/// ```
/// use std::time::SystemTime;
/// use tower_canary::store::HistoryEntry;
///
/// // A store that reads an entry back.
/// let entry = HistoryEntry::from_stored(42, "alice", "switch", SystemTime::now())
///     .with_reason(Some("v1.1 responds with 500".into()))
///     .with_version(Some("v1.0".parse()?));
/// assert_eq!((entry.generation, entry.kind.as_str()), (42, "switch"));
/// # Ok::<(), tower_canary::routing::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct HistoryEntry {
    /// The generation of the split after the change.
    pub generation: u64,
    /// Who made the change.
    pub actor: String,
    /// Why, if a reason was given.
    pub reason: Option<String>,
    /// The kind of change: see [`Change::kind`](crate::routing::Change::kind).
    pub kind: String,
    /// The version that the change names, if it names one.
    pub version: Option<VersionName>,
    /// The split before.
    pub before: Vec<VersionShare>,
    /// The split after.
    pub after: Vec<VersionShare>,
    /// The settings of the service before. `None`: an earlier release made the change.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub settings_before: Option<ServiceSettings>,
    /// The settings of the service after. `None`: an earlier release made the change.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub settings_after: Option<ServiceSettings>,
    /// When the change was made.
    #[cfg_attr(feature = "serde", serde(with = "crate::common::millis"))]
    pub at: SystemTime,
    /// What kind of sender the actor is. `None`: an earlier release made the change.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none", with = "super::actor_kind::optional_word")
    )]
    pub actor_kind: Option<ActorKind>,
    /// The id of the request in the logs of the application, if it has one.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub request_id: Option<String>,
}

impl HistoryEntry {
    /// Creates the entry for a `request` that changed the split `before` into `after` at the time `at`. A store records it
    /// together with the split.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use tower_canary::routing::{Change, Split};
    /// use tower_canary::store::{ChangeRequest, HistoryEntry};
    ///
    /// let at = SystemTime::UNIX_EPOCH;
    /// let request = ChangeRequest::new(Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), "alice");
    /// let before = Split::new("auth".parse()?, 7);
    /// let after = before.apply(&request.change, at)?;
    /// let entry = HistoryEntry::new(&request, &before, &after, at);
    /// assert_eq!((entry.generation, &*entry.actor, &*entry.kind), (1, "alice", "register"));
    /// assert!(entry.before.is_empty() && entry.after.len() == 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(request: &ChangeRequest, before: &Split, after: &Split, at: SystemTime) -> Self {
        let entry = Self::from_stored(after.generation(), &request.actor, request.change.kind(), at);
        entry
            .with_reason(request.reason.clone())
            .with_version(request.change.version().cloned())
            .with_shares(before.shares(), after.shares())
            .with_settings(Some(before.settings()), Some(after.settings()))
            .with_sender(Some(request.actor_kind), request.request_id.clone())
    }

    /// Creates an entry from stored values. The `with_*` methods set the others. A store of an application reads its
    /// history back with it.
    #[must_use]
    pub fn from_stored(
        generation: u64,
        actor: impl Into<String>,
        kind: impl Into<String>,
        at: SystemTime,
    ) -> Self {
        Self {
            generation,
            actor: actor.into(),
            reason: None,
            kind: kind.into(),
            version: None,
            before: Vec::new(),
            after: Vec::new(),
            settings_before: None,
            settings_after: None,
            at,
            actor_kind: None,
            request_id: None,
        }
    }

    /// Sets the reason.
    #[must_use]
    pub fn with_reason(self, reason: Option<String>) -> Self {
        Self { reason, ..self }
    }

    /// Sets the version that the change names.
    ///
    /// Changes of the whole split, such as a restore, name none.
    #[must_use]
    pub fn with_version(self, version: Option<VersionName>) -> Self {
        Self { version, ..self }
    }

    /// Sets the split before and after the change.
    ///
    /// A restore of this generation brings back the shares `after` it.
    #[must_use]
    pub fn with_shares(self, before: Vec<VersionShare>, after: Vec<VersionShare>) -> Self {
        Self { before, after, ..self }
    }

    /// Sets the settings of the service before and after the change.
    ///
    /// `None` stands for an entry of an earlier release, which did not record them. A restore then leaves the
    /// settings as they are.
    #[must_use]
    pub fn with_settings(self, before: Option<ServiceSettings>, after: Option<ServiceSettings>) -> Self {
        Self { settings_before: before, settings_after: after, ..self }
    }

    /// Sets the kind of the actor and the id of the request.
    #[must_use]
    pub fn with_sender(self, actor_kind: Option<ActorKind>, request_id: Option<String>) -> Self {
        Self { actor_kind, request_id, ..self }
    }
}

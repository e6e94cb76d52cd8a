//! A change with its actor, its reason and its conditions.

use std::time::SystemTime;

use super::actor_kind::ActorKind;
use super::error::StoreError;
use crate::routing::{Backend, Change, Instances, LastChange, ServiceName, Split, Version, VersionName};

/// Maximum length of the [actor](ChangeRequest::actor) of a change, in characters.
pub const MAX_ACTOR: usize = 255;

/// Maximum length of the [reason](ChangeRequest::reason) for a change, in characters.
pub const MAX_REASON: usize = 1_000;

/// Maximum length of the [request id](ChangeRequest::request_id) of a change, in characters.
pub const MAX_REQUEST_ID: usize = 128;

/// A [`Change`] with its actor, its reason and its conditions.
///
/// ```
/// use tower_canary::routing::Change;
/// use tower_canary::store::ChangeRequest;
///
/// let request = ChangeRequest::new(Change::switch("v1.0".parse()?), "alice")
///     .with_reason("v1.1 responds with 500")
///     .with_expected_generation(41);
/// # Ok::<(), tower_canary::routing::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChangeRequest {
    /// The change.
    pub change: Change,
    /// The person or program that requests it: at most [`MAX_ACTOR`] characters, none of them NUL.
    pub actor: String,
    /// Why: at most [`MAX_REASON`] characters, none of them NUL.
    pub reason: Option<String>,
    /// The change is refused if the split is at another generation. `None`: any generation.
    pub expected_generation: Option<u64>,
    /// Which versions at weight 0 may get traffic.
    pub clearance: Clearance,
    /// The salt of a service that the change creates, or starts again after its removal. `None`: random.
    pub salt: Option<u64>,
    /// What kind of sender the actor is.
    pub actor_kind: ActorKind,
    /// The id of the request in the logs of the application and its proxies: at most [`MAX_REQUEST_ID`] characters, none of
    /// them NUL.
    pub request_id: Option<String>,
}

/// Which versions at weight 0 may get traffic: those that passed a check, or all.
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
    /// Only these versions at these URLs. A version that gets traffic already needs a clearance for the URLs that it gets
    /// in addition; any other needs one for all of its URLs together.
    Only(Vec<(VersionName, Instances)>),
    /// Every version, healthy or not.
    All,
}

impl ChangeRequest {
    /// Requests `change` on behalf of `actor`, at any generation.
    ///
    /// Versions at weight 0 that would get traffic must be checked first, as
    /// [`Deployments::apply`](crate::Deployments::apply) does.
    #[must_use]
    pub fn new(change: Change, actor: impl Into<String>) -> Self {
        let clearance = Clearance::Only(Vec::new());
        Self {
            change,
            actor: actor.into(),
            reason: None,
            expected_generation: None,
            clearance,
            salt: None,
            actor_kind: ActorKind::default(),
            request_id: None,
        }
    }

    /// Sets the reason.
    #[must_use]
    pub fn with_reason(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// Sets what kind of sender the actor is. Default: [`ActorKind::Application`].
    ///
    /// ```
    /// use tower_canary::routing::Change;
    /// use tower_canary::store::{ActorKind, ChangeRequest};
    ///
    /// let request = ChangeRequest::new(Change::Redraw, "alice").with_actor_kind(ActorKind::Person);
    /// assert_eq!(request.actor_kind, ActorKind::Person);
    /// ```
    #[must_use]
    pub fn with_actor_kind(self, actor_kind: ActorKind) -> Self {
        Self { actor_kind, ..self }
    }

    /// Sets the id by which logs name the request. Default: none.
    ///
    /// ```
    /// use tower_canary::routing::Change;
    /// use tower_canary::store::ChangeRequest;
    ///
    /// let request = ChangeRequest::new(Change::Redraw, "alice").with_request_id("7f3a9c");
    /// assert_eq!(request.request_id.as_deref(), Some("7f3a9c"));
    /// ```
    #[must_use]
    pub fn with_request_id(self, request_id: impl Into<String>) -> Self {
        Self { request_id: Some(request_id.into()), ..self }
    }

    /// Refuses the change unless the split is at `generation`. A service that does not exist, or was removed, is at 0.
    #[must_use]
    pub fn with_expected_generation(self, generation: u64) -> Self {
        Self { expected_generation: Some(generation), ..self }
    }

    /// Skips the check of versions that would get traffic. It does not allow to deactivate the last active version: that
    /// is `force` of [`Change::SetActive`].
    #[must_use]
    pub fn without_check(self) -> Self {
        Self { clearance: Clearance::All, ..self }
    }

    /// Sets the salt of the service, if the change creates it. The default is random.
    ///
    /// The salt and a user's key determine the user's version. A fixed salt makes tests that name a user repeatable.
    ///
    /// ```
    /// use tower_canary::routing::Change;
    /// use tower_canary::store::{ChangeRequest, MemoryStore, RouteStore};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let register = Change::register("v1.0".parse()?, "http://10.0.0.1:8080".parse()?);
    /// let request = ChangeRequest::new(register, "alice").with_salt(7);
    /// let applied = MemoryStore::new().commit(&"auth".parse()?, &request).await?;
    /// assert_eq!(applied.after.salt(), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_salt(self, salt: u64) -> Self {
        Self { salt: Some(salt), ..self }
    }

    /// Returns the empty split that the change starts from if `service` does not exist: a [`Change::Register`] creates the
    /// service, with the salt of the request or a random one.
    ///
    /// Every store calls it for a service that it does not have, and [`decide`](Self::decide) with the result.
    ///
    /// ```
    /// use tower_canary::routing::Change;
    /// use tower_canary::store::{ChangeRequest, StoreError};
    ///
    /// let service = "auth".parse()?;
    /// let register = Change::register("v1.0".parse()?, "http://10.0.0.1:8080".parse()?);
    /// let split = ChangeRequest::new(register, "alice").first_split(&service)?;
    /// assert_eq!((split.generation(), split.versions().len()), (0, 0));
    ///
    /// let switch = ChangeRequest::new(Change::switch("v1.0".parse()?), "alice");
    /// assert!(matches!(switch.first_split(&service), Err(StoreError::UnknownService(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`StoreError::UnknownService`] for every other change.
    pub fn first_split(&self, service: &ServiceName) -> Result<Split, StoreError> {
        match self.change {
            Change::Register(_) => Ok(Split::new(service.clone(), self.salt.unwrap_or_else(rand::random))),
            _ => Err(StoreError::UnknownService(service.clone())),
        }
    }

    /// Applies the request to `split` at the time `at`, and returns the split after it. A store calls it within the
    /// transaction in which it writes the result. If the generation is unchanged, there is nothing to write.
    ///
    /// # Errors
    ///
    /// - [`StoreError::TextRefused`] for an actor, a reason or a request id that is too long or contains a NUL.
    /// - [`StoreError::UnknownService`] if the service was removed and the change does not register a version.
    /// - [`StoreError::GenerationConflict`] if the split is at another generation than expected.
    /// - [`StoreError::Refused`] by a rule of the split.
    /// - [`StoreError::NotCleared`] if versions would get traffic at URLs that the request does not clear.
    pub fn decide(&self, split: &Split, at: SystemTime) -> Result<Split, StoreError> {
        check_text("actor", &self.actor, MAX_ACTOR)?;
        check_text("reason", self.reason.as_deref().unwrap_or_default(), MAX_REASON)?;
        check_text("request id", self.request_id.as_deref().unwrap_or_default(), MAX_REQUEST_ID)?;
        if split.is_removed() {
            return self.decide_on_removed(split, at);
        }
        self.check_generation(split.generation())?;
        self.decide_on(split, at)
    }

    /// Decides on a service that was removed. For the sender of the request it does not exist: it is at generation 0, and
    /// starts with another salt.
    fn decide_on_removed(&self, removed: &Split, at: SystemTime) -> Result<Split, StoreError> {
        if !matches!(self.change, Change::Register(_)) {
            return Err(StoreError::UnknownService(removed.service().clone()));
        }
        self.check_generation(0)?;
        self.decide_on(&removed.with_salt(self.salt.unwrap_or_else(rand::random)), at)
    }

    /// Refuses the request if it expects another generation than `found`.
    fn check_generation(&self, found: u64) -> Result<(), StoreError> {
        match self.expected_generation {
            Some(expected) if expected != found => Err(StoreError::GenerationConflict { expected, found }),
            _ => Ok(()),
        }
    }

    /// Applies the rules, and refuses versions that would get traffic at URLs that the request does not
    /// clear.
    fn decide_on(&self, split: &Split, at: SystemTime) -> Result<Split, StoreError> {
        let mut after = split.apply(&self.change, at)?;
        let uncleared: Vec<Version> = split
            .newly_serving(&after)
            .filter_map(|version| self.with_uncleared_urls(split, version))
            .collect();
        if !uncleared.is_empty() {
            let health_path = after.health_path().cloned();
            return Err(StoreError::NotCleared { versions: uncleared, health_path });
        }
        if after.generation() != split.generation() {
            after.set_last_change(LastChange::new(&*self.actor, at));
        }
        Ok(after)
    }

    /// Returns `version`, which is about to get traffic, with only the URLs that the request does not clear. `None`:
    /// the request clears all of them.
    fn with_uncleared_urls(&self, split: &Split, version: &Version) -> Option<Version> {
        let Clearance::Only(cleared) = &self.clearance else { return None };
        let cleared = cleared.iter().filter(|(name, _)| *name == version.name);
        let cleared: Vec<&Instances> = cleared.map(|(_, urls)| urls).collect();
        let Some(served) = split.serving_at(version.id) else {
            let is_cleared = cleared.contains(&&version.instances);
            return (!is_cleared).then(|| version.clone());
        };
        // Served URLs may be more than before the check: another writer added some, and they were checked for it.
        let mut unknown: Vec<Backend> = version.instances.iter().cloned().collect();
        unknown.retain(|url| !served.contains(url) && cleared.iter().all(|urls| !urls.contains(url)));
        // It fails only without a URL: then none is uncleared.
        let instances = Instances::new(unknown).ok()?;
        Some(Version { instances, ..version.clone() })
    }
}

/// Refuses a text of more than `limit` characters, or with a NUL, which PostgreSQL does not store.
pub(crate) fn check_text(field: &'static str, text: &str, limit: usize) -> Result<(), StoreError> {
    let fits = text.chars().count() <= limit && !text.contains('\0');
    if fits { Ok(()) } else { Err(StoreError::TextRefused { field, most: limit }) }
}

/// Shortens a text to what [`check_text`] accepts.
pub(super) fn truncate(text: &str, limit: usize) -> String {
    text.chars().filter(|character| *character != '\0').take(limit).collect()
}

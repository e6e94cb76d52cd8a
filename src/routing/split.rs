//! The versions of one service with their weights.

use super::health_path::HealthPath;
use super::instances::Instances;
use super::last_change::LastChange;
use super::mirror_share::MirrorShare;
use super::name::ServiceName;
use super::service_settings::ServiceSettings;
use super::slots::SlotMap;
use super::version::{Version, VersionShare};
use super::version_id::VersionId;

/// The versions of one service with their weights. Every change reads it and replaces it as a whole.
///
/// These hold for every split:
///
/// - The weights of the active versions total exactly 100 percent, or no version is active.
/// - An inactive version has weight 0.
/// - The names of the versions are unique.
/// - The [`SlotMap`] gives each version as many slots as its weight has hundredths of a percent.
/// - A removed service has no versions.
/// - The version of the [mirror](Self::mirror) is active, and its share is above 0.
///
/// A split is made by [`Split::new`], by [`Split::apply`], or by [`Split::from_parts`], which repairs stored parts.
///
/// ```
/// use std::time::SystemTime;
/// use tower_canary::routing::{Change, Split};
///
/// let at = SystemTime::now();
/// let split = Split::new("auth".parse()?, 7)
///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1:8080".parse()?), at)?
///     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2:8080".parse()?), at)?
///     .apply(&Change::set_weight("v1.1".parse()?, "10".parse()?), at)?;
/// let weights: Vec<_> = split.versions().iter().map(|v| v.weight.percent()).collect();
/// assert_eq!(weights, [90.0, 10.0]);
/// assert_eq!(split.generation(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    pub(super) service: ServiceName,
    pub(super) salt: u64,
    pub(super) generation: u64,
    pub(super) pin_epoch: u64,
    pub(super) health_path: Option<HealthPath>,
    pub(super) versions: Vec<Version>,
    pub(super) slots: SlotMap,
    pub(super) mirror: Option<MirrorShare>,
    pub(super) removed: bool,
    pub(super) last_change: Option<LastChange>,
}

impl Split {
    /// Creates the split of a service without versions, at generation 0.
    ///
    /// `salt` seeds the hash of keys, so that different services give a user different slots. It never changes. A store
    /// chooses it when it creates a service: at random, or by [`Draw::salt`](super::Draw::salt). See [`Split`] for an
    /// example.
    #[must_use]
    pub const fn new(service: ServiceName, salt: u64) -> Self {
        Self {
            service,
            salt,
            generation: 0,
            pin_epoch: 0,
            health_path: None,
            versions: Vec::new(),
            slots: SlotMap::EMPTY,
            mirror: None,
            removed: false,
            last_change: None,
        }
    }

    /// Returns the name of the service.
    #[must_use]
    pub const fn service(&self) -> &ServiceName {
        &self.service
    }

    /// Returns the salt of the hash of keys.
    ///
    /// Two services with one salt give a user the same slot, so their canaries have the same users. A service
    /// that was removed and registered again has another salt.
    #[must_use]
    pub const fn salt(&self) -> u64 {
        self.salt
    }

    /// Returns the number of changes so far. It is the optimistic lock of every write.
    ///
    /// A change that changes nothing leaves it as it is. It goes on after the service was removed and
    /// registered again, so no two states of a service have the same number.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns how often all pins were invalidated. A pin of an earlier epoch is ignored.
    ///
    /// [`Change::Redraw`](super::Change::Redraw) increments it.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use tower_canary::routing::{Change, Split};
    ///
    /// let split = Split::new("auth".parse()?, 7)
    ///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), SystemTime::now())?;
    /// let redrawn = split.apply(&Change::Redraw, SystemTime::now())?;
    /// assert_eq!((split.pin_epoch(), redrawn.pin_epoch()), (0, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn pin_epoch(&self) -> u64 {
        self.pin_epoch
    }

    /// Returns the path below a version's base URL that health probes request, if the service has one.
    #[must_use]
    pub const fn health_path(&self) -> Option<&HealthPath> {
        self.health_path.as_ref()
    }

    /// Returns which version gets copies of requests, if one does. See [`MirrorShare`] for an example.
    #[must_use]
    pub const fn mirror(&self) -> Option<&MirrorShare> {
        self.mirror.as_ref()
    }

    /// Returns the health path, the pin epoch and the mirror, as the history records them. See [`ServiceSettings`] for
    /// an example.
    #[must_use]
    pub fn settings(&self) -> ServiceSettings {
        ServiceSettings::new(self.health_path.clone(), self.pin_epoch).with_mirror(self.mirror.clone())
    }

    /// Returns whether the service was [removed](super::Change::RemoveService). No request reaches it, and it is listed
    /// nowhere but in its history. A registration starts it again.
    ///
    /// ```
    /// use tower_canary::routing::{Change, Split};
    ///
    /// # let at = std::time::SystemTime::now();
    /// # let split = Split::new("auth".parse()?, 7)
    /// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?;
    /// let removed = split.apply(&Change::force_remove_service(), at)?;
    /// assert!(removed.is_removed() && removed.versions().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn is_removed(&self) -> bool {
        self.removed
    }

    /// Returns who changed the split last. `None` if that is not known: no store made the change, or a store of an earlier
    /// release did.
    ///
    /// ```
    /// use tower_canary::routing::Change;
    /// use tower_canary::store::{ChangeRequest, MemoryStore, RouteStore};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let register = Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?);
    /// let applied = MemoryStore::new().commit(&"auth".parse()?, &ChangeRequest::new(register, "alice")).await?;
    /// assert_eq!(applied.after.last_change().map(|last| last.actor.as_str()), Some("alice"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn last_change(&self) -> Option<&LastChange> {
        self.last_change.as_ref()
    }

    /// Records who made the change that this split is the result of.
    pub(crate) fn set_last_change(&mut self, last_change: LastChange) {
        self.last_change = Some(last_change);
    }

    /// Returns this split with another salt.
    pub(crate) fn with_salt(&self, salt: u64) -> Self {
        Self { salt, ..self.clone() }
    }

    /// Returns the versions, oldest first.
    ///
    /// The order is the order of registration. A version that was removed and registered again is the
    /// youngest.
    #[must_use]
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// Returns the version called `name`, active or not.
    ///
    /// ```
    /// use tower_canary::routing::{Change, Split};
    ///
    /// let split = Split::new("auth".parse()?, 7)
    ///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), std::time::SystemTime::now())?;
    /// assert!(split.version("v1.0").is_some_and(|version| version.active));
    /// assert!(split.version("v1.1").is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.name.as_str() == name)
    }

    /// Returns the owners of the slots.
    ///
    /// A change moves the fewest slots that it can, and only to versions that grow: a user with a key never
    /// leaves a version whose weight rises.
    #[must_use]
    pub const fn slots(&self) -> &SlotMap {
        &self.slots
    }

    /// Returns the weight, the active flag and the base URLs of each version, oldest first, as the history records them.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use tower_canary::routing::{Change, Split};
    ///
    /// let split = Split::new("auth".parse()?, 7)
    ///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), SystemTime::now())?;
    /// assert_eq!(split.shares()[0].to_string(), "v1.0 100 %");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn shares(&self) -> Vec<VersionShare> {
        self.versions.iter().map(Version::share).collect()
    }

    /// Returns whether any version is active.
    ///
    /// Without one the layer responds 503 `no-active-version`, or uses its fallback.
    #[must_use]
    pub fn has_active(&self) -> bool {
        self.versions.iter().any(|version| version.active)
    }

    /// Returns the versions that get traffic in `after` and get none in this split, or get it at base URLs that are not
    /// among the present ones.
    ///
    /// These are the versions to probe before the change. A version that is registered while no version is active is
    /// not among them: it takes traffic from no other version. Neither is one that only loses base URLs.
    ///
    /// ```
    /// use tower_canary::routing::{Change, Split};
    ///
    /// # let at = std::time::SystemTime::now();
    /// # let split = Split::new("auth".parse()?, 7)
    /// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?
    /// #     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2".parse()?), at)?;
    /// let after = split.apply(&Change::switch("v1.1".parse()?), at)?;
    /// let serving: Vec<_> = split.newly_serving(&after).map(|v| v.name.as_str()).collect();
    /// assert_eq!(serving, ["v1.1"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn newly_serving<'a>(&'a self, after: &'a Self) -> impl Iterator<Item = &'a Version> {
        let had_traffic = self.has_active();
        after.versions.iter().filter(move |version| {
            let is_known = self.versions.iter().any(|v| v.id == version.id);
            let serves_already = self
                .serving_at(version.id)
                .is_some_and(|served| version.instances.iter().all(|backend| served.contains(backend)));
            !version.weight.is_zero() && !serves_already && (had_traffic || is_known)
        })
    }

    /// Returns the base URLs at which the version `id` gets traffic. `None` if it gets none.
    pub(crate) fn serving_at(&self, id: VersionId) -> Option<&Instances> {
        let version = self.versions.iter().find(|version| version.id == id && !version.weight.is_zero());
        version.map(|version| &version.instances)
    }

    /// Reassigns the slots to the present weights.
    pub(super) fn reassign_slots(&mut self) {
        let weights: Vec<_> = self.versions.iter().map(|v| (&v.name, v.weight)).collect();
        self.slots = self.slots.reassigned(&weights);
    }
}

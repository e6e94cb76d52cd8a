//! What can be done to a split, and the rules of each.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use super::backend::Backend;
use super::health_path::HealthPath;
use super::name::VersionName;
use super::rebalance::apportion;
use super::split::Split;
use super::version::{Share, Version, VersionId};
use super::weight::{PARTS, Weight};

/// A command on a [`Split`]. [`Split::apply`] decides it.
///
/// ```
/// use tower_canary::routing::Change;
///
/// let change = Change::Switch { version: "v1.1".parse()? };
/// assert_eq!(change.kind(), "switch");
/// # Ok::<(), tower_canary::routing::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Adds a version. The first active one of a service takes 100; a later one 0, or the share it names.
    Register(Registration),
    /// Gives an active version a weight; the other active ones share the rest in proportion to their present weights.
    SetWeight {
        /// Which version.
        version: VersionName,
        /// Its new weight.
        weight: Weight,
    },
    /// Sets the whole split: the named weights total 100, active versions left out get 0.
    SetWeights(BTreeMap<VersionName, Weight>),
    /// Gives a version 100 and the others 0, and activates it if it was not. This is also the rollback.
    Switch {
        /// Which version.
        version: VersionName,
    },
    /// Puts a version into or out of service. Its weight goes to the others; it returns at 0, or at 100 when alone.
    SetActive {
        /// Which version.
        version: VersionName,
        /// In service or out of it.
        active: bool,
        /// Take even the last active version out, after which the service has none.
        force: bool,
    },
    /// Serves a version from another URL; its weight stays.
    SetUrl {
        /// Which version.
        version: VersionName,
        /// Its new base URL.
        backend: Backend,
    },
    /// [`SetUrl`](Self::SetUrl) and [`SetActive`](Self::SetActive) at once: both or neither.
    Update {
        /// Which version.
        version: VersionName,
        /// Its new base URL.
        backend: Backend,
        /// In service or out of it.
        active: bool,
        /// Take even the last active version out, after which the service has none.
        force: bool,
    },
    /// Forgets an inactive version.
    Remove {
        /// Which version.
        version: VersionName,
    },
    /// Brings back the weights and active flags that an earlier generation left.
    Restore {
        /// The earlier generation.
        generation: u64,
        /// What it left, from the history.
        shares: Vec<Share>,
    },
}

/// A version to add to a service.
///
/// ```
/// use tower_canary::routing::{Change, Registration};
///
/// let mut canary = Registration::new("v1.1".parse()?, "http://10.0.0.2:8080".parse()?);
/// canary.weight = Some("10".parse()?);
/// canary.health_path = Some("/healthz".parse()?);
/// let change = Change::Register(canary);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registration {
    /// What it is called.
    pub version: VersionName,
    /// Where it is served.
    pub backend: Backend,
    /// The share it takes at once; `None` for the default: 100 for the first active version, 0 for a later one.
    pub weight: Option<Weight>,
    /// Whether it is in service.
    pub active: bool,
    /// Where the service's versions answer health probes; `None` leaves the service's setting as it is.
    pub health_path: Option<HealthPath>,
}

impl Registration {
    /// An active version with the default weight.
    #[must_use]
    pub const fn new(version: VersionName, backend: Backend) -> Self {
        Self { version, backend, weight: None, active: true, health_path: None }
    }
}

impl Change {
    /// Registers an active version with the default weight: the short form of [`Change::Register`].
    #[must_use]
    pub const fn register(version: VersionName, backend: Backend) -> Self {
        Self::Register(Registration::new(version, backend))
    }

    /// A stable word for the kind of change, as the history keeps it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Register(_) => "register",
            Self::SetWeight { .. } => "set-weight",
            Self::SetWeights(_) => "set-weights",
            Self::Switch { .. } => "switch",
            Self::SetActive { active: true, .. } => "activate",
            Self::SetActive { active: false, .. } => "deactivate",
            Self::SetUrl { .. } => "set-url",
            Self::Update { .. } => "update",
            Self::Remove { .. } => "remove",
            Self::Restore { .. } => "restore",
        }
    }

    /// The version it names; `None` where it is about the whole split.
    #[must_use]
    pub const fn version(&self) -> Option<&VersionName> {
        match self {
            Self::Register(registration) => Some(&registration.version),
            Self::SetWeight { version, .. }
            | Self::Switch { version }
            | Self::SetActive { version, .. }
            | Self::SetUrl { version, .. }
            | Self::Update { version, .. }
            | Self::Remove { version } => Some(version),
            Self::SetWeights(_) | Self::Restore { .. } => None,
        }
    }
}

impl Split {
    /// The split after `change`, made at `at`; or why it is refused, in which case nothing has happened.
    ///
    /// The generation grows by one; a change that changes nothing returns the split as it is, generation included.
    ///
    /// # Errors
    ///
    /// [`ChangeError`] names the rule that refuses the change and what to do instead.
    pub fn apply(&self, change: &Change, at: SystemTime) -> Result<Self, ChangeError> {
        let mut after = self.clone();
        match change {
            Change::Register(registration) => after.register(registration, at)?,
            Change::SetWeight { version, weight } => after.set_weight(version, *weight)?,
            Change::SetWeights(weights) => after.set_weights(weights)?,
            Change::Switch { version } => after.switch(version)?,
            Change::SetActive { version, active: true, .. } => after.activate(version)?,
            Change::SetActive { version, active: false, force } => after.deactivate(version, *force)?,
            Change::SetUrl { version, backend } => after.set_url(version, backend)?,
            Change::Update { version, backend, active, force } => {
                after.set_url(version, backend)?;
                if *active { after.activate(version)? } else { after.deactivate(version, *force)? }
            }
            Change::Remove { version } => after.remove(version)?,
            Change::Restore { generation, shares } => after.restore(*generation, shares)?,
        }
        if after == *self {
            return Ok(after);
        }
        after.generation += 1;
        after.settle_slots();
        after.stamp(self, at);
        Ok(after)
    }

    fn register(&mut self, new: &Registration, at: SystemTime) -> Result<(), ChangeError> {
        if self.version(new.version.as_str()).is_some() {
            return Err(ChangeError::DuplicateVersion(new.version.clone()));
        }
        let first = new.active && !self.has_active();
        let weight = new.weight.unwrap_or(if first { Weight::FULL } else { Weight::ZERO });
        if first && weight != Weight::FULL {
            return Err(ChangeError::FirstVersionNeedsAll(new.version.clone()));
        }
        if !new.active && !weight.is_zero() {
            return Err(ChangeError::VersionInactive(new.version.clone()));
        }
        self.versions.push(Version {
            id: VersionId::derive(self.salt, self.generation + 1),
            name: new.version.clone(),
            backend: new.backend.clone(),
            weight: if first { Weight::FULL } else { Weight::ZERO },
            active: new.active,
            created_at: at,
            updated_at: at,
        });
        if new.health_path.is_some() {
            self.health_path.clone_from(&new.health_path);
        }
        if weight.is_zero() { Ok(()) } else { self.set_weight(&new.version, weight) }
    }

    fn set_weight(&mut self, version: &VersionName, weight: Weight) -> Result<(), ChangeError> {
        let own = self.named(version)?;
        if !own.active {
            if weight.is_zero() {
                return Ok(());
            }
            return Err(ChangeError::VersionInactive(version.clone()));
        }
        own.weight = weight;
        self.share_rest(version, weight)
    }

    /// Lets the other active versions share what `weight` leaves, in proportion to their present weights.
    fn share_rest(&mut self, version: &VersionName, weight: Weight) -> Result<(), ChangeError> {
        let rest = u32::from(PARTS - weight.hundredths());
        let mut others: Vec<&mut Version> =
            self.versions.iter_mut().filter(|v| v.active && v.name != *version).collect();
        let weights: Vec<u32> = others.iter().map(|v| u32::from(v.weight.hundredths())).collect();
        let shares = match (apportion(rest, &weights), others.len()) {
            (Some(shares), _) => shares,
            (None, _) if rest == 0 => return Ok(()),
            (None, 0) => return Err(ChangeError::OnlyVersionNeedsAll(version.clone())),
            (None, 1) => vec![rest],
            (None, _) => return Err(ChangeError::AmbiguousRebalance(version.clone())),
        };
        for (other, share) in others.iter_mut().zip(shares) {
            other.weight = Weight::saturating(share);
        }
        Ok(())
    }

    fn set_weights(&mut self, weights: &BTreeMap<VersionName, Weight>) -> Result<(), ChangeError> {
        let total: u32 = weights.values().map(|w| u32::from(w.hundredths())).sum();
        if total != u32::from(PARTS) {
            return Err(ChangeError::WrongTotal { hundredths: total });
        }
        for (version, weight) in weights {
            if !self.named(version)?.active && !weight.is_zero() {
                return Err(ChangeError::VersionInactive(version.clone()));
            }
        }
        for version in &mut self.versions {
            version.weight = weights.get(&version.name).copied().unwrap_or_default();
        }
        Ok(())
    }

    fn switch(&mut self, version: &VersionName) -> Result<(), ChangeError> {
        self.named(version)?.active = true;
        for other in &mut self.versions {
            other.weight = if other.name == *version { Weight::FULL } else { Weight::ZERO };
        }
        Ok(())
    }

    fn activate(&mut self, version: &VersionName) -> Result<(), ChangeError> {
        let alone = !self.has_active();
        let own = self.named(version)?;
        own.active = true;
        if alone {
            own.weight = Weight::FULL;
        }
        Ok(())
    }

    fn deactivate(&mut self, version: &VersionName, force: bool) -> Result<(), ChangeError> {
        if !self.named(version)?.active {
            return Ok(());
        }
        let last = self.versions.iter().filter(|v| v.active).count() == 1;
        if last && !force {
            return Err(ChangeError::LastActiveVersion(version.clone()));
        }
        if !last {
            self.share_rest(version, Weight::ZERO)?;
        }
        let own = self.named(version)?;
        (own.active, own.weight) = (false, Weight::ZERO);
        Ok(())
    }

    fn set_url(&mut self, version: &VersionName, backend: &Backend) -> Result<(), ChangeError> {
        let own = self.named(version)?;
        if own.backend != *backend {
            own.backend = backend.clone();
        }
        Ok(())
    }

    fn remove(&mut self, version: &VersionName) -> Result<(), ChangeError> {
        if self.named(version)?.active {
            return Err(ChangeError::VersionActive(version.clone()));
        }
        self.versions.retain(|v| v.name != *version);
        Ok(())
    }

    fn restore(&mut self, generation: u64, shares: &[Share]) -> Result<(), ChangeError> {
        for share in shares.iter().filter(|share| share.active) {
            if self.version(share.version.as_str()).is_none() {
                return Err(ChangeError::RestoreGone { generation, version: share.version.clone() });
            }
        }
        if !shares.iter().any(|share| share.active) && self.has_active() {
            return Err(ChangeError::RestoreEmpty { generation });
        }
        for version in &mut self.versions {
            let then = shares.iter().find(|share| share.version == version.name);
            version.active = then.map_or(version.active, |share| share.active);
            version.weight = then.map_or(Weight::ZERO, |share| share.weight);
        }
        Ok(())
    }

    fn named(&mut self, version: &VersionName) -> Result<&mut Version, ChangeError> {
        let found = self.versions.iter_mut().find(|v| v.name == *version);
        found.ok_or_else(|| ChangeError::UnknownVersion(version.clone()))
    }

    /// Marks the versions that differ from `before` as updated.
    fn stamp(&mut self, before: &Self, at: SystemTime) {
        for version in &mut self.versions {
            if before.versions.iter().find(|v| v.id == version.id) != Some(version) {
                version.updated_at = at;
            }
        }
    }
}

/// Why a [`Change`] was refused.
///
/// ```
/// use tower_canary::routing::{Change, ChangeError, Split};
///
/// let split = Split::new("auth".parse()?, 7);
/// let error = split.apply(&Change::Switch { version: "v9".parse()? }, std::time::SystemTime::now()).unwrap_err();
/// assert_eq!(error, ChangeError::UnknownVersion("v9".parse()?));
/// assert_eq!(error.to_string(), "version v9 is not registered: register it first");
/// # Ok::<(), tower_canary::routing::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeError {
    /// The service has no such version.
    UnknownVersion(VersionName),
    /// The service has a version of that name.
    DuplicateVersion(VersionName),
    /// An inactive version cannot have a weight.
    VersionInactive(VersionName),
    /// An active version cannot be removed.
    VersionActive(VersionName),
    /// Several other versions could take the rest and all are at 0, so no proportion says which.
    AmbiguousRebalance(VersionName),
    /// The service would be left without an active version.
    LastActiveVersion(VersionName),
    /// The first active version of a service takes all of its traffic.
    FirstVersionNeedsAll(VersionName),
    /// The only active version of a service takes all of its traffic.
    OnlyVersionNeedsAll(VersionName),
    /// The weights of a whole split do not total 100.
    WrongTotal {
        /// What they total, in hundredths of a percent.
        hundredths: u32,
    },
    /// A version that served in the generation to restore is no longer registered.
    RestoreGone {
        /// The generation to restore.
        generation: u64,
        /// The version that is gone.
        version: VersionName,
    },
    /// The generation to restore had no active version.
    RestoreEmpty {
        /// The generation to restore.
        generation: u64,
    },
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownVersion(v) => write!(f, "version {v} is not registered: register it first"),
            Self::DuplicateVersion(v) => {
                write!(f, "version {v} is registered already: change it, or take another name")
            }
            Self::VersionInactive(v) => {
                write!(f, "version {v} is inactive and cannot have a weight: activate it or switch to it")
            }
            Self::VersionActive(v) => {
                write!(f, "version {v} is active: set it inactive before it is removed")
            }
            Self::AmbiguousRebalance(v) => write!(
                f,
                "the weight that {v} leaves has several takers, all of them at 0: set the weights of the whole split"
            ),
            Self::LastActiveVersion(v) => write!(
                f,
                "version {v} is the only active one: switch to another version first, or force it to leave the service without any"
            ),
            Self::FirstVersionNeedsAll(v) => write!(
                f,
                "version {v} is the first active one of its service and takes 100: leave its weight out"
            ),
            Self::OnlyVersionNeedsAll(v) => write!(
                f,
                "version {v} is the only active one and has 100: register or activate another first"
            ),
            Self::WrongTotal { hundredths } => {
                write!(f, "the weights total {}: they must total 100", f64::from(*hundredths) / 100.0)
            }
            Self::RestoreGone { generation, version } => {
                write!(
                    f,
                    "version {version} served in generation {generation} and is gone: register it again, or set the weights"
                )
            }
            Self::RestoreEmpty { generation } => {
                write!(f, "generation {generation} had no active version: set versions inactive instead")
            }
        }
    }
}

impl std::error::Error for ChangeError {}

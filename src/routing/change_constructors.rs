//! The constructors of changes.

use std::time::SystemTime;

use super::backend::Backend;
use super::change::Change;
use super::health_path::HealthPath;
use super::instances::Instances;
use super::mirror_share::MirrorShare;
use super::name::VersionName;
use super::registration::Registration;
use super::service_settings::ServiceSettings;
use super::url_change::UrlChange;
use super::version::VersionShare;
use super::weight::Weight;

impl Change {
    /// Registers an active version with the default weight. Use [`Change::Register`] for other options.
    ///
    /// ```
    /// use tower_canary::routing::Change;
    ///
    /// let change = Change::register("v1.1".parse()?, "http://10.0.0.2:8080".parse()?);
    /// assert_eq!(change.to_string(), "register v1.1 at http://10.0.0.2:8080");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn register(version: VersionName, backend: Backend) -> Self {
        Self::Register(Registration::new(version, backend))
    }

    /// Sets the weight of an active version. See [`Change::SetWeight`].
    ///
    /// ```
    /// use tower_canary::Weight;
    /// use tower_canary::routing::Change;
    ///
    /// let change = Change::set_weight("v1.1".parse()?, Weight::from_percent(10));
    /// assert_eq!(change.to_string(), "set-weight v1.1 to 10 %");
    /// # Ok::<(), tower_canary::routing::InvalidName>(())
    /// ```
    #[must_use]
    pub const fn set_weight(version: VersionName, weight: Weight) -> Self {
        Self::SetWeight { version, weight }
    }

    /// Sets the weights of all versions. See [`Change::SetWeights`].
    ///
    /// ```
    /// use tower_canary::routing::Change;
    ///
    /// let change = Change::set_weights([("v1.0".parse()?, "70".parse()?), ("v1.1".parse()?, "30".parse()?)]);
    /// assert_eq!(change.to_string(), "set-weights v1.0 70 %, v1.1 30 %");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn set_weights(weights: impl IntoIterator<Item = (VersionName, Weight)>) -> Self {
        Self::SetWeights(weights.into_iter().collect())
    }

    /// Gives a version all traffic. See [`Change::Switch`], and [`Change`] for an example.
    #[must_use]
    pub const fn switch(version: VersionName) -> Self {
        Self::Switch { version }
    }

    /// Activates a version. See [`Change::SetActive`].
    #[must_use]
    pub const fn activate(version: VersionName) -> Self {
        Self::SetActive { version, active: true, force: false }
    }

    /// Deactivates a version, unless it is the last active one. See [`Change::SetActive`].
    #[must_use]
    pub const fn deactivate(version: VersionName) -> Self {
        Self::SetActive { version, active: false, force: false }
    }

    /// Deactivates a version, even the last active one. See [`Change::SetActive`].
    ///
    /// ```
    /// use tower_canary::routing::{Change, ChangeError, Split};
    ///
    /// let at = std::time::SystemTime::now();
    /// let split = Split::new("auth".parse()?, 7)
    ///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?;
    /// let refused = split.apply(&Change::deactivate("v1.0".parse()?), at).unwrap_err();
    /// assert_eq!(refused, ChangeError::LastActiveVersion("v1.0".parse()?));
    /// let without_any = split.apply(&Change::force_deactivate("v1.0".parse()?), at)?;
    /// assert!(!without_any.has_active());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn force_deactivate(version: VersionName) -> Self {
        Self::SetActive { version, active: false, force: true }
    }

    /// Replaces the base URLs of a version by one. See [`Change::ChangeUrls`].
    #[must_use]
    pub fn set_url(version: VersionName, backend: Backend) -> Self {
        Self::set_urls(version, backend.into())
    }

    /// Replaces the base URLs of a version. See [`Change::ChangeUrls`].
    ///
    /// ```
    /// use tower_canary::routing::{Change, Instances};
    ///
    /// let urls = Instances::new(vec!["http://10.0.0.2:8080".parse()?, "http://10.0.0.3:8080".parse()?])?;
    /// let change = Change::set_urls("v1.1".parse()?, urls);
    /// assert_eq!(change.to_string(), "set-urls v1.1 to http://10.0.0.2:8080 and http://10.0.0.3:8080");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn set_urls(version: VersionName, urls: Instances) -> Self {
        Self::ChangeUrls { version, urls: UrlChange::Set(urls) }
    }

    /// Adds base URLs to a version, at most to a total of [`Instances::MAX`]. See [`Change::ChangeUrls`].
    ///
    /// ```
    /// use tower_canary::routing::{Backend, Change, Split};
    ///
    /// let at = std::time::SystemTime::now();
    /// let split = Split::new("auth".parse()?, 7)
    ///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?;
    /// let backend: Backend = "http://10.0.0.2".parse()?;
    /// let two = split.apply(&Change::add_urls("v1.0".parse()?, backend.clone().into()), at)?;
    /// assert_eq!(two.versions()[0].instances.to_string(), "http://10.0.0.1 and http://10.0.0.2");
    /// assert_eq!(two.apply(&Change::remove_urls("v1.0".parse()?, backend.into()), at)?.shares(), split.shares());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn add_urls(version: VersionName, urls: Instances) -> Self {
        Self::ChangeUrls { version, urls: UrlChange::Add(urls) }
    }

    /// Removes base URLs from a version, but not the last one. See [`Change::ChangeUrls`], and
    /// [`add_urls`](Self::add_urls) for an example.
    #[must_use]
    pub const fn remove_urls(version: VersionName, urls: Instances) -> Self {
        Self::ChangeUrls { version, urls: UrlChange::Remove(urls) }
    }

    /// Replaces the base URLs of a version by one, and activates or deactivates it, unless it is the last active one. See
    /// [`Change::Update`].
    ///
    /// ```
    /// use tower_canary::routing::Change;
    ///
    /// let change = Change::update("v1.1".parse()?, "http://10.0.0.9".parse()?, false);
    /// assert_eq!(change.to_string(), "update v1.1 to http://10.0.0.9, inactive");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn update(version: VersionName, backend: Backend, active: bool) -> Self {
        Self::update_urls(version, UrlChange::Set(backend.into()), active)
    }

    /// Changes the base URLs of a version, and activates or deactivates it, unless it is the last active one. See
    /// [`Change::Update`], and [`UrlChange`] for an example.
    #[must_use]
    pub const fn update_urls(version: VersionName, urls: UrlChange, active: bool) -> Self {
        Self::Update { version, urls, active, force: false }
    }

    /// Removes an inactive version. See [`Change::Remove`].
    #[must_use]
    pub const fn remove(version: VersionName) -> Self {
        Self::Remove { version }
    }

    /// Restores an earlier generation. [`Deployments::apply`](crate::Deployments::apply) reads its shares from the
    /// history. See [`Change::Restore`].
    #[must_use]
    pub const fn restore(generation: u64) -> Self {
        Self::restore_shares(generation, Vec::new())
    }

    /// Restores an earlier generation, whose shares the caller read from the history. See [`Change::Restore`].
    ///
    /// ```
    /// use tower_canary::routing::{Change, Split};
    ///
    /// let at = std::time::SystemTime::now();
    /// let before = Split::new("auth".parse()?, 7)
    ///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?
    ///     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2".parse()?), at)?;
    /// let switched = before.apply(&Change::switch("v1.1".parse()?), at)?;
    /// let restore = Change::restore_shares(before.generation(), before.shares());
    /// assert_eq!(switched.apply(&restore, at)?.shares(), before.shares());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn restore_shares(generation: u64, shares: Vec<VersionShare>) -> Self {
        Self::restore_recorded(generation, shares, None, None)
    }

    /// Restores an earlier generation with all that the history recorded of it. See [`Change::Restore`], and
    /// [`restore_shares`](Self::restore_shares) for an example without the optional parts.
    #[must_use]
    pub const fn restore_recorded(
        generation: u64,
        shares: Vec<VersionShare>,
        settings: Option<ServiceSettings>,
        recorded_at: Option<SystemTime>,
    ) -> Self {
        Self::Restore { generation, shares, settings, recorded_at }
    }

    /// Sets the path that health probes request, or `None` for the base URL. See [`Change::SetHealthPath`].
    ///
    /// ```
    /// use tower_canary::routing::{Change, Split};
    ///
    /// let at = std::time::SystemTime::now();
    /// let split = Split::new("auth".parse()?, 7)
    ///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?
    ///     .apply(&Change::set_health_path(Some("/healthz".parse()?)), at)?;
    /// assert_eq!(split.health_path().map(|path| path.as_str()), Some("/healthz"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn set_health_path(path: Option<HealthPath>) -> Self {
        Self::SetHealthPath { path }
    }

    /// Copies `share` of the requests to `version`, which must be active. See [`Change::SetMirror`].
    ///
    /// ```
    /// use tower_canary::Weight;
    /// use tower_canary::routing::Change;
    ///
    /// let change = Change::set_mirror("v1.1".parse()?, Weight::from_percent(10));
    /// assert_eq!(change.to_string(), "set-mirror 10 % to v1.1");
    /// assert_eq!(Change::remove_mirror().to_string(), "set-mirror to none");
    /// # Ok::<(), tower_canary::routing::InvalidName>(())
    /// ```
    #[must_use]
    pub const fn set_mirror(version: VersionName, share: Weight) -> Self {
        Self::SetMirror { mirror: Some(MirrorShare::new(version, share)) }
    }

    /// Copies no more requests. See [`Change::SetMirror`], and [`set_mirror`](Self::set_mirror) for an example.
    #[must_use]
    pub const fn remove_mirror() -> Self {
        Self::SetMirror { mirror: None }
    }

    /// Removes the service, unless a version is active. See [`Change::RemoveService`].
    #[must_use]
    pub const fn remove_service() -> Self {
        Self::RemoveService { force: false }
    }

    /// Removes the service, even while versions are active. See [`Change::RemoveService`], and
    /// [`Split::is_removed`](super::Split::is_removed) for an example.
    #[must_use]
    pub const fn force_remove_service() -> Self {
        Self::RemoveService { force: true }
    }
}

//! How the base URLs of a version change.

use super::instances::Instances;

/// How the base URLs of a version change: the content of [`Change::ChangeUrls`](super::Change::ChangeUrls).
///
/// Programs that scale a version should add and remove their own URLs, so that two of them at once do not undo each other.
///
/// ```
/// use tower_canary::routing::{Backend, Change, UrlChange};
///
/// let added: Backend = "http://10.0.0.3:8080".parse()?;
/// let change = Change::update_urls("v1.1".parse()?, UrlChange::Add(added.into()), true);
/// assert_eq!(change.to_string(), "update v1.1 by adding http://10.0.0.3:8080, active");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlChange {
    /// Replaces all base URLs by these.
    Set(Instances),
    /// Adds these base URLs after the present ones. Those that the version has stay in their places.
    Add(Instances),
    /// Removes these base URLs. Those that the version does not have change nothing. At least one of the version's must
    /// stay.
    Remove(Instances),
}

impl UrlChange {
    /// Returns the base URLs that the change names.
    ///
    /// ```
    /// use tower_canary::routing::{Backend, UrlChange};
    ///
    /// let backend: Backend = "http://10.0.0.3:8080".parse()?;
    /// assert_eq!(UrlChange::Remove(backend.clone().into()).urls().first(), &backend);
    /// # Ok::<(), tower_canary::routing::InvalidBackend>(())
    /// ```
    #[must_use]
    pub const fn urls(&self) -> &Instances {
        match self {
            Self::Set(urls) | Self::Add(urls) | Self::Remove(urls) => urls,
        }
    }

    /// Returns the base URLs that the version may get by this change, or `None` if it only removes some. Each must be
    /// allowed as a backend.
    #[must_use]
    pub const fn added(&self) -> Option<&Instances> {
        match self {
            Self::Set(urls) | Self::Add(urls) => Some(urls),
            Self::Remove(_) => None,
        }
    }
}

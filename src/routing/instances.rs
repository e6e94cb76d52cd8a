//! The base URLs of one version.

use std::fmt;
use std::num::NonZero;
use std::slice;
use std::sync::Arc;

use thiserror::Error;

use super::backend::Backend;

/// The base URLs that serve one version, in the order of their registration.
///
/// There are 1 to [`MAX`](Self::MAX) of them, and no two are equal. A clone shares the list.
///
/// ```
/// use tower_canary::routing::Instances;
///
/// let instances = Instances::new(vec!["http://10.0.0.1:8080".parse()?, "http://10.0.0.2:8080".parse()?])?;
/// assert_eq!(instances.first().as_str(), "http://10.0.0.1:8080");
/// assert_eq!(instances.len().get(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
// Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Instances(Arc<[Backend]>);

impl Instances {
    /// The maximum number of instances of one version.
    pub const MAX: usize = 64;

    /// Creates the list of a version's base URLs.
    ///
    /// ```
    /// use tower_canary::routing::{Instances, InvalidInstances};
    ///
    /// assert_eq!(Instances::new(Vec::new()), Err(InvalidInstances::Empty));
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`InvalidInstances`] if the list is empty, has more than [`MAX`](Self::MAX) URLs, or has a URL twice.
    pub fn new(backends: Vec<Backend>) -> Result<Self, InvalidInstances> {
        if backends.is_empty() {
            return Err(InvalidInstances::Empty);
        }
        if backends.len() > Self::MAX {
            return Err(InvalidInstances::TooMany { count: backends.len() });
        }
        for (i, backend) in backends.iter().enumerate() {
            if backends[..i].contains(backend) {
                return Err(InvalidInstances::Repeated(backend.clone()));
            }
        }
        Ok(Self(backends.into()))
    }

    /// Returns the base URL that was registered first.
    ///
    /// It is the one that a gateway of an earlier release serves, and the one that is shown where only one
    /// fits.
    #[must_use]
    pub fn first(&self) -> &Backend {
        &self.0[0]
    }

    /// Returns the number of base URLs.
    ///
    /// From 1 to [`MAX`](Self::MAX): a version without a base URL does not exist.
    #[must_use]
    pub fn len(&self) -> NonZero<usize> {
        NonZero::new(self.0.len()).unwrap_or(NonZero::<usize>::MIN)
    }

    /// Returns the base URLs in the order of their registration.
    pub fn iter(&self) -> slice::Iter<'_, Backend> {
        self.0.iter()
    }

    /// Returns whether `backend` is one of the base URLs, possibly in another spelling.
    #[must_use]
    pub fn contains(&self, backend: &Backend) -> bool {
        self.0.contains(backend)
    }

    /// Returns the place of `backend` in the order of the base URLs: 0 for the first.
    ///
    /// ```
    /// use tower_canary::routing::Instances;
    ///
    /// let instances = Instances::new(vec!["http://10.0.0.1".parse()?, "http://10.0.0.2".parse()?])?;
    /// assert_eq!(instances.position(&"http://10.0.0.2/".parse()?), Some(1));
    /// assert_eq!(instances.position(&"http://10.0.0.3".parse()?), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn position(&self, backend: &Backend) -> Option<usize> {
        self.0.iter().position(|own| own == backend)
    }

    /// Returns these base URLs, followed by those of `added` that are not among them.
    ///
    /// ```
    /// use tower_canary::routing::Instances;
    ///
    /// let two = Instances::new(vec!["http://10.0.0.1".parse()?, "http://10.0.0.2".parse()?])?;
    /// let added = Instances::new(vec!["http://10.0.0.3".parse()?, "http://10.0.0.1".parse()?])?;
    /// assert_eq!(two.with(&added)?.to_string(), "http://10.0.0.1, http://10.0.0.2 and http://10.0.0.3");
    /// assert_eq!(two.with(&two)?, two);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`InvalidInstances::TooMany`] if there would be more than [`MAX`](Self::MAX).
    pub fn with(&self, added: &Self) -> Result<Self, InvalidInstances> {
        let new = added.iter().filter(|backend| !self.contains(backend));
        let all: Vec<Backend> = self.iter().chain(new).cloned().collect();
        if all.len() > Self::MAX {
            return Err(InvalidInstances::TooMany { count: all.len() });
        }
        Ok(Self(all.into()))
    }

    /// Returns these base URLs without those of `removed`, or `None` if no base URL is left.
    ///
    /// ```
    /// use tower_canary::routing::{Backend, Instances};
    ///
    /// let two = Instances::new(vec!["http://10.0.0.1".parse()?, "http://10.0.0.2".parse()?])?;
    /// let first: Backend = "http://10.0.0.1".parse()?;
    /// let rest = two.without(&first.into());
    /// assert_eq!(rest.map(|rest| rest.to_string()).as_deref(), Some("http://10.0.0.2"));
    /// assert_eq!(two.without(&two), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn without(&self, removed: &Self) -> Option<Self> {
        let rest: Vec<Backend> = self.iter().filter(|backend| !removed.contains(backend)).cloned().collect();
        if rest.is_empty() { None } else { Some(Self(rest.into())) }
    }
}

/// Writes the base URLs as a list in a sentence.
impl fmt::Display for Instances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, backend) in self.iter().enumerate() {
            let separator = match i {
                0 => "",
                i if i + 1 == self.0.len() => " and ",
                _ => ", ",
            };
            write!(f, "{separator}{backend}")?;
        }
        Ok(())
    }
}

/// Creates the list of a version with one instance.
impl From<Backend> for Instances {
    fn from(backend: Backend) -> Self {
        Self(Arc::new([backend]))
    }
}

/// See [`Instances::new`].
impl TryFrom<Vec<Backend>> for Instances {
    type Error = InvalidInstances;

    fn try_from(backends: Vec<Backend>) -> Result<Self, InvalidInstances> {
        Self::new(backends)
    }
}

impl<'a> IntoIterator for &'a Instances {
    type Item = &'a Backend;
    type IntoIter = slice::Iter<'a, Backend>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The error for a list of base URLs that a version cannot have.
///
/// ```
/// use tower_canary::routing::Instances;
///
/// let error = Instances::new(vec!["http://a".parse()?, "http://a/".parse()?]).unwrap_err();
/// assert_eq!(error.to_string(), "http://a/ is named twice: name each base URL once");
/// # Ok::<(), tower_canary::routing::InvalidBackend>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidInstances {
    /// The list is empty.
    #[error("a version needs a base URL: name at least one")]
    Empty,
    /// The list is too long.
    #[error("{count} base URLs are too many: a version has at most {}", Instances::MAX)]
    TooMany {
        /// The length of the list.
        count: usize,
    },
    /// The list has one URL twice, possibly in another spelling.
    #[error("{0} is named twice: name each base URL once")]
    Repeated(Backend),
}

#[cfg(test)]
mod tests {
    use super::{Backend, Instances, InvalidInstances};

    fn backends(count: usize) -> Vec<Backend> {
        (0..count).map(|i| format!("http://10.0.0.{i}").parse().unwrap()).collect()
    }

    #[test]
    fn one_to_64_distinct_urls() {
        for count in [1, 2, Instances::MAX] {
            let instances = Instances::new(backends(count)).unwrap();
            assert_eq!((instances.len().get(), instances.iter().len()), (count, count));
            assert_eq!(instances.first(), &backends(1)[0]);
            assert!(instances.iter().eq(&backends(count)));
        }
        assert_eq!(Instances::new(backends(0)), Err(InvalidInstances::Empty));
        assert_eq!(Instances::new(backends(65)), Err(InvalidInstances::TooMany { count: 65 }));
    }

    #[test]
    fn one_place_in_two_spellings_is_refused() {
        let twice: Vec<Backend> =
            ["http://a", "http://b", "http://A/"].map(|url| url.parse().unwrap()).into();
        let repeated = twice[2].clone();
        assert_eq!(Instances::try_from(twice), Err(InvalidInstances::Repeated(repeated)));
    }

    #[test]
    fn one_backend_is_a_list_of_one() {
        let backend: Backend = "http://a".parse().unwrap();
        assert_eq!(Instances::from(backend.clone()), Instances::new(vec![backend]).unwrap());
    }
}

//! The base URLs of one version.

use std::num::NonZero;

use thiserror::Error;

use super::backend::Backend;

/// The base URLs that serve one version: 1 to [`MAX`](Instances::MAX), each once, in the order of their registration.
///
/// ```
/// use tower_canary::routing::Instances;
///
/// let instances = Instances::new(vec!["http://10.0.0.1:8080".parse()?])?;
/// assert_eq!(instances.first().as_str(), "http://10.0.0.1:8080");
/// assert_eq!(instances.len().get(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instances {
    first: Backend,
    others: Vec<Backend>,
}

impl Instances {
    /// The most instances of one version.
    pub const MAX: usize = 64;

    /// Creates the list of a version's base URLs.
    ///
    /// # Errors
    ///
    /// [`InvalidInstances`] when there is no URL, when there are more than [`MAX`](Self::MAX), or when one is named twice.
    pub fn new(backends: Vec<Backend>) -> Result<Self, InvalidInstances> {
        if backends.len() > Self::MAX {
            return Err(InvalidInstances::TooMany { count: backends.len() });
        }
        for (i, backend) in backends.iter().enumerate() {
            if backends[..i].contains(backend) {
                return Err(InvalidInstances::Repeated(backend.clone()));
            }
        }
        let mut backends = backends.into_iter();
        let first = backends.next().ok_or(InvalidInstances::Empty)?;
        Ok(Self { first, others: backends.collect() })
    }

    /// Returns the base URL that was registered first.
    #[must_use]
    pub const fn first(&self) -> &Backend {
        &self.first
    }

    /// Returns the number of instances.
    #[must_use]
    pub const fn len(&self) -> NonZero<usize> {
        NonZero::<usize>::MIN.saturating_add(self.others.len())
    }

    /// Returns the base URLs in the order of their registration.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Backend> {
        (0..self.len().get()).map(|i| if i == 0 { &self.first } else { &self.others[i - 1] })
    }
}

/// A version with one instance.
impl From<Backend> for Instances {
    fn from(backend: Backend) -> Self {
        Self { first: backend, others: Vec::new() }
    }
}

/// Compares with a version that has one instance.
impl PartialEq<Backend> for Instances {
    fn eq(&self, other: &Backend) -> bool {
        self.others.is_empty() && self.first == *other
    }
}

/// A list of base URLs that a version cannot have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidInstances {
    /// The list is empty.
    #[error("a version needs a base URL: name at least one")]
    Empty,
    /// The list is too long.
    #[error("{count} base URLs are too many: a version has at most {}", Instances::MAX)]
    TooMany {
        /// How many URLs the list has.
        count: usize,
    },
    /// The list has one URL twice.
    #[error("{0} is named twice: name each base URL once")]
    Repeated(Backend),
}

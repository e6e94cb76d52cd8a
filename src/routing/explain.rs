//! The version of a key, without a request.

use super::draw::Point;
use super::reason::Reason;
use super::route::Route;
use super::version::Version;

/// The version that a key gets, and why. [`Route::explain`] returns it and has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation<'a> {
    /// The slot of the key.
    pub slot: Point,
    /// The version that owns the slot, or `None` if no version is active.
    pub version: Option<&'a Version>,
    /// The rule that chooses the version.
    pub reason: Reason,
}

impl Route {
    /// Returns the version that a request with `key` gets, and why.
    ///
    /// The layer treats an empty key as no key. This function does not: it returns the slot of the empty text.
    ///
    /// ```
    /// use tower_canary::routing::{Change, Route, Split};
    ///
    /// let at = std::time::SystemTime::now();
    /// let split = Split::new("auth".parse()?, 7)
    ///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?;
    /// let route = Route::compile(split);
    /// let explanation = route.explain(b"alice");
    /// assert_eq!(explanation.version.map(|version| version.name.as_str()), Some("v1.0"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn explain(&self, key: &[u8]) -> Explanation<'_> {
        let slot = Point::from_key(self.split().salt(), key);
        Explanation { slot, version: self.version_of_slot(slot), reason: Reason::Key }
    }
}

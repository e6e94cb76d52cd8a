//! Why a request was given its version.

/// Which rule chose a version.
///
/// ```
/// use tower_canary::routing::{Change, Reason, Route, Split};
///
/// # let at = std::time::SystemTime::now();
/// # let split = Split::new("auth".parse()?, 7)
/// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?;
/// let route = Route::compile(split);
/// assert_eq!(route.explain(b"alice").reason, Reason::Key);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Another version could not be connected to.
    Failover,
    /// The request asked for the version, and the host trusts it to.
    Override,
    /// A cookie of the layer's own keeps the user with the version it was given first.
    Pin,
    /// The slot of the request's key, which stays with a version for as long as that does not shrink.
    Key,
    /// The weights alone: the next point of the service's draw.
    Draw,
}

impl Reason {
    /// All of them, in the order in which they are asked.
    pub const ALL: &'static [Self] = &[Self::Failover, Self::Override, Self::Pin, Self::Key, Self::Draw];

    /// As it is written in answers and figures: `failover`, `override`, `pin`, `key`, `draw`.
    ///
    /// ```
    /// assert_eq!(tower_canary::routing::Reason::Key.as_str(), "key");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::Override => "override",
            Self::Pin => "pin",
            Self::Key => "key",
            Self::Draw => "draw",
        }
    }
}

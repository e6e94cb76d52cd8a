//! The rules that choose versions.

/// The rule that chose the version of a request.
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
    /// The gateway could not connect to another version and retried with this one.
    Failover,
    /// The request named the version, and the application trusts the client to choose.
    Override,
    /// A cookie set by the layer keeps the user with the version of an earlier request.
    Pin,
    /// The version owns the slot of the request's key.
    Key,
    /// The version's interval has the next point of the draw. Only the weights decide.
    Draw,
}

impl Reason {
    /// All rules, in the order in which the layer applies them.
    pub const ALL: &'static [Self] = &[Self::Failover, Self::Override, Self::Pin, Self::Key, Self::Draw];

    /// Returns the word for the rule in responses, metrics and logs: `failover`, `override`, `pin`, `key` or `draw`.
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

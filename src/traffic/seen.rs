//! What is known of a service at one moment.

use std::sync::Arc;

use super::tally::Counted;
use crate::routing::{Route, Version};

/// What is known of a service at one moment.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) route: Arc<Route>,
    /// How many requests found no version.
    pub(crate) unserved: u64,
    /// What is counted of the versions of the split, in their order.
    pub(crate) counted: Vec<Counted>,
    /// Versions that were removed, of late or while they have requests.
    pub(crate) removed: Vec<(Version, Counted)>,
}

impl Seen {
    /// The versions of the split in their order, then those that were removed and still have requests.
    pub(crate) fn versions(&self) -> impl Iterator<Item = (&Version, &Counted)> {
        let split = self.route.split();
        let is_gone = |version: &Version| split.version(version.name.as_str()).is_none();
        let removed = self.removed.iter().filter(move |(v, counted)| is_gone(v) && counted.in_flight() > 0);
        split.versions().iter().zip(&self.counted).chain(removed.map(|(version, counted)| (version, counted)))
    }
}

/// Whether `version` may be given requests, where rules may choose active ones at weight 0 if `kept`.
pub(crate) const fn is_reachable(version: &Version, kept: bool) -> bool {
    !version.weight.is_zero() || (kept && version.active)
}

//! The version that owns each of a service's 10,000 slots.

use std::fmt;
use std::iter;
use std::str::FromStr;

use thiserror::Error;

use super::name::VersionName;
use super::reassign::{Run, reassign};
use super::weight::{SLOTS, Weight};

/// The version that owns each of a service's 10,000 slots.
///
/// A user's key falls into a fixed slot (see [`Point::from_key`](super::Point::from_key)), so the user stays with the
/// version that owns it. The map is stored with the split.
///
/// When weights change, slots move only from versions that shrink to versions that grow. This is the smallest possible
/// number of slots, and no user leaves a version whose weight did not shrink.
///
/// A map is empty, or it has exactly 10,000 slots. In a [`Split`](super::Split) these hold as well:
///
/// - It is empty if and only if no version is active.
/// - Each version owns as many slots as its weight has hundredths of a percent.
/// - No run is empty, and no two neighbouring runs have the same owner.
///
/// Its text form lists the runs in slot order: `v1.0:9000,v1.1:1000`. The empty map is the empty text.
///
/// ```
/// use tower_canary::routing::SlotMap;
///
/// let map: SlotMap = "v1.0:9000,v1.1:1000".parse()?;
/// assert_eq!(map.version_at(8_999).map(|v| v.as_str()), Some("v1.0"));
/// assert_eq!(map.version_at(9_000).map(|v| v.as_str()), Some("v1.1"));
/// assert_eq!(map.to_string(), "v1.0:9000,v1.1:1000");
/// # Ok::<(), tower_canary::routing::InvalidSlots>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotMap {
    runs: Vec<Run>,
}

impl SlotMap {
    /// The map of a split without active versions.
    pub(super) const EMPTY: Self = Self { runs: Vec::new() };

    /// Returns the runs in slot order: a version, and how many consecutive slots it owns.
    ///
    /// ```
    /// use tower_canary::routing::SlotMap;
    ///
    /// let map: SlotMap = "v1.0:9000,v1.1:1000".parse()?;
    /// assert_eq!(map.runs().map(|(_, slots)| slots).collect::<Vec<_>>(), [9_000, 1_000]);
    /// # Ok::<(), tower_canary::routing::InvalidSlots>(())
    /// ```
    pub fn runs(&self) -> impl Iterator<Item = (&VersionName, u16)> {
        self.runs.iter().map(|run| (&run.version, run.len))
    }

    /// Returns the version that owns `slot`, or `None` if the map is empty or `slot` is over 9,999.
    ///
    /// See [`SlotMap`] for an example. A [`Route`](super::Route) finds the version faster.
    #[must_use]
    pub fn version_at(&self, slot: u16) -> Option<&VersionName> {
        let mut end = 0;
        self.runs.iter().find_map(|run| {
            end += run.len;
            (slot < end).then_some(&run.version)
        })
    }

    /// Returns the number of slots that have another owner in `other`.
    ///
    /// ```
    /// use tower_canary::routing::SlotMap;
    ///
    /// let before: SlotMap = "v1.0:10000".parse()?;
    /// let after: SlotMap = "v1.0:9000,v1.1:1000".parse()?;
    /// assert_eq!(before.moved(&after), 1_000);
    /// # Ok::<(), tower_canary::routing::InvalidSlots>(())
    /// ```
    #[must_use]
    pub fn moved(&self, other: &Self) -> usize {
        self.overlaps(other).filter(Overlap::changes_owner).map(|overlap| usize::from(overlap.slots)).sum()
    }

    /// Iterates over all slots in their order, in the longest parts that have one owner in `self` and one in `other`.
    pub(super) fn overlaps<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = Overlap<'a>> {
        let mut here = Cursor::new(&self.runs);
        let mut there = Cursor::new(&other.runs);
        let mut begin = 0;
        iter::from_fn(move || {
            if begin >= SLOTS {
                return None;
            }
            let end = here.end().min(there.end());
            let overlap = Overlap { before: here.owner(), after: there.owner(), slots: end - begin };
            here.advance(end);
            there.advance(end);
            begin = end;
            Some(overlap)
        })
    }

    /// Returns the map for `weights`, which total 10,000 or are all 0, with the fewest slots moved.
    pub(super) fn reassigned(&self, weights: &[(&VersionName, Weight)]) -> Self {
        Self { runs: reassign(&self.runs, weights) }
    }

    /// Returns whether the map is what a change to `weights` leaves: each version owns as many slots as its weight has
    /// hundredths of a percent, there are `total` slots in all, no run is empty, and no two neighbours have the same
    /// owner.
    pub(super) fn matches<'a>(
        &self,
        total: u32,
        mut weights: impl Iterator<Item = (&'a VersionName, Weight)>,
    ) -> bool {
        let slots: u32 = self.runs.iter().map(|run| u32::from(run.len)).sum();
        slots == total
            && self.runs.iter().all(|run| run.len > 0)
            && self.runs.is_sorted_by(|run, next| run.version != next.version)
            && weights.all(|(version, weight)| self.slots_of(version) == weight.hundredths())
    }

    /// Returns the number of slots that `version` owns.
    fn slots_of(&self, version: &VersionName) -> u16 {
        self.runs.iter().filter(|run| run.version == *version).map(|run| run.len).sum()
    }
}

impl fmt::Display for SlotMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, run) in self.runs.iter().enumerate() {
            let separator = if i == 0 { "" } else { "," };
            write!(f, "{separator}{}:{}", run.version, run.len)?;
        }
        Ok(())
    }
}

impl FromStr for SlotMap {
    type Err = InvalidSlots;

    fn from_str(text: &str) -> Result<Self, InvalidSlots> {
        if text.is_empty() {
            return Ok(Self::EMPTY);
        }
        let runs: Vec<Run> = text.split(',').map(parse_run).collect::<Option<_>>().ok_or(InvalidSlots)?;
        // A text of 2^16 long runs would overflow a smaller sum.
        let total: u64 = runs.iter().map(|run| u64::from(run.len)).sum();
        if total == u64::from(SLOTS) { Ok(Self { runs }) } else { Err(InvalidSlots) }
    }
}

/// Parses one run, such as `v1.0:9000`.
fn parse_run(text: &str) -> Option<Run> {
    let (version, len) = text.split_once(':')?;
    Some(Run { version: version.parse().ok()?, len: len.parse().ok()? })
}

/// Slots that have one owner in one map and one in another. The owner is `None` in a map that is empty.
pub(super) struct Overlap<'a> {
    pub(super) before: Option<&'a VersionName>,
    pub(super) after: Option<&'a VersionName>,
    pub(super) slots: u16,
}

impl Overlap<'_> {
    /// Returns whether the users of these slots get another version.
    pub(super) fn changes_owner(&self) -> bool {
        self.before != self.after
    }
}

/// A position in the runs of a map. Behind the last run it has no owner and ends at the last slot.
struct Cursor<'a> {
    rest: &'a [Run],
    /// The slot at which `rest` begins.
    begin: u16,
}

impl<'a> Cursor<'a> {
    /// Creates a cursor at the first slot.
    const fn new(runs: &'a [Run]) -> Self {
        Self { rest: runs, begin: 0 }
    }

    /// Returns the version of the present run. `None`: the cursor is behind the last run.
    fn owner(&self) -> Option<&'a VersionName> {
        self.rest.first().map(|run| &run.version)
    }

    /// Returns the slot after the present run. After the last run that is the end of the map.
    fn end(&self) -> u16 {
        self.rest.first().map_or(SLOTS, |run| (self.begin + run.len).min(SLOTS))
    }

    /// Skips the runs that end at `slot` or before it.
    fn advance(&mut self, slot: u16) {
        while let [run, rest @ ..] = self.rest
            && self.begin + run.len <= slot
        {
            self.begin += run.len;
            self.rest = rest;
        }
    }
}

/// The error for a text that is not a [`SlotMap`].
///
/// ```
/// let error = "v1.0:9999".parse::<tower_canary::routing::SlotMap>().unwrap_err();
/// assert!(error.to_string().ends_with("10000 slots in all"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a slot map: write runs as 'version:slots', split by commas, {SLOTS} slots in all")]
#[non_exhaustive]
pub struct InvalidSlots;

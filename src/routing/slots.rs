//! Which version each of a service's 10,000 slots belongs to.

use std::fmt;
use std::str::FromStr;

use super::name::VersionName;
use super::weight::{SLOTS, Weight};

/// The 10,000 slots of a service, each held by one version: kept with the split, so that a user whose key falls into a
/// slot stays with its version.
///
/// A version holds exactly as many slots as its weight has hundredths of a percent. When weights change, only
/// slots of versions that shrink change hands, and only to versions that grow: the fewest possible.
/// Stored as runs in slot order, written `v1.0:9000,v1.1:1000`.
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
    runs: Vec<(VersionName, u16)>,
}

impl SlotMap {
    pub(super) const EMPTY: Self = Self { runs: Vec::new() };

    /// The runs in slot order: a version and how many slots in a row it holds.
    pub fn runs(&self) -> impl Iterator<Item = (&VersionName, u16)> {
        self.runs.iter().map(|(version, len)| (version, *len))
    }

    /// The version that holds `slot`; `None` past the last slot or where no version is active.
    #[must_use]
    pub fn version_at(&self, slot: u16) -> Option<&VersionName> {
        let mut end = 0;
        self.runs.iter().find_map(|(version, len)| {
            end += len;
            (slot < end).then_some(version)
        })
    }

    /// How many slots belong to another version in `other`.
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
        self.overlaps(other).filter(|(from, to, _)| from != to).map(|(.., len)| usize::from(len)).sum()
    }

    /// The slots in runs in which neither map changes hands: whose they are in each, and how many.
    pub(super) fn overlaps<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (Option<&'a VersionName>, Option<&'a VersionName>, u16)> {
        let (mut here, mut there) = (Ends::of(self), Ends::of(other));
        let mut begin = 0;
        std::iter::from_fn(move || {
            let end = here.end().min(there.end());
            let run = (here.owner(), there.owner(), end - begin);
            let more = begin < SLOTS;
            begin = end;
            here.pass(end);
            there.pass(end);
            more.then_some(run)
        })
    }

    /// The map for `weights`, which total 10,000 or are all 0, with the fewest slots moved.
    pub(super) fn adopt(&self, weights: &[(&VersionName, Weight)]) -> Self {
        let target = |version: &VersionName| {
            weights.iter().find(|(name, _)| *name == version).map_or(0, |(_, w)| w.hundredths())
        };
        let mut runs = Runs::of(self);
        for version in self.owners() {
            let held = self.held(version);
            runs.release(version, held.saturating_sub(target(version)));
        }
        let mut needs: Vec<Need<'_>> = weights
            .iter()
            .map(|(version, weight)| Need {
                version,
                slots: weight.hundredths().saturating_sub(self.held(version)),
            })
            .filter(|need| need.slots > 0)
            .collect();
        runs.extend_neighbours(&mut needs);
        runs.fill(&mut needs);
        runs.finish()
    }

    /// Whether each version holds as many slots as its weight says, none is left of the `total`, and the runs are as few
    /// as a change leaves them.
    pub(super) fn is_for<'a>(
        &self,
        total: u32,
        mut weights: impl Iterator<Item = (&'a VersionName, Weight)>,
    ) -> bool {
        let all: u32 = self.runs.iter().map(|(_, len)| u32::from(*len)).sum();
        let plain = self.runs.iter().all(|(_, len)| *len > 0) && self.runs.is_sorted_by(|a, b| a.0 != b.0);
        all == total && plain && weights.all(|(version, weight)| self.held(version) == weight.hundredths())
    }

    fn held(&self, version: &VersionName) -> u16 {
        self.runs.iter().filter(|(owner, _)| owner == version).map(|(_, len)| len).sum()
    }

    fn owners(&self) -> Vec<&VersionName> {
        let mut owners: Vec<&VersionName> = self.runs.iter().map(|(owner, _)| owner).collect();
        owners.sort();
        owners.dedup();
        owners
    }
}

/// A walk over the runs of a map, with nobody behind the last one.
struct Ends<'a> {
    runs: &'a [(VersionName, u16)],
    /// Where the first of the runs begins.
    begin: u16,
}

impl<'a> Ends<'a> {
    fn of(map: &'a SlotMap) -> Self {
        Self { runs: &map.runs, begin: 0 }
    }

    fn owner(&self) -> Option<&'a VersionName> {
        self.runs.first().map(|(owner, _)| owner)
    }

    fn end(&self) -> u16 {
        self.runs.first().map_or(SLOTS, |(_, len)| (self.begin + len).min(SLOTS))
    }

    /// Leaves behind what ends at `end`.
    fn pass(&mut self, end: u16) {
        while let [(_, len), rest @ ..] = self.runs
            && self.begin + len <= end
        {
            self.begin += len;
            self.runs = rest;
        }
    }
}

/// A version that grows, and how many slots it still lacks.
struct Need<'a> {
    version: &'a VersionName,
    slots: u16,
}

/// A map under change: runs, some of them free.
struct Runs(Vec<(Option<VersionName>, u16)>);

impl Runs {
    fn of(map: &SlotMap) -> Self {
        if map.runs.is_empty() {
            return Self(vec![(None, SLOTS)]);
        }
        Self(map.runs.iter().map(|(version, len)| (Some(version.clone()), *len)).collect())
    }

    /// Frees `count` slots of `version`: whole small runs first, so that a map does not crumble, then the end of one.
    fn release(&mut self, version: &VersionName, mut count: u16) {
        let mut mine: Vec<usize> = self.positions(|owner| owner == Some(version));
        mine.sort_by_key(|i| self.0[*i].1);
        for i in mine {
            let len = self.0[i].1;
            if len <= count {
                count -= len;
                self.0[i].0 = None;
            } else if count > 0 {
                self.0[i].1 = len - count;
                self.0.insert(i + 1, (None, count));
                return;
            }
        }
    }

    /// Gives free slots to a growing version beside them, which adds no run.
    fn extend_neighbours(&mut self, needs: &mut [Need<'_>]) {
        self.merge();
        for need in needs {
            for i in 0..self.0.len() {
                if self.0[i].0.as_ref() != Some(need.version) {
                    continue;
                }
                for beside in [i.checked_sub(1), Some(i + 1)].into_iter().flatten() {
                    let Some((None, free)) = self.0.get(beside) else { continue };
                    let taken = need.slots.min(*free);
                    self.0[beside].1 -= taken;
                    self.0[i].1 += taken;
                    need.slots -= taken;
                }
            }
        }
        self.0.retain(|(_, len)| *len > 0);
    }

    /// Gives out the free runs that are left: the one that fits a need best, largest need first.
    fn fill(&mut self, needs: &mut [Need<'_>]) {
        while let Some(need) = needs.iter_mut().filter(|need| need.slots > 0).max_by_key(|need| need.slots) {
            let free = self.positions(|owner| owner.is_none());
            let misfit = |i: &usize| (self.0[*i].1 < need.slots, self.0[*i].1.abs_diff(need.slots));
            let Some(i) = free.into_iter().min_by_key(misfit) else { return };
            let (len, taken) = (self.0[i].1, need.slots.min(self.0[i].1));
            self.0[i] = (Some(need.version.clone()), taken);
            if len > taken {
                self.0.insert(i + 1, (None, len - taken));
            }
            need.slots -= taken;
        }
    }

    fn positions(&self, keep: impl Fn(Option<&VersionName>) -> bool) -> Vec<usize> {
        (0..self.0.len()).filter(|i| keep(self.0[*i].0.as_ref())).collect()
    }

    fn merge(&mut self) {
        self.0.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
    }

    /// Free runs are left over only where no version is active.
    fn finish(mut self) -> SlotMap {
        self.merge();
        SlotMap {
            runs: self.0.into_iter().filter_map(|(owner, len)| owner.map(|version| (version, len))).collect(),
        }
    }
}

impl fmt::Display for SlotMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (version, len)) in self.runs.iter().enumerate() {
            write!(f, "{}{version}:{len}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl FromStr for SlotMap {
    type Err = InvalidSlots;

    fn from_str(text: &str) -> Result<Self, InvalidSlots> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let runs: Vec<_> = text.split(',').map(parse_run).collect::<Option<_>>().ok_or(InvalidSlots)?;
        let total: u32 = runs.iter().map(|(_, len)| u32::from(*len)).sum();
        if total == u32::from(SLOTS) { Ok(Self { runs }) } else { Err(InvalidSlots) }
    }
}

fn parse_run(text: &str) -> Option<(VersionName, u16)> {
    let (version, len) = text.split_once(':')?;
    Some((version.parse().ok()?, len.parse().ok()?))
}

/// A text that is not a [`SlotMap`].
///
/// ```
/// assert!("v1.0:9999".parse::<tower_canary::routing::SlotMap>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidSlots;

impl fmt::Display for InvalidSlots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a slot map: write runs as 'version:slots', split by commas, {SLOTS} slots in all")
    }
}

impl std::error::Error for InvalidSlots {}

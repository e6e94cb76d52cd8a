//! Reassigns slots between versions when their weights change.

use std::collections::BTreeMap;

use super::name::VersionName;
use super::weight::{SLOTS, Weight};

/// Consecutive slots of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) version: VersionName,
    pub(super) len: u16,
}

/// Returns the runs for `weights`, which total 10,000 or are all 0, with the fewest slots moved.
///
/// `runs` is empty or has 10,000 slots. First, the versions that shrink give up slots. Then each version that grows
/// gets free slots beside its own runs, which adds no run, and the rest from the free spans that fit best. Both keep
/// the number of runs small through any sequence of changes.
pub(super) fn reassign(runs: &[Run], weights: &[(&VersionName, Weight)]) -> Vec<Run> {
    let mut held: BTreeMap<&VersionName, u16> = BTreeMap::new();
    for run in runs {
        *held.entry(&run.version).or_default() += run.len;
    }
    let mut spans = Spans::new(runs);
    for (version, count) in &held {
        let target = weights.iter().find(|(name, _)| name == version).map_or(0, |(_, w)| w.hundredths());
        spans.release(version, count.saturating_sub(target));
    }
    let mut claims = Vec::new();
    for (version, weight) in weights {
        let slots = weight.hundredths().saturating_sub(held.get(version).copied().unwrap_or(0));
        if slots > 0 {
            claims.push(Claim { version, slots });
        }
    }
    spans.extend_neighbours(&mut claims);
    spans.fill(&mut claims);
    spans.into_runs()
}

/// A version that grows, and the number of slots that it still needs.
struct Claim<'a> {
    version: &'a VersionName,
    slots: u16,
}

/// Consecutive slots of one version, or free ones.
struct Span {
    owner: Option<VersionName>,
    len: u16,
}

impl Span {
    /// Creates a span without an owner.
    const fn free(len: u16) -> Self {
        Self { owner: None, len }
    }
}

/// All slots while they are reassigned, in slot order.
struct Spans(Vec<Span>);

impl Spans {
    /// Creates the spans of a slot map. An empty map is one free span.
    fn new(runs: &[Run]) -> Self {
        if runs.is_empty() {
            return Self(vec![Span::free(SLOTS)]);
        }
        Self(runs.iter().map(|run| Span { owner: Some(run.version.clone()), len: run.len }).collect())
    }

    /// Frees `count` slots of `version`: whole spans first, the smallest before the others, then the end of one.
    fn release(&mut self, version: &VersionName, mut count: u16) {
        let mut owned = self.positions(|owner| owner == Some(version));
        owned.sort_by_key(|i| self.0[*i].len);
        for i in owned {
            let len = self.0[i].len;
            if len > count {
                if count > 0 {
                    self.0[i].len = len - count;
                    self.0.insert(i + 1, Span::free(count));
                }
                return;
            }
            self.0[i].owner = None;
            count -= len;
        }
    }

    /// Gives free slots to the claims whose version has a span beside them.
    fn extend_neighbours(&mut self, claims: &mut [Claim<'_>]) {
        self.merge();
        for claim in claims {
            for i in self.positions(|owner| owner == Some(claim.version)) {
                for beside in [i.checked_sub(1), Some(i + 1)].into_iter().flatten() {
                    claim.slots -= self.take_free(beside, i, claim.slots);
                }
            }
        }
        self.0.retain(|span| span.len > 0);
    }

    /// Moves up to `most` slots from the span `from`, if it is free, to the span `to`. Returns how many were moved.
    fn take_free(&mut self, from: usize, to: usize, most: u16) -> u16 {
        let Some(Span { owner: None, len }) = self.0.get_mut(from) else { return 0 };
        let taken = most.min(*len);
        *len -= taken;
        self.0[to].len += taken;
        taken
    }

    /// Gives the other free slots to the claims, the largest claim first.
    fn fill(&mut self, claims: &mut [Claim<'_>]) {
        while let Some(claim) =
            claims.iter_mut().filter(|claim| claim.slots > 0).max_by_key(|claim| claim.slots)
        {
            let Some(i) = self.best_fit(claim.slots) else { return };
            let len = self.0[i].len;
            let taken = claim.slots.min(len);
            self.0[i] = Span { owner: Some(claim.version.clone()), len: taken };
            if len > taken {
                self.0.insert(i + 1, Span::free(len - taken));
            }
            claim.slots -= taken;
        }
    }

    /// Returns the position of the shortest free span of at least `slots`, else of the longest one. `None`: no slot is
    /// free.
    fn best_fit(&self, slots: u16) -> Option<usize> {
        let free = self.positions(|owner| owner.is_none());
        free.into_iter().min_by_key(|i| {
            let len = self.0[*i].len;
            (len < slots, len.abs_diff(slots))
        })
    }

    /// Returns the positions of the spans whose owner is one that `is_wanted` accepts.
    fn positions(&self, is_wanted: impl Fn(Option<&VersionName>) -> bool) -> Vec<usize> {
        (0..self.0.len()).filter(|i| is_wanted(self.0[*i].owner.as_ref())).collect()
    }

    /// Joins neighbours that have the same owner.
    fn merge(&mut self) {
        self.0.dedup_by(|next, previous| {
            let same_owner = next.owner == previous.owner;
            if same_owner {
                previous.len += next.len;
            }
            same_owner
        });
    }

    /// Returns the spans that have an owner. Free ones are left only if no version is active.
    fn into_runs(mut self) -> Vec<Run> {
        self.merge();
        self.0.into_iter().filter_map(|span| Some(Run { version: span.owner?, len: span.len })).collect()
    }
}

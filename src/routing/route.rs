//! A split compiled for the hot path.

use super::draw::Point;
use super::name::{ServiceName, VersionName};
use super::split::Split;
use super::version::Version;

/// A split compiled for the hot path: which version a point or a slot belongs to, in a few nanoseconds.
///
/// Points of a draw lie in one interval per version, oldest first, so that an even sequence of points stays even.
/// Slots of a key follow the split's [`SlotMap`](super::SlotMap), so that users stay where they are.
///
/// ```
/// use tower_canary::routing::{Change, Point, Route, Split};
///
/// let at = std::time::SystemTime::now();
/// let split = Split::new("auth".parse()?, 7)
///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?
///     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2".parse()?), at)?
///     .apply(&Change::set_weight("v1.1".parse()?, "10".parse()?), at)?;
/// let route = Route::compile(split);
/// let version = |point| route.at(Point::new(point)?).map(|v| v.name.as_str());
/// assert_eq!(version(8_999), Some("v1.0"));
/// assert_eq!(version(9_000), Some("v1.1"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Route {
    split: Split,
    points: Box<[Interval]>,
    slots: Box<[Interval]>,
}

/// Ends before `end`; begins where the one before it ends.
#[derive(Clone, Copy, Debug)]
struct Interval {
    end: u16,
    version: usize,
}

impl Route {
    /// The route of `split`.
    #[must_use]
    pub fn compile(split: Split) -> Self {
        let versions = split.versions();
        let points = intervals(versions.iter().enumerate().map(|(i, v)| (i, v.weight.hundredths())));
        let position = |name: &VersionName| versions.iter().position(|v| v.name == *name);
        let runs = split.slots().runs();
        let slots = intervals(runs.filter_map(|(name, len)| position(name).map(|i| (i, len))));
        Self { split, points, slots }
    }

    /// Whose route it is.
    #[must_use]
    pub const fn service(&self) -> &ServiceName {
        self.split.service()
    }

    /// The split it was compiled from.
    #[must_use]
    pub const fn split(&self) -> &Split {
        &self.split
    }

    /// The version whose share `point` falls into; `None` when no version is active.
    #[must_use]
    pub fn at(&self, point: Point) -> Option<&Version> {
        self.index_at(point).and_then(|i| self.split.versions().get(i))
    }

    /// The version that holds `slot`; `None` when no version is active.
    #[must_use]
    pub fn holder(&self, slot: Point) -> Option<&Version> {
        find(&self.slots, slot).and_then(|i| self.split.versions().get(i))
    }

    #[inline]
    pub(crate) fn index_of_slot(&self, slot: Point) -> Option<usize> {
        find(&self.slots, slot)
    }

    #[inline]
    pub(crate) fn index_at(&self, point: Point) -> Option<usize> {
        find(&self.points, point)
    }
}

fn intervals(lengths: impl Iterator<Item = (usize, u16)>) -> Box<[Interval]> {
    let mut end = 0;
    let close = |(version, length)| {
        end += length;
        Interval { end, version }
    };
    lengths.filter(|(_, length)| *length > 0).map(close).collect()
}

#[inline]
fn find(intervals: &[Interval], point: Point) -> Option<usize> {
    let i = intervals.partition_point(|interval| interval.end <= point.get());
    intervals.get(i).map(|interval| interval.version)
}

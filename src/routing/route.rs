//! A split compiled for the hot path.

use super::draw::Point;
use super::name::{ServiceName, VersionName};
use super::split::Split;
use super::version::Version;

/// A split compiled for the hot path. It finds the version of a point or a slot in a few nanoseconds.
///
/// The points of a draw are divided into one interval per version, oldest first, so that an evenly spread sequence of
/// points gives each version its share of any part of the requests. The slots of keys are divided as the
/// [`SlotMap`](super::SlotMap) of the split says, so that users stay with their versions.
///
/// Both lists of intervals are sorted and have no gap and no overlap. They cover 0 to 9,999 if any version is active, and
/// are empty otherwise.
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
/// let last_of_v1_0 = Point::new(8_999).and_then(|point| route.version_at(point));
/// let first_of_v1_1 = Point::new(9_000).and_then(|point| route.version_at(point));
/// assert_eq!(last_of_v1_0.map(|v| v.name.as_str()), Some("v1.0"));
/// assert_eq!(first_of_v1_1.map(|v| v.name.as_str()), Some("v1.1"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Route {
    split: Split,
    /// The versions of the points of a draw.
    points: Box<[Interval]>,
    /// The versions of the slots of keys.
    slots: Box<[Interval]>,
}

/// Consecutive points or slots of one version. They begin where the interval before them ends.
#[derive(Clone, Copy, Debug)]
struct Interval {
    /// The first point behind the interval.
    end: u16,
    /// The position of the version in the split.
    version: usize,
}

impl Route {
    /// Compiles the route of `split`.
    ///
    /// The route keeps the split, and beside it the intervals of points and of slots with the version of
    /// each. A choice searches these and reads nothing else of the split.
    #[must_use]
    pub fn compile(split: Split) -> Self {
        let weights =
            split.versions().iter().enumerate().map(|(i, version)| (i, version.weight.hundredths()));
        let points = intervals(weights);
        // Each owner in the slot map of a split is one of its versions.
        let runs = split.slots().runs().filter_map(|(owner, len)| Some((position(&split, owner)?, len)));
        let slots = intervals(runs);
        Self { split, points, slots }
    }

    /// Returns the name of the service.
    #[must_use]
    pub const fn service(&self) -> &ServiceName {
        self.split.service()
    }

    /// Returns the split that the route was compiled from.
    #[must_use]
    pub const fn split(&self) -> &Split {
        &self.split
    }

    /// Returns the version that a request with the drawn point `point` gets, or `None` if no version is active. See
    /// [`Route`] for an example.
    #[must_use]
    pub fn version_at(&self, point: Point) -> Option<&Version> {
        self.index_at(point).and_then(|i| self.split.versions().get(i))
    }

    /// Returns the version that owns `slot`, or `None` if no version is active.
    ///
    /// ```
    /// use tower_canary::routing::{Change, Point, Route, Split};
    ///
    /// let split = Split::new("auth".parse()?, 7)
    ///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), std::time::SystemTime::now())?;
    /// let slot = Point::from_key(split.salt(), b"alice");
    /// let route = Route::compile(split);
    /// assert_eq!(route.version_of_slot(slot).map(|v| v.name.as_str()), Some("v1.0"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn version_of_slot(&self, slot: Point) -> Option<&Version> {
        self.index_of_slot(slot).and_then(|i| self.split.versions().get(i))
    }

    /// Returns the position in the split of [`version_of_slot`](Self::version_of_slot).
    #[inline]
    pub(crate) fn index_of_slot(&self, slot: Point) -> Option<usize> {
        version_in(&self.slots, slot)
    }

    /// Returns the position in the split of [`version_at`](Self::version_at).
    #[inline]
    pub(crate) fn index_at(&self, point: Point) -> Option<usize> {
        version_in(&self.points, point)
    }
}

/// Returns the position of a version in the split, by which a route names it.
fn position(split: &Split, name: &VersionName) -> Option<usize> {
    split.versions().iter().position(|version| version.name == *name)
}

/// Creates intervals one behind the other, each from the position of its version in the split and its length. Empty
/// ones are left out.
fn intervals(lengths: impl Iterator<Item = (usize, u16)>) -> Box<[Interval]> {
    let mut end = 0;
    lengths
        .filter(|(_, length)| *length > 0)
        .map(|(version, length)| {
            end += length;
            Interval { end, version }
        })
        .collect()
}

/// Returns the position in the split of the version whose interval has `point`. `None`: there are no intervals.
#[inline]
fn version_in(intervals: &[Interval], point: Point) -> Option<usize> {
    let i = intervals.partition_point(|interval| interval.end <= point.get());
    intervals.get(i).map(|interval| interval.version)
}

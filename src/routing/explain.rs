//! What a route does, told without traffic.

use std::time::SystemTime;

use super::change::Change;
use super::change_error::ChangeError;
use super::draw::Point;
use super::name::VersionName;
use super::reason::Reason;
use super::route::Route;
use super::slots::Overlap;
use super::split::Split;
use super::version::Version;

/// Which version a key gets, and why. See [`Route::explain`] for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation<'a> {
    /// The slot that the key falls into.
    pub slot: Point,
    /// The version that holds it; `None` when none is active.
    pub version: Option<&'a Version>,
    /// Which rule chooses it.
    pub reason: Reason,
}

/// What a change would do. See [`Split::preview`] for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preview {
    /// The split that it would make.
    pub after: Split,
    /// Which users would get another version.
    pub moves: Vec<Move>,
}

/// Slots that pass from one version to another, and with them the users whose keys fall into them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Move {
    /// Who holds them before; `None` where no version was active.
    pub from: Option<VersionName>,
    /// Who holds them after; `None` where no version is active.
    pub to: Option<VersionName>,
    /// How many of 10,000: hundredths of a percent of the users.
    pub slots: u16,
}

impl Route {
    /// Which version the key gets, and why: the same as for a request with that key. A layer takes an empty one for none.
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
        Explanation { slot, version: self.holder(slot), reason: Reason::Key }
    }
}

impl Split {
    /// What `change` would do, at the time `at`, to the split and to users who are kept with their version by a key.
    ///
    /// ```
    /// use tower_canary::routing::{Change, Split};
    ///
    /// let at = std::time::SystemTime::now();
    /// let split = Split::new("auth".parse()?, 7)
    ///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?
    ///     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2".parse()?), at)?;
    /// let tenth = Change::set_weight("v1.1".parse()?, "10".parse()?);
    /// let preview = split.preview(&tenth, at)?;
    /// assert_eq!((preview.moves.len(), preview.moves[0].slots), (1, 1_000));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Why the rules refuse the change.
    pub fn preview(&self, change: &Change, at: SystemTime) -> Result<Preview, ChangeError> {
        let after = self.apply(change, at)?;
        let moves = self.moves(&after);
        Ok(Preview { after, moves })
    }

    /// Which slots another version holds in `after`, most first.
    ///
    /// ```
    /// # use tower_canary::routing::Split;
    /// let split = Split::new("auth".parse()?, 7);
    /// assert_eq!(split.moves(&split), []);
    /// # Ok::<(), tower_canary::routing::InvalidName>(())
    /// ```
    #[must_use]
    pub fn moves(&self, after: &Self) -> Vec<Move> {
        let mut moves: Vec<Move> = Vec::new();
        for overlap in self.slots().overlaps(after.slots()).filter(Overlap::changes_owner) {
            let Overlap { before: from, after: to, slots } = overlap;
            match moves.iter_mut().find(|m| m.from.as_ref() == from && m.to.as_ref() == to) {
                Some(known) => known.slots += slots,
                None => moves.push(Move { from: from.cloned(), to: to.cloned(), slots }),
            }
        }
        moves.sort_by_key(|m| std::cmp::Reverse(m.slots));
        moves
    }
}

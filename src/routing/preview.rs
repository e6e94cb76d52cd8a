//! The effect of a change, without making it.

use std::cmp::Reverse;
use std::time::SystemTime;

use super::change::Change;
use super::change_error::ChangeError;
use super::name::VersionName;
use super::slots::Overlap;
use super::split::Split;

/// The effect that a change would have. [`Split::preview`] returns it and has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preview {
    /// The split after the change.
    pub after: Split,
    /// The users who would get another version.
    pub moves: Vec<Move>,
}

/// Slots that move from one version to another, and with them the users whose keys fall into them.
///
/// See [`Split::moves`](super::Split::moves) for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Move {
    /// The owner before the change, or `None` if no version was active.
    pub from: Option<VersionName>,
    /// The owner after the change, or `None` if no version is active.
    pub to: Option<VersionName>,
    /// The number of slots, 1 to 10,000. Each is a hundredth of a percent of the users.
    pub slots: u16,
}

impl Split {
    /// Returns the effect that `change` would have at the time `at`: the split afterwards, and the users with a key who
    /// would get another version.
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
    /// Returns the [`ChangeError`] of the rule that refuses the change, as [`Split::apply`] does.
    pub fn preview(&self, change: &Change, at: SystemTime) -> Result<Preview, ChangeError> {
        let after = self.apply(change, at)?;
        let moves = self.moves(&after);
        Ok(Preview { after, moves })
    }

    /// Returns the slots that have another owner in `after`, one entry per pair of owners, largest first.
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
        moves.sort_by_key(|m| Reverse(m.slots));
        moves
    }
}

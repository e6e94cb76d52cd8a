//! What the stages of a plan would do to a split.

use std::time::SystemTime;

use super::end::Then;
use super::plan::Plan;
use crate::routing::{Change, ChangeError, Preview, Split, Weight};

/// The effect of one stage on a split. [`Plan::preview`] returns it and has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StagePreview {
    /// The weight of the canary in this stage, 100 for the promotion.
    pub weight: Weight,
    /// The split in this stage, and the users with a key who would get another version than in the stage before.
    pub preview: Preview,
}

impl Plan {
    /// Returns the effect of each stage on `split`, and of the promotion at the end, if the plan has one.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use tower_canary::rollout::Plan;
    /// use tower_canary::routing::{Change, Split};
    ///
    /// # let at = SystemTime::UNIX_EPOCH;
    /// # let split = Split::new("auth".parse()?, 7)
    /// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?
    /// #     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2".parse()?), at)?;
    /// let stages = Plan::new("v1.1".parse()?).preview(&split)?;
    /// assert_eq!(stages.len(), 6);
    /// assert_eq!(stages[0].preview.moves[0].slots, 500); // 5 percent of the users
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the [`ChangeError`] of the first stage that the rules of the split refuse.
    pub fn preview(&self, split: &Split) -> Result<Vec<StagePreview>, ChangeError> {
        let stages = (1..=self.stages()).filter_map(|number| self.stage(number)).map(|stage| stage.weight);
        let promotion = (self.then == Then::Promote).then_some(Weight::FULL);
        let mut previews: Vec<StagePreview> = Vec::new();
        for weight in stages.chain(promotion) {
            let before = previews.last().map_or(split, |stage| &stage.preview.after);
            let change = Change::set_weight(self.version.clone(), weight);
            let preview = before.preview(&change, SystemTime::UNIX_EPOCH)?;
            previews.push(StagePreview { weight, preview });
        }
        Ok(previews)
    }
}

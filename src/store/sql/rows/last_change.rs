//! Who changed a service last, and whether that removed it, as JSON in the row of the service.

use serde::{Deserialize, Serialize};

use super::json::to_json;
use crate::common::time::{from_millis, to_millis};
use crate::routing::{LastChange, Split};

/// The content of the column `last_change`.
///
/// A gateway of an earlier release changes the service without writing the column. So it counts only if it is about the
/// generation in the row: such a gateway that registers a version of a removed service starts it again.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LastChangeJson {
    /// The generation after the change.
    generation: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    removed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    /// In milliseconds since the Unix epoch.
    #[serde(default)]
    at: i64,
}

impl LastChangeJson {
    /// Parses the column of a service at `generation`. `None` if it is about another generation.
    pub(crate) fn parse(json: &str, generation: u64) -> Result<Option<Self>, serde_json::Error> {
        let parsed: Self = serde_json::from_str(json)?;
        Ok(Some(parsed).filter(|last| last.generation == generation))
    }

    /// Returns the column for `split`.
    pub(crate) fn encode(split: &Split) -> String {
        let last = split.last_change();
        let json = Self {
            generation: split.generation(),
            removed: split.is_removed(),
            actor: last.map(|last| last.actor.clone()),
            at: last.map_or(0, |last| to_millis(last.at)),
        };
        to_json(&json)
    }

    /// Returns whether the last change removed the service.
    pub(crate) const fn is_removed(&self) -> bool {
        self.removed
    }

    /// Returns who made the last change and when, or `None` if the JSON has no actor.
    pub(crate) fn last_change(&self) -> Option<LastChange> {
        Some(LastChange::new(self.actor.as_deref()?, from_millis(self.at)))
    }
}

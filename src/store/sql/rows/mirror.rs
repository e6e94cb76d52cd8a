//! Which version of a service gets copies of requests, as JSON in the row of the service.

use serde::{Deserialize, Serialize};

use super::flaw::Flaw;
use super::json::to_json;
use crate::routing::{MirrorShare, Split, Version, Weight};

/// The column, as errors name it.
const COLUMN: &str = "mirror";

/// The content of the column `mirror`.
///
/// A gateway of an earlier release changes the service without writing the column. It may remove the version and register
/// another one under its name, so the id counts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MirrorJson {
    /// The id of the version.
    to: String,
    /// In hundredths of a percent.
    share: u16,
}

impl MirrorJson {
    /// Returns the column for `split`. `None`: it has no mirror.
    pub(crate) fn encode(split: &Split) -> Option<String> {
        let mirror = split.mirror()?;
        let version = split.version(mirror.version.as_str())?;
        let json = Self { to: version.id.to_string(), share: mirror.share.hundredths() };
        Some(to_json(&json))
    }

    /// Parses the column of a service with these versions. `None`: it has no mirror, or the version with the id is not
    /// among them.
    pub(crate) fn parse(
        table: &'static str,
        row: i64,
        json: Option<&str>,
        versions: &[Version],
    ) -> Result<Option<MirrorShare>, Flaw> {
        let Some(json) = json else { return Ok(None) };
        let parsed: Self =
            serde_json::from_str(json).map_err(|error| Flaw::new(table, row, COLUMN, error))?;
        let share =
            Weight::from_hundredths(parsed.share).map_err(|error| Flaw::new(table, row, COLUMN, error))?;
        let version = versions.iter().find(|version| version.id.to_string() == parsed.to);
        Ok(version.map(|version| MirrorShare::new(version.name.clone(), share)))
    }
}

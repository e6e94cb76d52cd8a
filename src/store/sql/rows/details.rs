//! What an entry of the history or a refused change has beside its columns, as JSON.
//!
//! Unknown fields are ignored: a later release may have more of them, and needs no migration for that.

use serde::{Deserialize, Serialize};

use super::flaw::{Flaw, parse};
use super::json::to_json;
use crate::routing::{MirrorShare, ServiceSettings, Weight};
use crate::store::{ActorKind, HistoryEntry, Refusal};

/// The column, as errors name it.
const COLUMN: &str = "details";

/// The JSON of the column. A field that is missing was not known to the release that wrote the row.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Details {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor_kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<SettingsJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<SettingsJson>,
}

/// The settings of a service, before or after a change.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SettingsJson {
    #[serde(default)]
    health_path: Option<String>,
    #[serde(default)]
    pin_epoch: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mirror: Option<MirrorDetails>,
}

/// The mirror among the settings. It has the name of the version and not its id: the history shows names.
#[derive(Debug, Serialize, Deserialize)]
struct MirrorDetails {
    version: String,
    /// In hundredths of a percent.
    share: u16,
}

impl Details {
    /// Parses the column of a row of `table`. NULL, as an earlier release leaves it, says nothing.
    pub(crate) fn parse(table: &'static str, row: i64, json: Option<&str>) -> Result<Self, Flaw> {
        let Some(json) = json else { return Ok(Self::default()) };
        serde_json::from_str(json).map_err(|error| Flaw::new(table, row, COLUMN, error))
    }

    /// Returns the column for an entry of the history.
    pub(crate) fn encode_entry(entry: &HistoryEntry) -> String {
        let details = Self {
            before: entry.settings_before.as_ref().map(SettingsJson::from),
            after: entry.settings_after.as_ref().map(SettingsJson::from),
            ..Self::from_sender(entry.actor_kind, entry.request_id.as_deref())
        };
        to_json(&details)
    }

    /// Returns the column for a refused change. It changed no settings, so it has the sender alone.
    pub(crate) fn encode_refusal(refusal: &Refusal) -> String {
        let details = Self::from_sender(refusal.actor_kind, refusal.request_id.as_deref());
        to_json(&details)
    }

    /// Returns details of a sender, without settings.
    fn from_sender(actor_kind: Option<ActorKind>, request_id: Option<&str>) -> Self {
        let actor_kind = actor_kind.map(|kind| kind.as_str().to_owned());
        Self { actor_kind, request_id: request_id.map(str::to_owned), ..Self::default() }
    }

    /// Returns the kind of the actor. `None`: the release that wrote the row did not know it, or a later release knows
    /// the kind.
    pub(crate) fn actor_kind(&self) -> Option<ActorKind> {
        self.actor_kind.as_deref().and_then(ActorKind::from_name)
    }

    /// Returns the id of the request, if the application has such ids.
    pub(crate) fn request_id(&self) -> Option<String> {
        self.request_id.clone()
    }

    /// Returns the settings of the service before and after the change. `None`: the release that wrote the row did not
    /// record them.
    pub(crate) fn settings(
        &self,
        table: &'static str,
        row: i64,
    ) -> Result<(Option<ServiceSettings>, Option<ServiceSettings>), Flaw> {
        let before = self.before.as_ref().map(|json| json.parse(table, row)).transpose()?;
        let after = self.after.as_ref().map(|json| json.parse(table, row)).transpose()?;
        Ok((before, after))
    }
}

impl From<&ServiceSettings> for SettingsJson {
    fn from(settings: &ServiceSettings) -> Self {
        let health_path = settings.health_path.as_ref().map(|path| path.as_str().to_owned());
        let mirror = settings.mirror.as_ref().map(|mirror| MirrorDetails {
            version: mirror.version.to_string(),
            share: mirror.share.hundredths(),
        });
        Self { health_path, pin_epoch: settings.pin_epoch, mirror }
    }
}

impl SettingsJson {
    /// Parses the settings of the row `row` of `table`.
    fn parse(&self, table: &'static str, row: i64) -> Result<ServiceSettings, Flaw> {
        let health_path = self.health_path.as_deref().map(|path| parse(table, row, COLUMN, path));
        let mirror = self.mirror.as_ref().map(|mirror| mirror.parse(table, row)).transpose()?;
        Ok(ServiceSettings::new(health_path.transpose()?, self.pin_epoch).with_mirror(mirror))
    }
}

impl MirrorDetails {
    /// Parses the mirror of the row `row` of `table`.
    fn parse(&self, table: &'static str, row: i64) -> Result<MirrorShare, Flaw> {
        let share =
            Weight::from_hundredths(self.share).map_err(|error| Flaw::new(table, row, COLUMN, error))?;
        Ok(MirrorShare::new(parse(table, row, COLUMN, &self.version)?, share))
    }
}

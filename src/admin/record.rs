//! What the API answers of the past.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{Percent, rfc3339};
use crate::routing::VersionShare;
use crate::store::{HistoryEntry, Refusal};

/// Changes of one service, latest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct HistoryDto {
    #[schema(example = "auth")]
    pub(super) service: String,
    pub(super) history: Vec<EntryDto>,
    /// `?before=` for the page after this one; `null` on the last.
    pub(super) next_before: Option<u64>,
    /// On the first page: the last 50 changes that were refused, latest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<Vec<RefusalDto>>,
}

/// One change.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EntryDto {
    /// The generation it made.
    generation: u64,
    /// Who made it.
    #[schema(example = "alice")]
    actor: String,
    reason: Option<String>,
    /// The kind of change.
    #[schema(example = "set-weight")]
    change: String,
    /// The version it named.
    version: Option<String>,
    /// The split before, by version.
    before: BTreeMap<String, ShareDto>,
    /// The split after, by version.
    after: BTreeMap<String, ShareDto>,
    #[schema(format = "date-time")]
    at: String,
}

/// A change that was asked for and refused.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefusalDto {
    /// Who asked.
    #[schema(example = "alice")]
    actor: String,
    reason: Option<String>,
    /// The kind of change.
    #[schema(example = "set-weight")]
    change: String,
    /// The version it named.
    version: Option<String>,
    /// What was asked for.
    #[schema(example = "set-weight v1.1 to 10 %")]
    asked: String,
    /// The generation that was served then.
    generation: Option<u64>,
    /// The split that was served then, by version.
    split: BTreeMap<String, ShareDto>,
    /// Why it was refused, and what to do.
    why: String,
    #[schema(format = "date-time")]
    at: String,
}

/// What a version had.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShareDto {
    weight: Percent,
    is_active: bool,
}

impl From<HistoryEntry> for EntryDto {
    fn from(entry: HistoryEntry) -> Self {
        Self {
            generation: entry.generation,
            actor: entry.actor,
            reason: entry.reason,
            change: entry.kind,
            version: entry.version.map(|version| version.to_string()),
            before: shares(&entry.before),
            after: shares(&entry.after),
            at: rfc3339(entry.at),
        }
    }
}

impl From<Refusal> for RefusalDto {
    fn from(refusal: Refusal) -> Self {
        Self {
            actor: refusal.actor,
            reason: refusal.reason,
            change: refusal.kind,
            version: refusal.version.map(|version| version.to_string()),
            asked: refusal.asked,
            generation: refusal.generation,
            split: shares(&refusal.shares),
            why: refusal.why,
            at: rfc3339(refusal.at),
        }
    }
}

fn shares(shares: &[VersionShare]) -> BTreeMap<String, ShareDto> {
    let share = |share: &VersionShare| ShareDto { weight: Percent(share.weight), is_active: share.active };
    shares.iter().map(|of| (of.version.to_string(), share(of))).collect()
}

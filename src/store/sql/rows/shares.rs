//! The shares of a split as JSON, in the history and in refused changes.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::flaw::Flaw;
use super::json::to_json;
use crate::routing::{Backend, Instances, VersionShare, Weight};

/// One share. The weight is in hundredths of a percent.
#[derive(Serialize, Deserialize)]
struct ShareJson<'a> {
    version: Cow<'a, str>,
    weight: u16,
    active: bool,
    /// Missing in rows of an earlier release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    urls: Option<Vec<Cow<'a, str>>>,
}

impl<'a> From<&'a VersionShare> for ShareJson<'a> {
    fn from(share: &'a VersionShare) -> Self {
        Self {
            version: share.version.as_str().into(),
            weight: share.weight.hundredths(),
            active: share.active,
            urls: share.instances.as_ref().map(|urls| urls.iter().map(|url| url.as_str().into()).collect()),
        }
    }
}

/// Writes shares as the history stores them: with weights in hundredths of a percent, so that no weight is
/// rounded, and with all base URLs.
pub(crate) fn shares_to_json(shares: &[VersionShare]) -> String {
    let shares: Vec<ShareJson<'_>> = shares.iter().map(ShareJson::from).collect();
    to_json(&shares)
}

/// Parses the shares in `column` of a row.
pub(crate) fn parse_shares(
    table: &'static str,
    row: i64,
    column: &'static str,
    json: &str,
) -> Result<Vec<VersionShare>, Flaw> {
    let shares: Result<_, String> = parse_json(json);
    shares.map_err(|cause| Flaw::new(table, row, column, cause))
}

/// Parses the JSON of a column, without interpreting the shares.
fn parse_json(json: &str) -> Result<Vec<VersionShare>, String> {
    let shares: Vec<ShareJson<'_>> = serde_json::from_str(json).map_err(to_text)?;
    shares.iter().map(parse_share).collect()
}

/// Interprets one share: its name, its weight and its URLs.
fn parse_share(share: &ShareJson<'_>) -> Result<VersionShare, String> {
    let weight = Weight::from_hundredths(share.weight).map_err(to_text)?;
    let parsed = VersionShare::new(share.version.parse().map_err(to_text)?, weight, share.active);
    match &share.urls {
        Some(urls) => Ok(parsed.with_instances(parse_urls(urls)?)),
        None => Ok(parsed),
    }
}

/// Interprets the base URLs of a share. An earlier release wrote none.
fn parse_urls(urls: &[Cow<'_, str>]) -> Result<Instances, String> {
    let backends: Result<Vec<Backend>, _> = urls.iter().map(|url| url.parse()).collect();
    Instances::new(backends.map_err(to_text)?).map_err(to_text)
}

/// Converts one share to its stored form.
fn to_text(error: impl fmt::Display) -> String {
    error.to_string()
}

//! The shares of a split as JSON, in the history and in refused changes.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::flaw::Flaw;
use super::json::to_json;
use crate::routing::{Backend, Instances, VersionShare, Weight};

/// The stored form of one share.
#[derive(Serialize, Deserialize)]
struct ShareJson<'a> {
    version: Cow<'a, str>,
    /// In hundredths of a percent.
    weight: u16,
    active: bool,
    /// The base URLs in their order. Missing in rows of an earlier release.
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

/// Returns the column for `shares`: a JSON array, with weights in hundredths of a percent and with all base URLs.
pub(crate) fn shares_to_json(shares: &[VersionShare]) -> String {
    let shares: Vec<ShareJson<'_>> = shares.iter().map(ShareJson::from).collect();
    to_json(&shares)
}

/// Parses the shares in `column` of a row. One share that cannot be read is a flaw of the whole column.
pub(crate) fn parse_shares(
    table: &'static str,
    row: i64,
    column: &'static str,
    json: &str,
) -> Result<Vec<VersionShare>, Flaw> {
    parse_all(json).map_err(|cause| Flaw::new(table, row, column, cause))
}

/// Parses all shares of a column, or returns why the first broken one cannot be read.
fn parse_all(json: &str) -> Result<Vec<VersionShare>, String> {
    let shares: Vec<ShareJson<'_>> = serde_json::from_str(json).map_err(to_text)?;
    shares.iter().map(parse_share).collect()
}

/// Interprets one share: the name of its version, its weight and its URLs.
fn parse_share(share: &ShareJson<'_>) -> Result<VersionShare, String> {
    let weight = Weight::from_hundredths(share.weight).map_err(to_text)?;
    let parsed = VersionShare::new(share.version.parse().map_err(to_text)?, weight, share.active);
    match &share.urls {
        Some(urls) => Ok(parsed.with_instances(parse_urls(urls)?)),
        None => Ok(parsed),
    }
}

/// Interprets the base URLs of a share.
fn parse_urls(urls: &[Cow<'_, str>]) -> Result<Instances, String> {
    let backends: Result<Vec<Backend>, _> = urls.iter().map(|url| url.parse()).collect();
    Instances::new(backends.map_err(to_text)?).map_err(to_text)
}

/// Converts an error to the cause of a flaw.
fn to_text(error: impl fmt::Display) -> String {
    error.to_string()
}

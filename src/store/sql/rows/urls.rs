//! The base URLs of a version: the first in a column of its own, the others as a JSON array.
//!
//! A gateway of an earlier release knows the first column only, and writes it alone. So the first URL may also be among the
//! others, and a URL that is there twice counts once.

use super::super::entity::version::Model;
use super::flaw::{Flaw, parse};
use super::json::to_json;
use crate::routing::{Backend, Instances};

/// The column with the first base URL.
const URL: &str = "url";

/// The column with the others.
const MORE_URLS: &str = "more_urls";

/// Returns the column for the base URLs after the first. `None` if the version has one URL.
pub(super) fn more_urls(instances: &Instances) -> Option<String> {
    let more: Vec<&str> = instances.iter().skip(1).map(Backend::as_str).collect();
    if more.is_empty() { None } else { Some(to_json(&more)) }
}

/// Parses the base URLs of a row of `table`.
pub(super) fn parse_instances(table: &'static str, row: &Model) -> Result<Instances, Flaw> {
    let mut backends: Vec<Backend> = vec![parse(table, &row.id, URL, &row.url)?];
    for url in parse_more(table, row)? {
        let backend: Backend = parse(table, &row.id, MORE_URLS, &url)?;
        if !backends.contains(&backend) {
            backends.push(backend);
        }
    }
    Instances::new(backends).map_err(|error| Flaw::new(table, &row.id, MORE_URLS, error))
}

/// Parses the base URLs after the first. NULL, as an earlier release leaves it, means that the version has one URL.
fn parse_more(table: &'static str, row: &Model) -> Result<Vec<String>, Flaw> {
    let Some(json) = row.more_urls.as_deref() else { return Ok(Vec::new()) };
    serde_json::from_str(json).map_err(|error| Flaw::new(table, &row.id, MORE_URLS, error))
}

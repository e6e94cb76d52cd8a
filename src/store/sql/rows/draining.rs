//! The versions and the base URLs that a replica drains, as JSON in two columns.
//!
//! The base URLs have a column of their own, since a gateway of an earlier release cannot read them beside the versions.

use std::collections::BTreeMap;
use std::fmt;

use sea_orm::DbErr;

use super::json::to_json;
use crate::store::Draining;

/// Returns the column `draining`: the names of versions by the name of their service.
pub(crate) fn draining_versions(draining: &[Draining]) -> String {
    let mut by_service: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for entry in draining.iter().filter(|entry| entry.url.is_none()) {
        by_service.entry(entry.service.as_str()).or_default().push(entry.version.as_str());
    }
    to_json(&by_service)
}

/// Returns the column `draining_urls`: base URLs by the name of their version and the name of its service.
pub(crate) fn draining_urls(draining: &[Draining]) -> String {
    let mut by_service: BTreeMap<&str, BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
    for entry in draining {
        if let Some(url) = &entry.url {
            let by_version = by_service.entry(entry.service.as_str()).or_default();
            by_version.entry(entry.version.as_str()).or_default().push(url.as_str());
        }
    }
    to_json(&by_service)
}

/// Parses both columns, in order. Gateways of a release without such a column leave it empty.
pub(crate) fn parse_draining(versions: Option<String>, urls: Option<&str>) -> Result<Vec<Draining>, DbErr> {
    let mut draining = Vec::new();
    if let Some(json) = versions {
        parse_versions(&json, &mut draining)?;
    }
    if let Some(json) = urls {
        parse_urls(json, &mut draining)?;
    }
    draining.sort();
    Ok(draining)
}

/// Parses the versions that drain, each with its service.
fn parse_versions(json: &str, draining: &mut Vec<Draining>) -> Result<(), DbErr> {
    let by_service: BTreeMap<String, Vec<String>> = serde_json::from_str(json).map_err(bad_versions)?;
    for (service, versions) in by_service {
        for version in versions {
            let service = service.parse().map_err(bad_versions)?;
            draining.push(Draining::new(service, version.parse().map_err(bad_versions)?));
        }
    }
    Ok(())
}

/// Parses the base URLs that drain, each with its service and version.
fn parse_urls(json: &str, draining: &mut Vec<Draining>) -> Result<(), DbErr> {
    let by_service: BTreeMap<String, BTreeMap<String, Vec<String>>> =
        serde_json::from_str(json).map_err(bad_urls)?;
    for (service, versions) in by_service {
        for (version, urls) in versions {
            let service = service.parse().map_err(bad_urls)?;
            let whole = Draining::new(service, version.parse().map_err(bad_urls)?);
            for url in urls {
                draining.push(whole.clone().with_url(url.parse().map_err(bad_urls)?));
            }
        }
    }
    Ok(())
}

/// Creates the error for a column that is no JSON of versions.
fn bad_versions(cause: impl fmt::Display) -> DbErr {
    DbErr::Type(format!("gateway_replica, column draining: {cause}"))
}

/// Creates the error for a column that is no JSON of URLs.
fn bad_urls(cause: impl fmt::Display) -> DbErr {
    DbErr::Type(format!("gateway_replica, column draining_urls: {cause}"))
}

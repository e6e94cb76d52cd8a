//! The row of a version: read as a text, stored as an entity, interpreted as a [`Version`].

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::super::entity::version::{Column, Model};
use super::flaw::{Flaw, parse};
use super::urls::{more_urls, parse_instances};
use crate::common::time::{from_millis, to_millis};
use crate::routing::{Version, Weight};

/// The table, as errors name it.
const TABLE: &str = "gateway_service_version";

/// The columns that are read of a version, in the order of the fields of [`VersionText`].
pub(crate) const COLUMNS: [Column; 9] = [
    Column::Id,
    Column::Version,
    Column::Url,
    Column::Weight,
    Column::IsActive,
    Column::Position,
    Column::CreatedAt,
    Column::UpdatedAt,
    Column::MoreUrls,
];

/// A version as it is read: a JSON array with [`COLUMNS`] as strings. A struct is deserialized from an array in the order
/// of its fields.
#[derive(Debug, Deserialize)]
pub(crate) struct VersionText<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    version: Cow<'a, str>,
    #[serde(borrow)]
    url: Cow<'a, str>,
    #[serde(borrow)]
    weight: Cow<'a, str>,
    #[serde(borrow)]
    is_active: Cow<'a, str>,
    #[serde(borrow)]
    position: Cow<'a, str>,
    #[serde(borrow)]
    created_at: Cow<'a, str>,
    #[serde(borrow)]
    updated_at: Cow<'a, str>,
    more_urls: Option<String>,
}

impl VersionText<'_> {
    /// Converts to the row of a version of the service `service_id`.
    pub(crate) fn into_model(self, service_id: i64) -> Result<Model, Flaw> {
        Ok(Model {
            service_id,
            weight: self.number("weight", &self.weight)?,
            is_active: self.flag("is_active", &self.is_active)?,
            position: self.number("position", &self.position)?,
            created_at: self.number("created_at", &self.created_at)?,
            updated_at: self.number("updated_at", &self.updated_at)?,
            id: self.id.into_owned(),
            version: self.version.into_owned(),
            url: self.url.into_owned(),
            more_urls: self.more_urls,
        })
    }

    /// Parses a number.
    fn number<T: FromStr<Err: fmt::Display>>(&self, column: &'static str, text: &str) -> Result<T, Flaw> {
        text.parse().map_err(|error| Flaw::new(TABLE, &self.id, column, format!("{text:?}: {error}")))
    }

    /// Parses a boolean, which databases write in one of two ways.
    fn flag(&self, column: &'static str, text: &str) -> Result<bool, Flaw> {
        match text {
            "1" | "true" => Ok(true),
            "0" | "false" => Ok(false),
            _ => Err(Flaw::new(TABLE, &self.id, column, format!("{text:?} is neither 0 nor 1"))),
        }
    }
}

/// Parses all versions of a service from a JSON array.
pub(crate) fn parse_versions(service_id: i64, json: &str) -> Result<Vec<Model>, Flaw> {
    let versions: Vec<VersionText<'_>> =
        serde_json::from_str(json).map_err(|error| unreadable_versions(service_id, error))?;
    versions.into_iter().map(|version| version.into_model(service_id)).collect()
}

/// Creates the flaw of versions that cannot be read at all.
pub(crate) fn unreadable_versions(service_id: i64, cause: impl fmt::Display) -> Flaw {
    Flaw::new(TABLE, format!("of service {service_id}"), "any", cause)
}

/// Interprets a row.
pub(crate) fn parse_version(row: &Model) -> Result<Version, Flaw> {
    Ok(Version {
        id: parse(TABLE, &row.id, "id", &row.id)?,
        name: parse(TABLE, &row.id, "version", &row.version)?,
        instances: parse_instances(TABLE, row)?,
        weight: parse_weight(row)?,
        active: row.is_active,
        created_at: from_millis(row.created_at),
        updated_at: from_millis(row.updated_at),
    })
}

/// Parses a weight, which the CHECK of the table keeps in its range unless it was dropped.
fn parse_weight(row: &Model) -> Result<Weight, Flaw> {
    let hundredths = u16::try_from(row.weight).ok();
    let weight = hundredths.and_then(|hundredths| Weight::from_hundredths(hundredths).ok());
    weight.ok_or_else(|| {
        let cause = format!("{} is not a weight: 0 to 10000, in hundredths of a percent", row.weight);
        Flaw::new(TABLE, &row.id, "weight", cause)
    })
}

/// Creates the row of `version`. `position` is its place in the order of registration.
pub(crate) fn version_row(version: &Version, service_id: i64, position: i64) -> Model {
    Model {
        id: version.id.to_string(),
        service_id,
        version: version.name.to_string(),
        url: version.backend().to_string(),
        weight: version.weight.hundredths().into(),
        is_active: version.active,
        position,
        created_at: to_millis(version.created_at),
        updated_at: to_millis(version.updated_at),
        more_urls: more_urls(&version.instances),
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::Iden;

    use super::*;

    #[test]
    fn fields_follow_the_columns() {
        let names = COLUMNS.map(|column| column.unquoted().to_owned());
        let json = serde_json::json!(names).to_string();
        let row: VersionText<'_> = serde_json::from_str(&json).unwrap();
        let fields = [
            row.id,
            row.version,
            row.url,
            row.weight,
            row.is_active,
            row.position,
            row.created_at,
            row.updated_at,
            row.more_urls.unwrap().into(),
        ];
        assert_eq!(fields, names);
    }
}

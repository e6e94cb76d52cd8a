//! Rows and what they mean.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use sea_orm::{DbErr, QueryResult};
use serde::{Deserialize, Serialize};

use super::entity::version;
use crate::common::time::{from_millis, to_millis};
use crate::routing::{Backend, Instances, Split, SplitParts, Version, VersionName, VersionShare, Weight};
use crate::store::BrokenSplit;

const SERVICE: &str = "gateway_service_config";
const VERSION: &str = "gateway_service_version";
pub(super) const CHANGE: &str = "gateway_split_change";
pub(super) const REFUSAL: &str = "gateway_refused_change";

/// A value that cannot be read, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Flaw {
    table: &'static str,
    row: String,
    column: &'static str,
    cause: String,
}

impl Flaw {
    fn new(
        table: &'static str,
        row: impl fmt::Display,
        column: &'static str,
        cause: impl fmt::Display,
    ) -> Self {
        Self { table, row: row.to_string(), column, cause: cause.to_string() }
    }

    /// As a reason why the split of `service` cannot be read.
    pub(super) fn of(&self, service: &str) -> BrokenSplit {
        BrokenSplit { service: service.into(), reason: self.to_string() }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} row {}, column {}: {}", self.table, self.row, self.column, self.cause)
    }
}

/// A service's row, and those of its versions.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) id: i64,
    pub(super) name: String,
    service: Result<ServiceRow, Flaw>,
    versions: Result<Vec<version::Model>, Flaw>,
}

#[derive(Debug)]
struct ServiceRow {
    generation: i64,
    salt: i64,
    slots: String,
    health_path: Option<String>,
    epoch: i64,
}

impl Stored {
    /// The service in a row of a read.
    pub(super) fn of(row: &QueryResult) -> Result<Self, DbErr> {
        let id = row.try_get_by_index(0)?;
        let name = row.try_get_by_index(1).unwrap_or_else(|_| format!("number {id}"));
        Ok(Self { id, name, service: ServiceRow::of(id, row), versions: version_rows(id, row) })
    }

    /// The services in a row of many; `None` where one of them cannot be read so.
    pub(super) fn many_of(row: &QueryResult) -> Option<Vec<Self>> {
        let text: String = row.try_get_by_index(0).ok()?;
        let services: Vec<ServiceTexts<'_>> = serde_json::from_str(&text).ok()?;
        services.into_iter().map(Self::of_texts).collect()
    }

    fn of_texts(texts: ServiceTexts<'_>) -> Option<Self> {
        let ServiceTexts(id, name, generation, salt, slots, health_path, epoch, versions) = texts;
        let id = id.parse().ok()?;
        let service = ServiceRow {
            generation: generation.parse().ok()?,
            salt: salt.parse().ok()?,
            slots: slots.into_owned(),
            health_path,
            epoch: epoch.parse().ok()?,
        };
        let versions = versions.into_iter().map(|texts| version_row(id, texts)).collect();
        Some(Self { id, name: name.into_owned(), service: Ok(service), versions })
    }

    /// The rows of its versions as they are, which a repaired split may differ from.
    pub(super) fn version_rows(&self) -> &[version::Model] {
        self.versions.as_deref().unwrap_or_default()
    }

    /// The split, and whether it had to be repaired.
    pub(super) fn split(&self) -> Result<(Split, bool), BrokenSplit> {
        self.parts().map(Split::from_parts).map_err(|flaw| flaw.of(&self.name))
    }

    fn parts(&self) -> Result<SplitParts, Flaw> {
        let row = self.service.as_ref().map_err(Clone::clone)?;
        let mut rows: Vec<_> = self.versions.as_ref().map_err(Clone::clone)?.iter().collect();
        rows.sort_by(|a, b| {
            (a.position, a.created_at, &a.version).cmp(&(b.position, b.created_at, &b.version))
        });
        let health_path = row.health_path.as_deref();
        Ok(SplitParts {
            service: parse(SERVICE, self.id, "service_name", &self.name)?,
            salt: row.salt.cast_unsigned(),
            generation: self.count("generation", row.generation)?,
            pin_epoch: self.count("epoch", row.epoch)?,
            health_path: health_path.map(|path| parse(SERVICE, self.id, "health_path", path)).transpose()?,
            versions: rows.into_iter().map(version).collect::<Result<_, _>>()?,
            // What cannot be read is made anew from the weights.
            slots: row.slots.parse().unwrap_or_default(),
        })
    }

    fn count(&self, column: &'static str, count: i64) -> Result<u64, Flaw> {
        u64::try_from(count).map_err(|error| Flaw::new(SERVICE, self.id, column, error))
    }
}

impl ServiceRow {
    fn of(id: i64, row: &QueryResult) -> Result<Self, Flaw> {
        let flaw = |column| move |error: DbErr| Flaw::new(SERVICE, id, column, error);
        row.try_get_by_index::<String>(1).map_err(flaw("service_name"))?;
        Ok(Self {
            generation: row.try_get_by_index(2).map_err(flaw("generation"))?,
            salt: row.try_get_by_index(3).map_err(flaw("salt"))?,
            slots: row.try_get_by_index(4).map_err(flaw("slots"))?,
            health_path: row.try_get_by_index(5).map_err(flaw("health_path"))?,
            epoch: row.try_get_by_index(6).map_err(flaw("epoch"))?,
        })
    }
}

/// The columns of a version as text.
#[derive(Deserialize)]
struct Texts<'a>(
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
);

/// The columns of a service as text, and its versions.
#[derive(Deserialize)]
struct ServiceTexts<'a>(
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    Option<String>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Vec<Texts<'a>>,
);

fn version_rows(service_id: i64, row: &QueryResult) -> Result<Vec<version::Model>, Flaw> {
    let flaw =
        |cause: &dyn fmt::Display| Flaw::new(VERSION, format!("of service {service_id}"), "any", cause);
    // Nothing is what some databases make of no rows.
    let text: Option<String> = row.try_get_by_index(7).map_err(|error| flaw(&error))?;
    let rows: Vec<Texts<'_>> =
        serde_json::from_str(text.as_deref().unwrap_or("[]")).map_err(|error| flaw(&error))?;
    rows.into_iter().map(|texts| version_row(service_id, texts)).collect()
}

fn version_row(service_id: i64, texts: Texts<'_>) -> Result<version::Model, Flaw> {
    let Texts(id, version, url, weight, is_active, position, created_at, updated_at) = texts;
    Ok(version::Model {
        service_id,
        weight: number(&id, "weight", &weight)?,
        is_active: flag(&id, "is_active", &is_active)?,
        position: number(&id, "position", &position)?,
        created_at: number(&id, "created_at", &created_at)?,
        updated_at: number(&id, "updated_at", &updated_at)?,
        id: id.into_owned(),
        version: version.into_owned(),
        url: url.into_owned(),
    })
}

fn number<T: FromStr<Err: fmt::Display>>(id: &str, column: &'static str, text: &str) -> Result<T, Flaw> {
    text.parse().map_err(|error| Flaw::new(VERSION, id, column, format!("{text:?}: {error}")))
}

/// Databases write it either way.
fn flag(id: &str, column: &'static str, text: &str) -> Result<bool, Flaw> {
    match text {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(Flaw::new(VERSION, id, column, format!("{text:?} is neither 0 nor 1"))),
    }
}

fn version(row: &version::Model) -> Result<Version, Flaw> {
    Ok(Version {
        id: parse(VERSION, &row.id, "id", &row.id)?,
        name: parse(VERSION, &row.id, "version", &row.version)?,
        instances: Instances::from(parse::<Backend>(VERSION, &row.id, "url", &row.url)?),
        weight: weight(row)?,
        active: row.is_active,
        created_at: from_millis(row.created_at),
        updated_at: from_millis(row.updated_at),
    })
}

fn weight(row: &version::Model) -> Result<Weight, Flaw> {
    let hundredths = u16::try_from(row.weight).ok();
    let weight = hundredths.and_then(|hundredths| Weight::from_hundredths(hundredths).ok());
    weight.ok_or_else(|| {
        let cause = format!("{} is not a weight: 0 to 10000, in hundredths of a percent", row.weight);
        Flaw::new(VERSION, &row.id, "weight", cause)
    })
}

fn parse<T>(table: &'static str, row: impl fmt::Display, column: &'static str, text: &str) -> Result<T, Flaw>
where
    T: FromStr<Err: fmt::Display>,
{
    text.parse().map_err(|error| Flaw::new(table, row, column, error))
}

/// The row that a `version` is kept in; `position` where it was in the order before.
pub(super) fn row_of(version: &Version, service_id: i64, position: i64) -> version::Model {
    version::Model {
        id: version.id.to_string(),
        service_id,
        version: version.name.to_string(),
        url: version.backend().to_string(),
        weight: version.weight.hundredths().into(),
        is_active: version.active,
        position,
        created_at: to_millis(version.created_at),
        updated_at: to_millis(version.updated_at),
    }
}

/// A count as the database keeps it: there is no unsigned number that all of them know.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count as the database keeps it; what was edited to below zero counts as none.
pub(super) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// A share as the history keeps it; the weight in hundredths of a percent.
#[derive(Serialize, Deserialize)]
struct StoredShare<'a> {
    version: Cow<'a, str>,
    weight: u16,
    active: bool,
}

pub(super) fn shares_to_json(shares: &[VersionShare]) -> String {
    let stored = shares.iter().map(|share| StoredShare {
        version: share.version.as_str().into(),
        weight: share.weight.hundredths(),
        active: share.active,
    });
    serde_json::Value::from_iter(stored.map(|share| serde_json::json!(share))).to_string()
}

/// The shares in `json`, which stands in `column` of the row `row` of `table`.
pub(super) fn shares_of(
    table: &'static str,
    row: i64,
    column: &'static str,
    json: &str,
) -> Result<Vec<VersionShare>, Flaw> {
    let flaw = |cause: &dyn fmt::Display| Flaw::new(table, row, column, cause);
    let stored: Vec<StoredShare<'_>> = serde_json::from_str(json).map_err(|error| flaw(&error))?;
    let share = |share: StoredShare<'_>| {
        Ok(VersionShare {
            version: share.version.parse().map_err(|error| flaw(&error))?,
            weight: Weight::from_hundredths(share.weight).map_err(|error| flaw(&error))?,
            active: share.active,
        })
    };
    stored.into_iter().map(share).collect()
}

/// The version that the row `row` of `table` names.
pub(super) fn named(table: &'static str, row: i64, name: Option<&str>) -> Result<Option<VersionName>, Flaw> {
    name.map(|name| parse(table, row, "version", name)).transpose()
}

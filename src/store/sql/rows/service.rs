//! The rows of a service: its own, and one per version.

use std::borrow::Cow;

use sea_orm::{DbErr, QueryResult, TryGetable};
use serde::Deserialize;

use super::super::entity::service::Column;
use super::super::entity::version;
use super::flaw::{Flaw, parse};
use super::last_change::LastChangeJson;
use super::mirror::MirrorJson;
use super::version::{VersionText, parse_version, parse_versions, unreadable_versions};
use crate::routing::{SlotMap, Split, SplitParts};
use crate::store::BrokenSplit;

/// The table, as errors name it.
const TABLE: &str = "gateway_service_config";

/// The columns that are read of a service, in the order of the fields of [`ServiceText`].
pub(crate) const COLUMNS: [Column; 9] = [
    Column::Id,
    Column::ServiceName,
    Column::Generation,
    Column::Salt,
    Column::Slots,
    Column::HealthPath,
    Column::Epoch,
    Column::LastChange,
    Column::Mirror,
];

/// The name of the column with all versions of the service, as JSON.
pub(crate) const VERSIONS: &str = "versions";

/// The rows of a service. Values that cannot be read are kept as flaws, so that they affect no other service.
#[derive(Debug)]
pub(crate) struct ServiceRows {
    pub(crate) id: i64,
    pub(crate) name: String,
    columns: Result<ServiceColumns, Flaw>,
    versions: Result<Vec<version::Model>, Flaw>,
}

/// The columns of a service as the database stores them.
#[derive(Debug)]
struct ServiceColumns {
    generation: i64,
    salt: i64,
    slots: String,
    health_path: Option<String>,
    epoch: i64,
    last_change: Option<String>,
    mirror: Option<String>,
}

/// A service among others in one text: a JSON array with [`COLUMNS`] as strings, and its versions. A struct is
/// deserialized from an array in the order of its fields.
#[derive(Debug, Deserialize)]
struct ServiceText<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    service_name: Cow<'a, str>,
    #[serde(borrow)]
    generation: Cow<'a, str>,
    #[serde(borrow)]
    salt: Cow<'a, str>,
    #[serde(borrow)]
    slots: Cow<'a, str>,
    health_path: Option<String>,
    #[serde(borrow)]
    epoch: Cow<'a, str>,
    last_change: Option<String>,
    mirror: Option<String>,
    #[serde(borrow)]
    versions: Vec<VersionText<'a>>,
}

impl ServiceRows {
    /// Reads a service from a row of its own. Fails only without an id: all other values that cannot be read are flaws.
    pub(crate) fn from_row(row: &QueryResult) -> Result<Self, DbErr> {
        let id = row.try_get_by("id")?;
        let name = row.try_get_by("service_name").unwrap_or_else(|_| format!("number {id}"));
        Ok(Self { id, name, columns: ServiceColumns::from_row(id, row), versions: read_versions(id, row) })
    }

    /// Reads the services that are packed into `row`. `None` if one of them cannot be read in this form.
    pub(crate) fn from_packed_row(row: &QueryResult) -> Option<Vec<Self>> {
        let text: String = row.try_get_by_index(0).ok()?;
        let services: Vec<ServiceText<'_>> = serde_json::from_str(&text).ok()?;
        services.into_iter().map(Self::from_text).collect()
    }

    /// Converts a packed service. `None` if a number cannot be parsed.
    fn from_text(text: ServiceText<'_>) -> Option<Self> {
        let id = text.id.parse().ok()?;
        let columns = ServiceColumns {
            generation: text.generation.parse().ok()?,
            salt: text.salt.parse().ok()?,
            slots: text.slots.into_owned(),
            health_path: text.health_path,
            epoch: text.epoch.parse().ok()?,
            last_change: text.last_change,
            mirror: text.mirror,
        };
        let versions = text.versions.into_iter().map(|version| version.into_model(id)).collect();
        Some(Self { id, name: text.service_name.into_owned(), columns: Ok(columns), versions })
    }

    /// Returns the rows of the versions as they are stored. A repaired split may differ from them. Empty if they
    /// cannot be read, and then [`split`](Self::split) fails.
    pub(crate) fn version_rows(&self) -> &[version::Model] {
        self.versions.as_deref().unwrap_or_default()
    }

    /// Returns the split, and whether it had to be [repaired](Split::from_parts).
    pub(crate) fn split(&self) -> Result<(Split, bool), BrokenSplit> {
        match self.parts() {
            Ok(parts) => Ok(Split::from_parts(parts)),
            Err(flaw) => Err(flaw.into_broken_split(&self.name)),
        }
    }

    /// Interprets all columns.
    fn parts(&self) -> Result<SplitParts, Flaw> {
        let columns = self.columns.as_ref().map_err(Clone::clone)?;
        let versions =
            self.sorted_versions()?.into_iter().map(parse_version).collect::<Result<Vec<_>, _>>()?;
        let health_path = columns.health_path.as_deref();
        let generation = self.count("generation", columns.generation)?;
        let last = self.last_change(columns, generation)?;
        let mirror = MirrorJson::parse(TABLE, self.id, columns.mirror.as_deref(), &versions)?;
        Ok(SplitParts {
            service: parse(TABLE, self.id, "service_name", &self.name)?,
            salt: columns.salt.cast_unsigned(),
            generation,
            pin_epoch: self.count("epoch", columns.epoch)?,
            health_path: health_path.map(|path| parse(TABLE, self.id, "health_path", path)).transpose()?,
            slots: self.slots(&columns.slots, versions.is_empty())?,
            versions,
            mirror,
            removed: last.as_ref().is_some_and(LastChangeJson::is_removed),
            last_change: last.as_ref().and_then(LastChangeJson::last_change),
        })
    }

    /// Parses the slots. Those that cannot be read are assigned again from the weights.
    ///
    /// A split without versions is stored without slots, also after its service was removed. So slots without versions say
    /// that the rows of the versions are lost, and not that the service has none.
    fn slots(&self, text: &str, has_no_versions: bool) -> Result<SlotMap, Flaw> {
        if has_no_versions && !text.is_empty() {
            let cause = "its slots belong to versions, and no version is stored";
            return Err(Flaw::new(TABLE, self.id, "slots", cause));
        }
        Ok(text.parse().unwrap_or_default())
    }

    /// Parses who changed the service last. It is unknown if the JSON is of another generation: then a
    /// gateway of an earlier release made the last change.
    fn last_change(&self, columns: &ServiceColumns, generation: u64) -> Result<Option<LastChangeJson>, Flaw> {
        let Some(json) = columns.last_change.as_deref() else { return Ok(None) };
        LastChangeJson::parse(json, generation)
            .map_err(|error| Flaw::new(TABLE, self.id, "last_change", error))
    }

    /// Returns the versions in the order of their registration.
    fn sorted_versions(&self) -> Result<Vec<&version::Model>, Flaw> {
        let mut versions: Vec<_> = self.versions.as_ref().map_err(Clone::clone)?.iter().collect();
        versions.sort_by_key(|row| (row.position, row.created_at, row.version.as_str()));
        Ok(versions)
    }

    /// Converts a count, which must not be negative.
    fn count(&self, column: &'static str, count: i64) -> Result<u64, Flaw> {
        u64::try_from(count).map_err(|error| Flaw::new(TABLE, self.id, column, error))
    }
}

impl ServiceColumns {
    /// Reads the columns of a service by name.
    fn from_row(id: i64, row: &QueryResult) -> Result<Self, Flaw> {
        // Read for its flaw only: a name that is no text leaves the service without one.
        value::<String>(id, row, "service_name")?;
        Ok(Self {
            generation: value(id, row, "generation")?,
            salt: value(id, row, "salt")?,
            slots: value(id, row, "slots")?,
            health_path: value(id, row, "health_path")?,
            epoch: value(id, row, "epoch")?,
            last_change: value(id, row, "last_change")?,
            mirror: value(id, row, "mirror")?,
        })
    }
}

/// Reads one column by name.
fn value<T: TryGetable>(id: i64, row: &QueryResult, column: &'static str) -> Result<T, Flaw> {
    row.try_get_by(column).map_err(|error| Flaw::new(TABLE, id, column, error))
}

/// Reads the column with all versions.
fn read_versions(id: i64, row: &QueryResult) -> Result<Vec<version::Model>, Flaw> {
    // Some databases aggregate no rows to NULL.
    let json: Option<String> = row.try_get_by(VERSIONS).map_err(|error| unreadable_versions(id, error))?;
    parse_versions(id, json.as_deref().unwrap_or("[]"))
}

#[cfg(test)]
mod tests {
    use sea_orm::Iden;
    use serde_json::Value;

    use super::*;

    #[test]
    fn fields_follow_the_columns() {
        let names = COLUMNS.map(|column| column.unquoted().to_owned());
        let mut array: Vec<Value> = names.iter().map(|name| name.as_str().into()).collect();
        array.push(Value::Array(Vec::new()));
        let json = Value::Array(array).to_string();
        let row: ServiceText<'_> = serde_json::from_str(&json).unwrap();
        let health_path = row.health_path.as_deref().unwrap();
        let last_change = row.last_change.as_deref().unwrap();
        let mirror = row.mirror.as_deref().unwrap();
        let fields = [
            &*row.id,
            &row.service_name,
            &row.generation,
            &row.salt,
            &row.slots,
            health_path,
            &row.epoch,
            last_change,
            mirror,
        ];
        assert_eq!(fields, names.each_ref().map(String::as_str));
        assert!(row.versions.is_empty());
    }

    /// Returns the rows of a service at generation 3 that has no rows of versions.
    fn without_versions(slots: &str) -> ServiceRows {
        let json = serde_json::json!(["7", "auth", "3", "0", slots, null, "0", null, null, []]).to_string();
        ServiceRows::from_text(serde_json::from_str(&json).unwrap()).unwrap()
    }

    #[test]
    fn slots_without_versions_are_a_flaw() {
        let expected = "gateway_service_config row 7, column slots: its slots belong to versions, \
                        and no version is stored";
        // The second text is no slot map.
        for slots in ["v1.0:9000,v1.1:1000", "v1.0:5"] {
            let broken = without_versions(slots).split().unwrap_err();
            assert_eq!((&*broken.service, &*broken.reason), ("auth", expected));
        }
    }

    #[test]
    fn service_may_have_no_versions() {
        let (split, was_repaired) = without_versions("").split().unwrap();
        assert_eq!((split.versions().len(), split.generation(), was_repaired), (0, 3, false));
    }
}

//! Routes as text, for a cache to keep.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::snapshot::{LastGood, Snapshot};
use crate::common::time::{from_millis, to_millis};
use crate::routing::{Backend, Instances, Split, SplitParts, Version, Weight};

/// The form written now. Another is not read: what was served last is a help, not a record.
const FORMAT: u32 = 1;

/// Why a text is not that of a [`LastGood`].
///
/// ```
/// use tower_canary::store::LastGood;
///
/// let refused = LastGood::from_json(r#"{"format": 9, "at": 0, "revision": 0, "services": []}"#).unwrap_err();
/// assert_eq!(refused.to_string(), "it is of format 9, not 1");
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LastGoodError {
    /// It is not JSON of the right form, as when it was cut off.
    #[error("it is not what was written: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It was written by a release that writes another form.
    #[error("it is of format {found}, not {FORMAT}")]
    OtherFormat {
        /// Its form.
        found: u32,
    },
    /// A value in it cannot be.
    #[error("service {service}: {reason}")]
    Invalid {
        /// Of which service.
        service: String,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    at: i64,
    revision: u64,
    services: Vec<Service>,
}

#[derive(Serialize, Deserialize)]
struct Service {
    name: String,
    salt: u64,
    generation: u64,
    #[serde(default)]
    epoch: u64,
    health_path: Option<String>,
    versions: Vec<StoredVersion>,
    slots: String,
}

#[derive(Serialize, Deserialize)]
struct StoredVersion {
    id: String,
    name: String,
    url: String,
    /// In hundredths of a percent.
    weight: u16,
    active: bool,
    created_at: i64,
    updated_at: i64,
}

impl LastGood {
    /// As JSON, about 500 bytes for a service with three versions.
    ///
    /// ```
    /// use std::time::UNIX_EPOCH;
    /// use tower_canary::store::{LastGood, Snapshot};
    ///
    /// let last_good = LastGood::new(Snapshot::new(42, Vec::new()), UNIX_EPOCH);
    /// assert_eq!(LastGood::from_json(&last_good.to_json())?, last_good);
    /// # Ok::<(), tower_canary::store::LastGoodError>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        let services = self.snapshot.splits.iter().map(Service::of).collect();
        let Snapshot { revision, .. } = self.snapshot;
        let document = Document { format: FORMAT, at: to_millis(self.at), revision, services };
        // It is made of numbers and strings, which JSON always has.
        serde_json::to_string(&document).unwrap_or_default()
    }

    /// What [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    ///
    /// When it is damaged or of another release.
    pub fn from_json(json: &str) -> Result<Self, LastGoodError> {
        let document: Document = serde_json::from_str(json)?;
        if document.format != FORMAT {
            return Err(LastGoodError::OtherFormat { found: document.format });
        }
        let splits = document.services.iter().map(Service::split).collect::<Result<_, _>>()?;
        let snapshot = Snapshot { revision: document.revision, splits, broken: Vec::new() };
        Ok(Self { snapshot, at: from_millis(document.at) })
    }
}

impl Service {
    fn of(split: &Split) -> Self {
        Self {
            name: split.service().to_string(),
            salt: split.salt(),
            generation: split.generation(),
            epoch: split.pin_epoch(),
            health_path: split.health_path().map(|path| path.as_str().into()),
            versions: split.versions().iter().map(StoredVersion::of).collect(),
            slots: split.slots().to_string(),
        }
    }

    fn split(&self) -> Result<Split, LastGoodError> {
        let parts = SplitParts {
            service: self.parse(&self.name)?,
            salt: self.salt,
            generation: self.generation,
            pin_epoch: self.epoch,
            health_path: self.health_path.as_deref().map(|path| self.parse(path)).transpose()?,
            versions: self.versions.iter().map(|version| self.version(version)).collect::<Result<_, _>>()?,
            slots: self.parse(&self.slots)?,
        };
        Ok(Split::from_parts(parts).0)
    }

    fn version(&self, version: &StoredVersion) -> Result<Version, LastGoodError> {
        Ok(Version {
            id: self.parse(&version.id)?,
            name: self.parse(&version.name)?,
            instances: Instances::from(self.parse::<Backend>(&version.url)?),
            weight: Weight::from_hundredths(version.weight).map_err(|error| self.invalid(&error))?,
            active: version.active,
            created_at: from_millis(version.created_at),
            updated_at: from_millis(version.updated_at),
        })
    }

    fn parse<T: FromStr<Err: fmt::Display>>(&self, text: &str) -> Result<T, LastGoodError> {
        text.parse().map_err(|error| self.invalid(&error))
    }

    fn invalid(&self, reason: &dyn fmt::Display) -> LastGoodError {
        LastGoodError::Invalid { service: self.name.clone(), reason: reason.to_string() }
    }
}

impl StoredVersion {
    fn of(version: &Version) -> Self {
        Self {
            id: version.id.to_string(),
            name: version.name.to_string(),
            url: version.backend().to_string(),
            weight: version.weight.hundredths(),
            active: version.active,
            created_at: to_millis(version.created_at),
            updated_at: to_millis(version.updated_at),
        }
    }
}

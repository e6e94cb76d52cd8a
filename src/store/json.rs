//! The last routes as a JSON text, for a cache.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::snapshot::{LastGood, Snapshot};
use crate::common::error::BoxError;
use crate::common::time::{from_millis, to_millis};
use crate::routing::{Backend, Instances, LastChange, MirrorShare, Split, SplitParts, Version, Weight};

/// The format that is written. Other formats are not read: a cache helps to start, it is no record.
const FORMAT: u32 = 1;

/// Why a text is no [`LastGood`].
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
    /// It is not JSON of the right form, for example because it was cut off.
    #[error("it is no saved snapshot, or was cut off")]
    Malformed(#[source] BoxError),
    /// It was written by a release with another format.
    #[error("it is of format {found}, not {FORMAT}")]
    OtherFormat {
        /// The format of the text.
        found: u32,
    },
    /// It contains a value that is not valid.
    #[error("service {service}: {reason}")]
    Invalid {
        /// The service with the value.
        service: String,
        /// Why the value is not valid.
        reason: String,
    },
}

/// The text in the form [`FORMAT`]. It has types of its own, so that a change of the crate's types cannot change the
/// form unnoticed. Times are in milliseconds since the Unix epoch.
#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    /// When the routes were served.
    at: i64,
    revision: u64,
    services: Vec<SplitDocument>,
}

/// The field that a text of every format has.
#[derive(Deserialize)]
struct AnyDocument {
    format: u32,
}

/// One service in the document of a snapshot.
#[derive(Serialize, Deserialize)]
struct SplitDocument {
    name: String,
    salt: u64,
    generation: u64,
    /// The pin epoch.
    #[serde(default)]
    epoch: u64,
    health_path: Option<String>,
    versions: Vec<VersionDocument>,
    /// The slot map as `Display` writes it.
    slots: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mirror: Option<MirrorDocument>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    removed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_change: Option<ChangeDocument>,
}

/// The mirror of a service.
#[derive(Serialize, Deserialize)]
struct MirrorDocument {
    version: String,
    /// In hundredths of a percent.
    share: u16,
}

/// The last change of a service.
#[derive(Serialize, Deserialize)]
struct ChangeDocument {
    actor: String,
    at: i64,
}

/// One version of a service.
#[derive(Serialize, Deserialize)]
struct VersionDocument {
    id: String,
    name: String,
    url: String,
    /// The base URLs after the first. A release without this field serves the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    more_urls: Vec<String>,
    /// In hundredths of a percent.
    weight: u16,
    active: bool,
    created_at: i64,
    updated_at: i64,
}

impl LastGood {
    /// Converts to JSON: about 500 bytes for a service with three versions. The [term](Snapshot::term) and splits that
    /// [cannot be read](Snapshot::broken) are left out.
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
        let services = self.snapshot.splits.iter().map(SplitDocument::from).collect();
        let revision = self.snapshot.revision;
        let document = Document { format: FORMAT, at: to_millis(self.at), revision, services };
        // The document consists of numbers and strings, which always have a JSON form.
        serde_json::to_string(&document).unwrap_or_default()
    }

    /// Reads a text that [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    ///
    /// - [`LastGoodError::Malformed`] for a text that is damaged or cut off.
    /// - [`LastGoodError::OtherFormat`] for a text of a release with another format.
    /// - [`LastGoodError::Invalid`] for a value that is not valid, such as a URL.
    pub fn from_json(json: &str) -> Result<Self, LastGoodError> {
        let document = parse_document(json)?;
        let splits = document.services.iter().map(SplitDocument::split).collect::<Result<_, _>>()?;
        Ok(Self::new(Snapshot::new(document.revision, splits), from_millis(document.at)))
    }
}

/// Parses a text in the form [`FORMAT`]. A text of another format may lack fields of this one, so its format is read
/// first.
fn parse_document(json: &str) -> Result<Document, LastGoodError> {
    match serde_json::from_str(json) {
        Ok(AnyDocument { format: FORMAT }) => {}
        Ok(AnyDocument { format: found }) => return Err(LastGoodError::OtherFormat { found }),
        Err(error) => return Err(LastGoodError::Malformed(error.into())),
    }
    serde_json::from_str(json).map_err(|error| LastGoodError::Malformed(error.into()))
}

impl From<&Split> for SplitDocument {
    fn from(split: &Split) -> Self {
        Self {
            name: split.service().to_string(),
            salt: split.salt(),
            generation: split.generation(),
            epoch: split.pin_epoch(),
            health_path: split.health_path().map(|path| path.as_str().into()),
            versions: split.versions().iter().map(VersionDocument::from).collect(),
            slots: split.slots().to_string(),
            mirror: split.mirror().map(MirrorDocument::from),
            removed: split.is_removed(),
            last_change: split.last_change().map(ChangeDocument::from),
        }
    }
}

impl SplitDocument {
    /// Returns the split, or [`LastGoodError::Invalid`] with the first value that is not valid.
    fn split(&self) -> Result<Split, LastGoodError> {
        let parts = SplitParts {
            service: self.parse(&self.name)?,
            salt: self.salt,
            generation: self.generation,
            pin_epoch: self.epoch,
            health_path: self.health_path.as_deref().map(|path| self.parse(path)).transpose()?,
            versions: self.versions.iter().map(|version| self.version(version)).collect::<Result<_, _>>()?,
            slots: self.parse(&self.slots)?,
            mirror: self.mirror.as_ref().map(|mirror| self.mirror(mirror)).transpose()?,
            removed: self.removed,
            last_change: self.last_change.as_ref().map(LastChange::from),
        };
        Ok(Split::from_parts(parts).0)
    }

    /// Returns the split's `version`.
    fn version(&self, version: &VersionDocument) -> Result<Version, LastGoodError> {
        Ok(Version {
            id: self.parse(&version.id)?,
            name: self.parse(&version.name)?,
            instances: self.instances(version)?,
            weight: Weight::from_hundredths(version.weight).map_err(|error| self.invalid(&error))?,
            active: version.active,
            created_at: from_millis(version.created_at),
            updated_at: from_millis(version.updated_at),
        })
    }

    /// Returns the split's `mirror`.
    fn mirror(&self, mirror: &MirrorDocument) -> Result<MirrorShare, LastGoodError> {
        let share = Weight::from_hundredths(mirror.share).map_err(|error| self.invalid(&error))?;
        Ok(MirrorShare::new(self.parse(&mirror.version)?, share))
    }

    /// Returns the base URLs of `version`. A snapshot of an earlier release has one.
    fn instances(&self, version: &VersionDocument) -> Result<Instances, LastGoodError> {
        let urls = std::iter::once(&version.url).chain(&version.more_urls);
        let backends: Result<Vec<Backend>, _> = urls.map(|url| self.parse(url)).collect();
        Instances::new(backends?).map_err(|error| self.invalid(&error))
    }

    /// Parses a value, or names this service in the error.
    fn parse<T: FromStr<Err: fmt::Display>>(&self, text: &str) -> Result<T, LastGoodError> {
        text.parse().map_err(|error| self.invalid(&error))
    }

    /// Creates the error for a value that is not valid. One such value makes the whole text unusable: a part
    /// of the services would be worse than an earlier snapshot.
    fn invalid(&self, reason: &dyn fmt::Display) -> LastGoodError {
        LastGoodError::Invalid { service: self.name.clone(), reason: reason.to_string() }
    }
}

impl From<&Version> for VersionDocument {
    fn from(version: &Version) -> Self {
        Self {
            id: version.id.to_string(),
            name: version.name.to_string(),
            url: version.backend().to_string(),
            more_urls: version.instances.iter().skip(1).map(Backend::to_string).collect(),
            weight: version.weight.hundredths(),
            active: version.active,
            created_at: to_millis(version.created_at),
            updated_at: to_millis(version.updated_at),
        }
    }
}

impl From<&MirrorShare> for MirrorDocument {
    fn from(mirror: &MirrorShare) -> Self {
        Self { version: mirror.version.to_string(), share: mirror.share.hundredths() }
    }
}

impl From<&LastChange> for ChangeDocument {
    fn from(last: &LastChange) -> Self {
        Self { actor: last.actor.clone(), at: to_millis(last.at) }
    }
}

impl From<&ChangeDocument> for LastChange {
    fn from(last: &ChangeDocument) -> Self {
        Self::new(&*last.actor, from_millis(last.at))
    }
}

//! A change in words: its kind, and one line.

use std::collections::BTreeMap;
use std::fmt;

use super::change::Change;
use super::name::VersionName;
use super::url_change::UrlChange;
use super::weight::Weight;

impl Change {
    /// Returns a stable word for the kind of change, as the history records it: `register`, `set-weight`, `set-weights`,
    /// `switch`, `activate`, `deactivate`, `set-urls`, `add-urls`, `remove-urls`, `update`, `remove`, `set-health-path`,
    /// `set-mirror`, `restore`, `redraw` or `remove-service`. The history of an earlier release also has `set-url`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Register(_) => "register",
            Self::SetWeight { .. } => "set-weight",
            Self::SetWeights(_) => "set-weights",
            Self::Switch { .. } => "switch",
            Self::SetActive { active: true, .. } => "activate",
            Self::SetActive { active: false, .. } => "deactivate",
            Self::ChangeUrls { urls: UrlChange::Set(_), .. } => "set-urls",
            Self::ChangeUrls { urls: UrlChange::Add(_), .. } => "add-urls",
            Self::ChangeUrls { urls: UrlChange::Remove(_), .. } => "remove-urls",
            Self::Update { .. } => "update",
            Self::Remove { .. } => "remove",
            Self::Restore { .. } => "restore",
            Self::Redraw => "redraw",
            Self::SetHealthPath { .. } => "set-health-path",
            Self::SetMirror { .. } => "set-mirror",
            Self::RemoveService { .. } => "remove-service",
        }
    }
}

/// Describes the change in one line for a log.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::Register(registration) => write!(f, "{kind} {registration}"),
            Self::SetWeight { version, weight } => write!(f, "{kind} {version} to {weight} %"),
            Self::SetWeights(weights) => write_weights(f, kind, weights),
            Self::Switch { version } => write!(f, "{kind} to {version}"),
            Self::SetActive { version, active, force } => {
                write!(f, "{kind} {version}{}", describe_force(*force, *active))
            }
            Self::ChangeUrls { version, urls } => write_urls(f, kind, version, urls),
            Self::Update { version, urls, active, force } => {
                write_update(f, version, urls)?;
                let state = if *active { "active" } else { "inactive" };
                write!(f, ", {state}{}", describe_force(*force, *active))
            }
            Self::Remove { version } => write!(f, "{kind} {version}"),
            Self::SetHealthPath { path: Some(path) } => write!(f, "{kind} to {}", path.as_str()),
            Self::SetHealthPath { path: None } | Self::SetMirror { mirror: None } => {
                write!(f, "{kind} to none")
            }
            Self::SetMirror { mirror: Some(mirror) } => write!(f, "{kind} {mirror}"),
            Self::RemoveService { force: false } => f.write_str(kind),
            Self::RemoveService { force: true } => write!(f, "{kind}, even with active versions"),
            Self::Restore { generation, .. } => write!(f, "{kind} generation {generation}"),
            Self::Redraw => f.write_str(kind),
        }
    }
}

/// Writes the weights of a split in the order of the names.
fn write_weights(
    f: &mut fmt::Formatter<'_>,
    kind: &str,
    weights: &BTreeMap<VersionName, Weight>,
) -> fmt::Result {
    f.write_str(kind)?;
    for (i, (version, weight)) in weights.iter().enumerate() {
        let separator = if i == 0 { " " } else { ", " };
        write!(f, "{separator}{version} {weight} %")?;
    }
    Ok(())
}

/// Writes a change of base URLs.
fn write_urls(
    f: &mut fmt::Formatter<'_>,
    kind: &str,
    version: &VersionName,
    urls: &UrlChange,
) -> fmt::Result {
    match urls {
        UrlChange::Set(urls) => write!(f, "{kind} {version} to {urls}"),
        UrlChange::Add(urls) => write!(f, "{kind} {urls} to {version}"),
        UrlChange::Remove(urls) => write!(f, "{kind} {urls} from {version}"),
    }
}

/// Writes the base URLs of an update, which may set the active flag as well.
fn write_update(f: &mut fmt::Formatter<'_>, version: &VersionName, urls: &UrlChange) -> fmt::Result {
    match urls {
        UrlChange::Set(urls) => write!(f, "update {version} to {urls}"),
        UrlChange::Add(urls) => write!(f, "update {version} by adding {urls}"),
        UrlChange::Remove(urls) => write!(f, "update {version} by removing {urls}"),
    }
}

/// Returns the words for a deactivation that is forced. An activation has no such words: nothing prevents it.
const fn describe_force(force: bool, active: bool) -> &'static str {
    if force && !active { ", even the last" } else { "" }
}

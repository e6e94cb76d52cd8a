//! Whether a split shows what a change asked for, when the response to the change was lost.

use std::collections::BTreeMap;

use tower_canary::api::{SplitView, VersionView};
use tower_canary::routing::{Instances, VersionName, Weight};

/// What a change asked for, as far as a split shows it.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    /// These versions have these weights.
    Weights(BTreeMap<VersionName, Weight>),
    /// The version has all traffic.
    All(VersionName),
    /// The version is there and in service or not.
    Active(VersionName, bool),
    /// The version has exactly these URLs.
    Urls(VersionName, Instances),
    /// The version has these URLs, among others.
    Added(VersionName, Instances),
    /// The version does not have these URLs.
    Removed(VersionName, Instances),
    /// The version is gone.
    Gone(VersionName),
    /// A split does not show it.
    Unseen,
}

impl Asked {
    /// One version has this weight.
    pub(crate) fn weight(version: &VersionName, weight: Weight) -> Self {
        Self::Weights(BTreeMap::from([(version.clone(), weight)]))
    }

    /// Returns whether `split` shows it. `None`: a split cannot show it.
    pub(crate) fn is_shown_by(&self, split: &SplitView) -> Option<bool> {
        let is_shown = match self {
            Self::Weights(weights) => {
                weights.iter().all(|(version, weight)| has_weight(split, version, *weight))
            }
            Self::All(version) => has_weight(split, version, Weight::FULL),
            Self::Active(version, active) => {
                find(split, version).is_some_and(|found| found.is_active == *active)
            }
            Self::Urls(version, urls) => find(split, version)
                .is_some_and(|found| found.urls.len() == urls.len().get() && has_all(found, urls)),
            Self::Added(version, urls) => find(split, version).is_some_and(|found| has_all(found, urls)),
            Self::Removed(version, urls) => find(split, version).is_some_and(|found| has_none(found, urls)),
            Self::Gone(version) => find(split, version).is_none(),
            Self::Unseen => return None,
        };
        Some(is_shown)
    }
}

/// Returns the version with this name.
pub(crate) fn find<'a>(split: &'a SplitView, version: &VersionName) -> Option<&'a VersionView> {
    split.versions.iter().find(|found| found.version == version.as_str())
}

/// Returns whether the version has exactly this weight.
fn has_weight(split: &SplitView, version: &VersionName, weight: Weight) -> bool {
    find(split, version).is_some_and(|found| found.weight.weight() == weight)
}

/// Returns whether the version has each of these URLs.
fn has_all(version: &VersionView, urls: &Instances) -> bool {
    urls.iter().all(|url| version.urls.iter().any(|had| had == url.as_str()))
}

/// Returns whether the version lacks each of these URLs.
fn has_none(version: &VersionView, urls: &Instances) -> bool {
    !urls.iter().any(|url| version.urls.iter().any(|had| had == url.as_str()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tower_canary::api::SplitView;
    use tower_canary::routing::{Instances, VersionName, Weight};

    use super::Asked;

    fn split() -> SplitView {
        let version = |name: &str, weight: u8, active: bool| {
            json!({
                "id": name, "version": name, "url": "http://10.0.0.1", "urls": ["http://10.0.0.1", "http://10.0.0.2"],
                "weight": weight, "isActive": active, "createdAt": "2026-01-05T09:30:00Z", "updatedAt": "2026-01-05T09:30:00Z"
            })
        };
        let versions = [version("v1", 90, true), version("v2", 10, true), version("v0", 0, false)];
        serde_json::from_value(json!({
            "service": "auth", "generation": 3, "healthPath": null, "lastChange": null, "versions": versions
        }))
        .unwrap()
    }

    fn urls(urls: &[&str]) -> Instances {
        Instances::new(urls.iter().map(|url| url.parse().unwrap()).collect()).unwrap()
    }

    #[test]
    fn split_shows_what_was_asked() {
        let [v0, v2, v3]: [VersionName; 3] = ["v0", "v2", "v3"].map(|name| name.parse().unwrap());
        let both = urls(&["http://10.0.0.2", "http://10.0.0.1"]);
        let shown = [
            Asked::weight(&v2, Weight::from_percent(10)),
            Asked::Active(v0, false),
            Asked::Urls(v2.clone(), both),
            Asked::Added(v2.clone(), urls(&["http://10.0.0.2"])),
            Asked::Removed(v2.clone(), urls(&["http://10.0.0.3"])),
            Asked::Gone(v3),
        ];
        for asked in shown {
            assert_eq!(asked.is_shown_by(&split()), Some(true), "{asked:?}");
        }
    }

    #[test]
    fn split_shows_what_is_missing() {
        let [v0, v2, v3]: [VersionName; 3] = ["v0", "v2", "v3"].map(|name| name.parse().unwrap());
        let missing = [
            Asked::All(v2.clone()),
            Asked::Active(v3, false),
            Asked::Urls(v2.clone(), urls(&["http://10.0.0.2"])),
            Asked::Added(v2.clone(), urls(&["http://10.0.0.3"])),
            Asked::Removed(v2, urls(&["http://10.0.0.2"])),
            Asked::Gone(v0),
        ];
        for asked in missing {
            assert_eq!(asked.is_shown_by(&split()), Some(false), "{asked:?}");
        }
        assert_eq!(Asked::Unseen.is_shown_by(&split()), None);
    }
}

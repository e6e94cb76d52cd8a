//! Whether a split shows the effect of a change, when the response to the change was lost.

use std::collections::BTreeMap;

use tower_canary::api::{SplitView, VersionView};
use tower_canary::routing::{Instances, VersionName, Weight};

/// The effect that a change asks for, as far as a split can show it.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// These versions have these weights.
    Weights(BTreeMap<VersionName, Weight>),
    /// The version has all traffic.
    AllTraffic(VersionName),
    /// The version is registered, and in service if the flag is `true` or out of service if it is `false`.
    Active(VersionName, bool),
    /// The version has exactly these URLs.
    Urls(VersionName, Instances),
    /// The version has these URLs, among others.
    UrlsAdded(VersionName, Instances),
    /// The version is registered without these URLs.
    UrlsRemoved(VersionName, Instances),
    /// The version is not registered.
    VersionRemoved(VersionName),
    /// A split cannot show it.
    Invisible,
}

impl Effect {
    /// One version has this weight.
    pub(crate) fn weight(version: &VersionName, weight: Weight) -> Self {
        Self::Weights(BTreeMap::from([(version.clone(), weight)]))
    }

    /// Returns whether `split` shows the effect. `None`: no split can show it.
    pub(crate) fn is_shown_by(&self, split: &SplitView) -> Option<bool> {
        let is_shown = match self {
            Self::Weights(weights) => {
                weights.iter().all(|(version, weight)| has_weight(split, version, *weight))
            }
            Self::AllTraffic(version) => has_weight(split, version, Weight::FULL),
            Self::Active(version, active) => {
                find(split, version).is_some_and(|found| found.is_active == *active)
            }
            Self::Urls(version, urls) => find(split, version)
                .is_some_and(|found| found.urls.len() == urls.len().get() && has_all(found, urls)),
            Self::UrlsAdded(version, urls) => find(split, version).is_some_and(|found| has_all(found, urls)),
            Self::UrlsRemoved(version, urls) => {
                find(split, version).is_some_and(|found| has_none(found, urls))
            }
            Self::VersionRemoved(version) => find(split, version).is_none(),
            Self::Invisible => return None,
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

    use super::Effect;

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
    fn effect_of_a_change_is_shown() {
        let [v0, v2, v3]: [VersionName; 3] = ["v0", "v2", "v3"].map(|name| name.parse().unwrap());
        let both = urls(&["http://10.0.0.2", "http://10.0.0.1"]);
        let shown = [
            Effect::weight(&v2, Weight::from_percent(10)),
            Effect::Active(v0, false),
            Effect::Urls(v2.clone(), both),
            Effect::UrlsAdded(v2.clone(), urls(&["http://10.0.0.2"])),
            Effect::UrlsRemoved(v2.clone(), urls(&["http://10.0.0.3"])),
            Effect::VersionRemoved(v3),
        ];
        for effect in shown {
            assert_eq!(effect.is_shown_by(&split()), Some(true), "{effect:?}");
        }
    }

    #[test]
    fn missing_effect_is_not_shown() {
        let [v0, v2, v3]: [VersionName; 3] = ["v0", "v2", "v3"].map(|name| name.parse().unwrap());
        let missing = [
            Effect::AllTraffic(v2.clone()),
            Effect::Active(v3, false),
            Effect::Urls(v2.clone(), urls(&["http://10.0.0.2"])),
            Effect::UrlsAdded(v2.clone(), urls(&["http://10.0.0.3"])),
            Effect::UrlsRemoved(v2, urls(&["http://10.0.0.2"])),
            Effect::VersionRemoved(v0),
        ];
        for effect in missing {
            assert_eq!(effect.is_shown_by(&split()), Some(false), "{effect:?}");
        }
        assert_eq!(Effect::Invisible.is_shown_by(&split()), None);
    }
}

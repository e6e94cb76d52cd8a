//! Which version a service goes back to.

use tower_canary::api::{HistoryEntryView, SplitView, VersionView};
use tower_canary::routing::Weight;

/// Returns the version that leads: of those that share the traffic the one that was registered last, or the heaviest.
pub(crate) fn leading_version(split: &SplitView) -> Option<&VersionView> {
    newest_sharing(split).or_else(|| {
        split
            .versions
            .iter()
            .max_by_key(|version| version.weight)
            .filter(|heaviest| !heaviest.weight.weight().is_zero())
    })
}

/// Returns the active version that was registered last, of those that have a part of the traffic and not all of it.
pub(crate) fn newest_sharing(split: &SplitView) -> Option<&VersionView> {
    split.versions.iter().filter(|version| shares_traffic(version)).max_by_key(|version| version.created_at)
}

/// Returns whether an active version has a part of the traffic, and not all of it.
fn shares_traffic(version: &VersionView) -> bool {
    let weight = version.weight.weight();
    version.is_active && !weight.is_zero() && weight < Weight::FULL
}

/// Returns the version to go back to and the change that replaced it, by a page of the history with the latest change first.
///
/// That is the heaviest version before a change, if it had traffic, is older than the one that leads now, and is still
/// registered. `None`: no change on this page had such a version before it.
pub(crate) fn rollback_target<'a>(
    split: &'a SplitView,
    history: &'a [HistoryEntryView],
) -> Option<(&'a VersionView, &'a HistoryEntryView)> {
    let lead = leading_version(split)?;
    history.iter().find_map(|entry| {
        let heaviest = entry.before.iter().max_by_key(|(_, share)| share.weight)?;
        let found = split.versions.iter().find(|version| version.version == *heaviest.0)?;
        let had_traffic = !heaviest.1.weight.weight().is_zero();
        let is_older = found.version != lead.version && found.created_at < lead.created_at;
        (had_traffic && is_older).then_some((found, entry))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tower_canary::api::{HistoryEntryView, SplitView};

    use super::{leading_version, rollback_target};

    /// A split of versions with names, weights and ages in their order.
    fn split(versions: &[(&str, u8)]) -> SplitView {
        let version = |at: usize, name: &str, weight: u8| {
            json!({
                "id": name, "version": name, "url": "http://10.0.0.1", "weight": weight, "isActive": true,
                "createdAt": format!("2026-01-0{}T00:00:00Z", at + 1), "updatedAt": "2026-01-05T00:00:00Z"
            })
        };
        let versions: Vec<Value> =
            versions.iter().enumerate().map(|(at, (n, w))| version(at, n, *w)).collect();
        serde_json::from_value(json!({
            "service": "auth", "generation": 9, "healthPath": null, "lastChange": null, "versions": versions
        }))
        .unwrap()
    }

    /// An entry with the weights before its change.
    fn entry(generation: u64, before: &[(&str, u8)]) -> HistoryEntryView {
        let shares = before.iter().map(|(name, weight)| (*name, json!({"weight": weight, "isActive": true})));
        serde_json::from_value(json!({
            "generation": generation, "actor": "alice", "actorKind": null, "requestId": null, "reason": null,
            "change": "set-weight", "version": null, "before": shares.collect::<std::collections::BTreeMap<_, _>>(),
            "after": {}, "at": "2026-01-05T09:30:00Z"
        }))
        .unwrap()
    }

    fn target_of(split: &SplitView, history: &[HistoryEntryView]) -> Option<String> {
        rollback_target(split, history).map(|(version, _)| version.version.clone())
    }

    #[test]
    fn version_before_the_rollout_is_found_during_and_after_it() {
        let history = [
            entry(4, &[("v1", 50), ("v2", 50)]),
            entry(3, &[("v1", 90), ("v2", 10)]),
            entry(2, &[("v1", 100), ("v2", 0)]),
        ];
        assert_eq!(target_of(&split(&[("v1", 0), ("v2", 100)]), &history).as_deref(), Some("v1"));
        assert_eq!(target_of(&split(&[("v1", 90), ("v2", 10)]), &history[1..]).as_deref(), Some("v1"));
    }

    #[test]
    fn removed_and_newer_versions_are_passed_over() {
        let now = split(&[("v1", 0), ("v2", 100), ("v3", 0)]);
        let history = [entry(5, &[("v3", 100)]), entry(4, &[("v0", 100)]), entry(3, &[("v1", 100)])];
        assert_eq!(target_of(&now, &history).as_deref(), Some("v1"));
        assert_eq!(target_of(&now, &history[..2]), None);
    }

    #[test]
    fn heaviest_leads_where_no_version_shares() {
        assert_eq!(leading_version(&split(&[("v1", 100), ("v2", 0)])).unwrap().version, "v1");
        assert_eq!(leading_version(&split(&[("v1", 95), ("v2", 5)])).unwrap().version, "v2");
        assert!(leading_version(&split(&[("v1", 0)])).is_none());
    }
}

//! What a recorder of the `metrics` facade has got.

use std::collections::BTreeMap;

use metrics_util::debugging::{DebugValue, Snapshotter};

pub(crate) type Recorded = BTreeMap<(String, String), DebugValue>;

/// The values recorded since the last call, by name and sorted labels.
pub(crate) fn recorded(snapshotter: &Snapshotter) -> Recorded {
    let series = snapshotter.snapshot().into_vec().into_iter().map(|(key, _, description, value)| {
        let (_, key) = key.into_parts();
        assert!(description.is_some(), "{key} has no description");
        let mut labels: Vec<_> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        labels.sort();
        ((key.name().to_owned(), labels.join(",")), value)
    });
    series.collect()
}

pub(crate) fn of<'a>(recorded: &'a Recorded, name: &str, labels: &str) -> Option<&'a DebugValue> {
    recorded.get(&(name.to_owned(), labels.to_owned()))
}

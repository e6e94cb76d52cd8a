//! Splits, handles and layers for the benches.

use std::time::SystemTime;

use tower_canary::routing::{Change, Route, Split};
use tower_canary::{Draw, RoutingHandle, Target, VersionName, WeightedVersionLayer};

fn name(i: usize) -> VersionName {
    format!("v{i}").parse().unwrap()
}

/// Returns a split whose versions `v0`, `v1` and so on have these base URLs and percentages.
pub(crate) fn split(service: &str, weights: &[(&str, f64)]) -> Split {
    let mut split = Split::new(service.parse().unwrap(), 7);
    for (i, (url, _)) in weights.iter().enumerate() {
        split =
            split.apply(&Change::register(name(i), url.parse().unwrap()), SystemTime::UNIX_EPOCH).unwrap();
    }
    let whole = weights.iter().enumerate().map(|(i, (_, percent))| (name(i), (*percent).try_into().unwrap()));
    split.apply(&Change::SetWeights(whole.collect()), SystemTime::UNIX_EPOCH).unwrap()
}

/// Returns a split whose second version has 10 %.
pub(crate) fn canary() -> Split {
    split("auth", &[("http://10.0.0.1:8080", 90.0), ("http://10.0.0.2:8080", 10.0)])
}

/// Returns a handle that has published `split` alone.
pub(crate) fn handle(draw: Draw, split: Split) -> RoutingHandle {
    let handle = RoutingHandle::with_draw(draw);
    assert!(handle.publish(Route::compile(split)));
    handle
}

/// Returns a layer for the service of [`canary`].
pub(crate) fn fixed(handle: &RoutingHandle) -> WeightedVersionLayer {
    WeightedVersionLayer::new(handle, Target::service("auth".parse().unwrap()))
}

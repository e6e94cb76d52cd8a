//! A route while it is published, with the counters of its versions.

use std::sync::{Arc, OnceLock};

use super::upstream::Upstream;
use crate::common::sharded::{Shard, Sharded};
use crate::routing::{Route, Version};
use crate::traffic::Counters;

/// A route and the state that requests use while they follow it.
#[derive(Debug)]
pub(super) struct LiveRoute {
    route: Arc<Route>,
    /// In the order of the split. Created for the first request: of many services, most are idle.
    versions: OnceLock<Box<[LiveVersion]>>,
}

/// A version as requests see it.
#[derive(Debug)]
pub(super) struct LiveVersion {
    upstreams: Sharded<Upstream>,
    counters: Arc<Counters>,
}

impl LiveRoute {
    /// Creates the route of a service that has no counters yet.
    pub(super) const fn new(route: Arc<Route>) -> Self {
        Self { route, versions: OnceLock::new() }
    }

    /// Creates a route whose versions continue the counters that `carried` returns.
    pub(super) fn with_counters(
        route: Arc<Route>,
        carried: impl FnMut(&Version) -> Option<Arc<Counters>>,
    ) -> Self {
        let versions = live_versions(&route, carried).into();
        Self { route, versions }
    }

    #[inline]
    pub(super) const fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// Returns the versions in the order of the split.
    #[inline]
    pub(super) fn versions(&self) -> &[LiveVersion] {
        self.versions.get_or_init(|| live_versions(&self.route, |_| None))
    }

    /// Returns the versions in the order of the split, or nothing before the first request.
    pub(super) fn used_versions(&self) -> &[LiveVersion] {
        self.versions.get().map_or(&[], |versions| versions)
    }

    /// Returns the counters of `version`, if it is the same registration as one of this route's.
    pub(super) fn counters(&self, version: &Version) -> Option<&Arc<Counters>> {
        let versions = self.route.split().versions();
        let i = versions.iter().position(|other| is_same_registration(other, version))?;
        self.versions().get(i).map(LiveVersion::counters)
    }

    /// Returns the counters of the version called `name`.
    pub(super) fn counters_by_name(&self, name: &str) -> Option<&Arc<Counters>> {
        let i = self.route.split().versions().iter().position(|version| version.name.as_str() == name)?;
        self.versions().get(i).map(LiveVersion::counters)
    }
}

impl LiveVersion {
    fn new(version: &Version, counters: Arc<Counters>) -> Self {
        Self { upstreams: Sharded::new(|shard, _| Upstream::new(version.backend(), shard)), counters }
    }

    /// Picks the instance for a request. A version has one until balancing exists: the first of its URLs.
    #[inline]
    pub(super) fn pick(&self, shard: Shard) -> &Upstream {
        self.upstreams.at(shard)
    }

    #[inline]
    pub(super) const fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }
}

fn live_versions(
    route: &Route,
    mut carried: impl FnMut(&Version) -> Option<Arc<Counters>>,
) -> Box<[LiveVersion]> {
    let versions = route.split().versions().iter();
    versions
        .map(|version| {
            LiveVersion::new(version, carried(version).unwrap_or_else(|| Arc::new(Counters::new())))
        })
        .collect()
}

/// Returns whether `a` and `b` are one registration of a version.
///
/// A store that was restored from a backup may derive an identity a second time, so the name must agree too.
pub(super) fn is_same_registration(a: &Version, b: &Version) -> bool {
    a.id == b.id && a.name == b.name
}

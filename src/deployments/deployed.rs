//! The result of a change with the probes that it needed.

use super::version_check::{Healthy, Unhealthy};
use crate::routing::{Backend, VersionName};
use crate::store::Applied;

/// A change that was applied, with the results of its probes. Returned by
/// [`Deployments::apply_probed`](super::Deployments::apply_probed), which has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deployed {
    /// The change.
    pub applied: Applied,
    /// The probes that were made for the change, by version and in the order of the instances. At least half of each version
    /// passed. Empty if no version got its first traffic.
    pub probes: Vec<VersionProbe>,
}

/// A probe of one instance of a version. See [`Deployed`] and [`Deployments::check`](super::Deployments::check).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionProbe {
    /// The version.
    pub version: VersionName,
    /// The base URL of the instance.
    pub backend: Backend,
    /// The response to the probe, or why it failed.
    pub healthy: Result<Healthy, Unhealthy>,
}

impl VersionProbe {
    /// Creates the result of the probe of one instance.
    pub(super) const fn new(
        version: VersionName,
        backend: Backend,
        healthy: Result<Healthy, Unhealthy>,
    ) -> Self {
        Self { version, backend, healthy }
    }

    /// Returns whether enough of the `probes` of one version passed to give it traffic: at least half of them.
    ///
    /// ```
    /// use tower_canary::deployments::VersionProbe;
    ///
    /// assert!(VersionProbe::suffice(&[]), "nothing was probed");
    /// ```
    #[must_use]
    pub fn suffice(probes: &[Self]) -> bool {
        let passed = probes.iter().filter(|probe| probe.healthy.is_ok()).count();
        passed >= probes.len() - passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_rounded_up_must_pass() {
        let probes = |passed: usize, failed: usize| {
            let healthy = Ok(Healthy { status: 200, took: std::time::Duration::ZERO });
            let outcomes = [vec![healthy; passed], vec![Err(Unhealthy::Status(503)); failed]].concat();
            let version: VersionName = "v1".parse().unwrap();
            let backend: Backend = "http://10.0.0.1".parse().unwrap();
            let probes: Vec<_> = outcomes
                .into_iter()
                .map(|healthy| VersionProbe::new(version.clone(), backend.clone(), healthy))
                .collect();
            probes
        };
        for (passed, failed, suffices) in [
            (0, 0, true),
            (1, 0, true),
            (0, 1, false),
            (1, 1, true),
            (1, 2, false),
            (2, 1, true),
            (2, 3, false),
        ] {
            assert_eq!(VersionProbe::suffice(&probes(passed, failed)), suffices, "{passed} and {failed}");
        }
    }
}

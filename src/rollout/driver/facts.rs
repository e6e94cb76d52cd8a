//! The facts about the gateways in one run of the driver.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::rollout::ReplicaFigures;
use crate::routing::{Split, VersionId};
use crate::store::{Replica, ReplicaFigures as Reported};
use crate::traffic::{Figures, ReportedFigures};

/// The facts of one run of the driver, the same for all rollouts.
#[derive(Debug)]
pub(super) struct Facts {
    /// The time of the store's clock.
    pub(super) now: SystemTime,
    /// The revision that each gateway serves.
    revisions: Vec<u64>,
    /// The figures of each gateway, at the end of a window.
    pub(super) figures: Option<AllFigures>,
}

impl Facts {
    pub(super) fn new(now: SystemTime, replicas: &[Replica], figures: Option<AllFigures>) -> Self {
        Self { now, revisions: replicas.iter().map(|replica| replica.revision).collect(), figures }
    }

    /// Returns whether all gateways serve `revision`. If none is known, that is not known either.
    pub(super) fn serve(&self, revision: u64) -> bool {
        !self.revisions.is_empty() && self.revisions.iter().all(|served| *served >= revision)
    }
}

/// The figures of the versions of each service, by their ids.
type ByService = BTreeMap<String, BTreeMap<String, ReportedFigures>>;

/// The figures that gateways have reported. Each report is parsed once, however many rollouts it is about.
#[derive(Debug)]
pub(super) struct AllFigures(Vec<(String, ByService)>);

/// Which requests the guard compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    /// Those of users.
    Users,
    /// Copies at the canary, and their originals at the others.
    Copies,
}

impl AllFigures {
    /// Reads the reports. One that cannot be read is left out.
    pub(super) fn read(reports: Vec<Reported>) -> Self {
        let read = reports.into_iter().filter_map(|report| {
            let figures = serde_json::from_str(&report.figures).ok()?;
            Some((report.id, figures))
        });
        Self(read.collect())
    }

    /// Returns the figures of the canary, and the sum of the others with a weight. A report without the service is left out.
    pub(super) fn of_split(
        &self,
        split: &Split,
        canary: VersionId,
        compared: Compared,
    ) -> Vec<ReplicaFigures> {
        let figures = self.0.iter().filter_map(|(replica, services)| {
            let versions = services.get(split.service().as_str())?;
            let of = |id: VersionId| versions.get(&id.to_string());
            let mut stable = Figures::default();
            for version in split.versions() {
                if version.id != canary && !version.weight.is_zero() {
                    of(version.id).into_iter().for_each(|figures| stable.add(compared.of_others(figures)));
                }
            }
            let canary = of(canary).map(|figures| compared.of_canary(figures).clone()).unwrap_or_default();
            Some(ReplicaFigures::new(replica, canary, stable))
        });
        figures.collect()
    }
}

impl Compared {
    /// Returns the figures of the canary: of its users, or of the copies that it got.
    const fn of_canary(self, figures: &ReportedFigures) -> &Figures {
        match self {
            Self::Users => &figures.users,
            Self::Copies => &figures.copies,
        }
    }

    /// Returns the figures to compare with: of the users of the other versions, or of the requests that were
    /// copied. Copies are compared with their originals, since others may be of another kind.
    const fn of_others(self, figures: &ReportedFigures) -> &Figures {
        match self {
            Self::Users => &figures.users,
            Self::Copies => &figures.originals,
        }
    }
}

//! The facts about the gateways in one run of the driver.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::Poll;
use std::time::SystemTime;

use crate::rollout::ReplicaFigures;
use crate::routing::{Split, VersionId};
use crate::store::{Replica, ReplicaFigures as StoredFigures};
use crate::traffic::{Figures, ReportedFigures};

/// The facts of one run of the driver, the same for all rollouts.
#[derive(Debug)]
pub(super) struct Facts {
    /// The time of the store's clock.
    pub(super) now: SystemTime,
    /// The revision that each gateway serves.
    revisions: Vec<u64>,
    /// The figures of each gateway, if a window of some rollout is over or can begin.
    pub(super) figures: Option<AllFigures>,
}

impl Facts {
    /// Takes the facts of one moment from the reports of the gateways, without figures yet.
    pub(super) fn new(now: SystemTime, replicas: &[Replica]) -> Self {
        Self { now, revisions: replicas.iter().map(|replica| replica.revision).collect(), figures: None }
    }

    /// Returns whether all gateways serve `revision` or a later one. `false` if no gateway is known.
    pub(super) fn all_serve(&self, revision: u64) -> bool {
        !self.revisions.is_empty() && self.revisions.iter().all(|served| *served >= revision)
    }
}

/// The figures of the versions of each service, by their ids.
type ByService = BTreeMap<String, BTreeMap<String, ReportedFigures>>;

/// The figures that gateways have reported. Each report is parsed once, however many rollouts it is about.
#[derive(Debug)]
pub(super) struct AllFigures(Vec<GatewayFigures>);

/// The figures that a gateway has reported.
#[derive(Debug)]
struct GatewayFigures {
    /// The id of the process.
    id: String,
    /// The name of the replica.
    name: String,
    /// What it counted since its start.
    services: ByService,
}

/// Which requests the guard compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ComparedRequests {
    /// The requests of users.
    Users,
    /// Copies at the canary, and their originals at the others.
    Copies,
}

impl AllFigures {
    /// Reads the reports. One that cannot be read is left out, so its requests count for nothing. Between two of them
    /// it yields: a report may be large.
    pub(super) async fn read(reports: Vec<StoredFigures>) -> Self {
        let mut read = Vec::new();
        for report in reports {
            if let Ok(services) = serde_json::from_str(&report.figures) {
                read.push(GatewayFigures { id: report.id, name: report.name, services });
            }
            yield_now().await;
        }
        Self(read)
    }

    /// Returns of each gateway the figures of the canary, and the sum of the others with a weight. A report without
    /// the service is left out.
    pub(super) fn compared_figures(
        &self,
        split: &Split,
        canary: VersionId,
        compared: ComparedRequests,
    ) -> Vec<ReplicaFigures> {
        let figures = self.0.iter().filter_map(|gateway| {
            let (canary, others) = gateway.compared_figures(split, canary, compared)?;
            let mut stable = Figures::default();
            others.into_iter().for_each(|figures| stable.add(figures));
            Some(ReplicaFigures::new(&gateway.id, canary.cloned().unwrap_or_default(), stable))
        });
        figures.collect()
    }

    /// Returns the names of the gateways whose figures of the canary, or of another version with a weight, have no latencies.
    pub(super) fn unmeasured(
        &self,
        split: &Split,
        canary: VersionId,
        compared: ComparedRequests,
    ) -> Vec<String> {
        let unmeasured = self.0.iter().filter(|gateway| {
            let Some((canary, others)) = gateway.compared_figures(split, canary, compared) else {
                return false;
            };
            canary.into_iter().chain(others).any(Figures::lack_latencies)
        });
        unmeasured.map(|gateway| gateway.name.clone()).collect()
    }
}

impl GatewayFigures {
    /// Returns the figures of the canary and of each of the others with a weight, as far as the report has them.
    /// `None`: the report is without the service.
    fn compared_figures(
        &self,
        split: &Split,
        canary: VersionId,
        compared: ComparedRequests,
    ) -> Option<(Option<&Figures>, Vec<&Figures>)> {
        let versions = self.services.get(split.service().as_str())?;
        let reported = |id: VersionId| versions.get(&id.to_string());
        let others =
            split.versions().iter().filter(|version| version.id != canary && !version.weight.is_zero());
        let others =
            others.filter_map(|version| reported(version.id).map(|figures| compared.for_others(figures)));
        Some((reported(canary).map(|figures| compared.for_canary(figures)), others.collect()))
    }
}

impl ComparedRequests {
    /// Returns the figures of the canary: of its users, or of the copies that it got.
    const fn for_canary(self, figures: &ReportedFigures) -> &Figures {
        match self {
            Self::Users => &figures.users,
            Self::Copies => &figures.copies,
        }
    }

    /// Returns the figures to compare with: of the users of the other versions, or of the requests that were
    /// copied. Copies are compared with their originals, since others may be of another kind.
    const fn for_others(self, figures: &ReportedFigures) -> &Figures {
        match self {
            Self::Users => &figures.users,
            Self::Copies => &figures.originals,
        }
    }
}

/// Returns to the executor once, so that other tasks of the thread go on.
async fn yield_now() {
    let mut is_resumed = false;
    poll_fn(|context| {
        if std::mem::replace(&mut is_resumed, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

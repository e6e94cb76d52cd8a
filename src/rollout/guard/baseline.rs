//! Windows from the reports of gateways.

use std::collections::BTreeMap;

use super::window::Window;
use crate::traffic::Figures;

/// What a gateway has counted since its start: the canary, and the sum of the other versions with a weight.
///
/// See [`Baseline`] for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplicaFigures {
    /// The id of the process.
    pub replica: String,
    /// Its figures of the canary.
    pub canary: Figures,
    /// Its figures of the others.
    pub stable: Figures,
}

impl ReplicaFigures {
    /// Creates the figures of one gateway.
    pub fn new(replica: impl Into<String>, canary: Figures, stable: Figures) -> Self {
        Self { replica: replica.into(), canary, stable }
    }
}

/// The figures of each gateway at the end of the last window, from which the next window is the difference.
///
/// The first figures of a gateway count for nothing, and neither do the first after its restart. A baseline is kept in memory,
/// so the window under way is lost when another gateway continues.
///
/// ```
/// use tower_canary::rollout::{Baseline, ReplicaFigures, Window};
/// use tower_canary::traffic::Figures;
///
/// let report = |replica, canary, stable| {
///     ReplicaFigures::new(replica, Figures::new(canary, 0), Figures::new(stable, 0))
/// };
/// let mut baseline = Baseline::default();
/// baseline.restart(&[report("a", 10, 100)]);
/// // b is seen for the first time.
/// let window = baseline.window(&[report("a", 12, 130), report("b", 500, 9_000)]);
/// assert_eq!(window, Window::new(Figures::new(2, 0), Figures::new(30, 0)));
/// // a has ended, and b has counted on.
/// let window = baseline.window(&[report("b", 501, 9_010)]);
/// assert_eq!(window, Window::new(Figures::new(1, 0), Figures::new(10, 0)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    /// By the id of the process.
    last: BTreeMap<String, ReplicaFigures>,
}

impl Baseline {
    /// Begins again from these figures, for example after the split has changed: the time until now is part of no
    /// window.
    pub fn restart(&mut self, reports: &[ReplicaFigures]) {
        self.last = reports.iter().map(|report| (report.replica.clone(), report.clone())).collect();
    }

    /// Returns the requests since the last window, and begins the next one. A gateway that is not in `reports` is forgotten.
    pub fn window(&mut self, reports: &[ReplicaFigures]) -> Window {
        let mut window = Window::default();
        for report in reports {
            if let Some((canary, stable)) = self.last.get(&report.replica).and_then(|last| report.since(last))
            {
                window.canary.add(&canary);
                window.stable.add(&stable);
            }
        }
        self.restart(reports);
        window
    }
}

impl ReplicaFigures {
    /// Returns what the canary and the others counted since `last`. `None` if either count is below the one of
    /// `last`: the process has restarted.
    fn since(&self, last: &Self) -> Option<(Figures, Figures)> {
        Some((self.canary.since(&last.canary)?, self.stable.since(&last.stable)?))
    }
}

//! Requests that the guard has seen.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::window::Window;
use crate::traffic::Figures;

/// Requests and the bad ones among them. See [`Totals`] for an example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tally {
    /// The number of requests.
    pub requests: u64,
    /// The number of bad ones among them.
    pub bad: u64,
}

/// The requests of the canary and of the others in several windows together.
///
/// ```
/// use tower_canary::rollout::{Evidence, Guard, Plan, Window};
/// use tower_canary::traffic::Figures;
///
/// let guard = Guard::new(&Plan::new("v1.1".parse()?));
/// let mut evidence = Evidence::default();
/// guard.observe(&mut evidence, &Window::new(Figures::new(200, 1), Figures::new(950, 1)));
/// let step = evidence.step_totals();
/// assert_eq!((step.canary.requests, step.windows), (200, 1));
/// assert_eq!(step.canary.to_string(), "0.5 % of 200");
/// # Ok::<(), tower_canary::routing::InvalidName>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Totals {
    /// The requests of the canary.
    pub canary: Tally,
    /// The requests of the others.
    pub stable: Tally,
    /// The number of windows in which both sides had requests, or the canary alone where the others have no weight.
    pub windows: u64,
}

impl Tally {
    /// Adds figures. Bad requests are at most all of them, whatever a gateway reports: a share above 1 would
    /// break the guard.
    pub(super) fn add(&mut self, figures: &Figures) {
        self.requests = self.requests.saturating_add(figures.requests);
        self.bad = self.bad.saturating_add(figures.bad.min(figures.requests));
    }
}

impl Totals {
    /// Adds a window. It counts as one that compares if both sides had requests. A canary that is judged
    /// alone needs none of the others.
    pub(super) fn add(&mut self, window: &Window, is_alone: bool) {
        self.canary.add(&window.canary);
        self.stable.add(&window.stable);
        let compares = window.canary.requests > 0 && (is_alone || window.stable.requests > 0);
        self.windows = self.windows.saturating_add(u64::from(compares));
    }
}

/// Writes the share of bad requests and their number, as in `0.5 % of 200`.
impl fmt::Display for Tally {
    #[expect(clippy::cast_precision_loss, reason = "the share is rounded to two decimals")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = 100.0 * self.bad as f64 / self.requests.max(1) as f64;
        write!(f, "{} % of {}", (percent * 100.0).round() / 100.0, self.requests)
    }
}

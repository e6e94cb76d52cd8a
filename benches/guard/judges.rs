//! The guard, and the rules of other systems.

use tower_canary::rollout::{Evidence, Guard, Plan, Verdict, Window};
use tower_canary::traffic::Figures;

use crate::scenes::Step;

/// Requests and the failed ones among them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) requests: u64,
    pub(crate) failed: u64,
}

pub(crate) const NAMES: [&str; 3] = ["guard", "Argo's rule", "Flagger's rule"];

/// The judges that see the same traffic.
#[derive(Debug)]
pub(crate) struct Judges {
    guard: Guard,
    evidence: Evidence,
    minute: Count,
    windows: usize,
    failed_checks: u32,
}

impl Judges {
    pub(crate) fn new(steps: &[Step]) -> Self {
        Self {
            guard: Guard::new(&plan(steps.len())),
            evidence: Evidence::default(),
            minute: Count::default(),
            windows: 0,
            failed_checks: 0,
        }
    }

    pub(crate) fn begin_step(&mut self) {
        self.evidence.begin_step(false);
    }

    /// Returns which of the judges take the canary back after this window.
    pub(crate) fn observe(&mut self, canary: Count, stable: Count) -> [bool; 3] {
        let window = Window::new(figures(canary), figures(stable));
        self.guard.observe(&mut self.evidence, &window);
        let convicts = matches!(self.guard.verdict(&self.evidence), Verdict::Fail(_));
        let has_failed = self.check(canary);
        [convicts, has_failed, has_failed && self.failed_checks >= 5]
    }

    /// Checks once a minute whether more than 1 percent of the canary's requests failed in it. Argo Rollouts takes the canary
    /// back after the first check that fails (`failureLimit` 0), Flagger after five of them (`threshold` 5).
    fn check(&mut self, canary: Count) -> bool {
        self.minute.requests += canary.requests;
        self.minute.failed += canary.failed;
        self.windows += 1;
        if !self.windows.is_multiple_of(6) {
            return false;
        }
        let minute = std::mem::take(&mut self.minute);
        let has_failed = minute.requests > 0 && minute.failed * 100 > minute.requests;
        self.failed_checks += u32::from(has_failed);
        has_failed
    }
}

fn figures(count: Count) -> Figures {
    Figures::new(count.requests, count.failed)
}

/// Returns a plan with this number of stages and the default policy.
pub(crate) fn plan(stages: usize) -> Plan {
    let weights: Vec<String> = (1..=stages).map(|weight| weight.to_string()).collect();
    let json = format!(r#"{{"version": "v1.1", "steps": [{}], "then": "stay"}}"#, weights.join(", "));
    json.parse().unwrap()
}

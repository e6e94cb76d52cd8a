//! What is kept of the past, for what was done lately.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::activity::Activity;

/// How often samples are taken.
pub(crate) const SAMPLE_EVERY: Duration = Duration::from_secs(2);

/// What is told of the last time, in windows about so long.
pub(super) const WINDOWS: [Duration; 3] =
    [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(300)];

/// No window begins earlier.
const KEPT: Duration = Duration::from_secs(300 + 2 * SAMPLE_EVERY.as_secs());

/// When samples were taken: one list for all versions, so that their windows begin together.
#[derive(Debug)]
pub(crate) struct Ticks(VecDeque<Instant>);

impl Default for Ticks {
    fn default() -> Self {
        Self([Instant::now()].into())
    }
}

impl Ticks {
    /// Notes that it is time for a sample; not where the last one was just taken.
    pub(crate) fn tick(&mut self, now: Instant) -> bool {
        let is_due = self.0.back().is_none_or(|last| now.duration_since(*last) >= SAMPLE_EVERY / 2);
        if is_due {
            self.0.push_back(now);
            while self.0.get(1).is_some_and(|second| now.duration_since(*second) > KEPT) {
                self.0.pop_front();
            }
        }
        is_due
    }

    /// When a window about as long as `window` that ends now began.
    pub(super) fn start(&self, now: Instant, window: Duration) -> Instant {
        let long_enough = self.0.iter().rev().find(|tick| now.duration_since(**tick) >= window);
        long_enough.or_else(|| self.0.front()).copied().unwrap_or(now)
    }
}

/// What one version did between samples.
#[derive(Debug)]
pub(super) struct History {
    /// All that was done at the last sample.
    sampled: Activity,
    /// What was done until then since the one before, where that is anything.
    samples: VecDeque<(Instant, Activity)>,
    /// When it was last seen with a request.
    busy: Instant,
}

impl History {
    pub(super) fn new() -> Self {
        Self { sampled: Activity::default(), samples: VecDeque::new(), busy: Instant::now() }
    }

    /// Whether requests were counted that were not at the last sample; `counts` are those of all.
    pub(super) fn lacks(&self, counts: &Activity) -> bool {
        counts.picks != self.sampled.picks || counts.outcomes != self.sampled.outcomes
    }

    pub(super) fn sample(&mut self, now: Instant, total: Activity, in_flight: usize) {
        self.idle_for(now, &total, in_flight);
        if total != self.sampled {
            self.samples.push_back((now, total.since(&self.sampled)));
            self.sampled = total;
        }
        self.forget(now);
    }

    /// Forgets what no window reaches back to.
    pub(super) fn forget(&mut self, now: Instant) {
        while self.samples.front().is_some_and(|(at, _)| now.duration_since(*at) > KEPT) {
            self.samples.pop_front();
        }
    }

    /// How long it has had no request; `None` while it has, and before its first.
    pub(super) fn idle_for(&mut self, now: Instant, total: &Activity, in_flight: usize) -> Option<Duration> {
        let is_busy = in_flight > 0 || *total != self.sampled;
        if is_busy {
            self.busy = now;
        }
        (!is_busy && total.requests() > 0).then(|| now.duration_since(self.busy))
    }

    /// What was done since `start`, the time of a sample; `total` is all that was done until now.
    pub(super) fn since(&self, start: Instant, total: &Activity) -> Activity {
        let mut since = total.since(&self.sampled);
        for (_, sample) in self.samples.iter().rev().take_while(|(at, _)| *at > start) {
            since.add(sample);
        }
        since
    }
}

//! Samples of the counters, for the activity of the last minutes.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::activity::Activity;

/// The time between two samples.
pub(crate) const SAMPLE_EVERY: Duration = Duration::from_secs(2);

/// The nominal lengths of the windows that are reported.
pub(super) const WINDOWS: [Duration; 3] =
    [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(300)];

/// How long samples are kept: for the longest window, and for two samples more because one may be late.
const RETENTION: Duration = Duration::from_secs(300 + 2 * SAMPLE_EVERY.as_secs());

/// When samples were taken: one list for all versions, so that their windows begin together.
#[derive(Debug)]
pub(crate) struct SampleTimes(VecDeque<Instant>);

impl Default for SampleTimes {
    fn default() -> Self {
        Self([Instant::now()].into())
    }
}

impl SampleTimes {
    /// Records a sample at `now` and returns `true`, unless the last one was taken less than half a period ago.
    pub(crate) fn record(&mut self, now: Instant) -> bool {
        let is_due =
            self.0.back().is_none_or(|last| now.saturating_duration_since(*last) >= SAMPLE_EVERY / 2);
        if is_due {
            self.0.push_back(now);
            // One sample before the retention stays: the longest window begins there.
            while self.0.get(1).is_some_and(|second| now.saturating_duration_since(*second) > RETENTION) {
                self.0.pop_front();
            }
        }
        is_due
    }

    /// Returns the periods between two samples by their start and end, earliest first.
    pub(super) fn periods(&self) -> impl Iterator<Item = (Instant, Instant)> + '_ {
        self.0.iter().copied().zip(self.0.iter().copied().skip(1))
    }

    /// Returns the start of the window that ends at `now`: the last sample that is at least `nominal` ago, else the first
    /// sample.
    pub(super) fn window_start(&self, now: Instant, nominal: Duration) -> Instant {
        let long_enough =
            self.0.iter().rev().find(|sample| now.saturating_duration_since(**sample) >= nominal);
        long_enough.or_else(|| self.0.front()).copied().unwrap_or(now)
    }
}

/// The samples of one version.
#[derive(Debug)]
pub(super) struct History {
    /// All activity until the last sample.
    sampled: Activity,
    /// The activity between two samples and when the later one was taken. Periods without activity are left out.
    samples: VecDeque<(Instant, Activity)>,
    /// When a sample or a reader last found requests in flight, or activity since the last sample.
    last_busy: Instant,
}

impl History {
    pub(super) fn new() -> Self {
        Self { sampled: Activity::default(), samples: VecDeque::new(), last_busy: Instant::now() }
    }

    /// Returns whether `counts` has requests that the last sample has not.
    pub(super) fn is_behind(&self, counts: &Activity) -> bool {
        counts.picks != self.sampled.picks
            || counts.outcomes != self.sampled.outcomes
            || counts.diverted != self.sampled.diverted
    }

    /// Records a sample: `total` is all activity until `now`.
    pub(super) fn record(&mut self, now: Instant, total: Activity, in_flight: usize) {
        self.update_last_busy(now, &total, in_flight);
        if total != self.sampled {
            self.samples.push_back((now, total.since(&self.sampled)));
            self.sampled = total;
        }
        self.forget_expired(now);
    }

    /// Forgets the samples that no window reaches back to.
    pub(super) fn forget_expired(&mut self, now: Instant) {
        while self.samples.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > RETENTION) {
            self.samples.pop_front();
        }
    }

    /// Returns how long the version has had no request, to the time between two samples. `None`: it has requests in
    /// flight, it had some since the last sample, or it never had any.
    pub(super) fn idle_for(&mut self, now: Instant, total: &Activity, in_flight: usize) -> Option<Duration> {
        let is_busy = self.update_last_busy(now, total, in_flight);
        (!is_busy && total.has_picks()).then(|| now.saturating_duration_since(self.last_busy))
    }

    /// Sets the time when the version was last busy to `now` if it is busy: if it has requests in flight, or activity
    /// since the last sample. Returns whether it is.
    fn update_last_busy(&mut self, now: Instant, total: &Activity, in_flight: usize) -> bool {
        let is_busy = in_flight > 0 || *total != self.sampled;
        if is_busy {
            self.last_busy = now;
        }
        is_busy
    }

    /// Returns the activity of the period that ended at `sample`. `None`: there was no activity.
    pub(super) fn sample(&self, sample: Instant) -> Option<&Activity> {
        let at = self.samples.binary_search_by_key(&sample, |(at, _)| *at).ok()?;
        self.samples.get(at).map(|(_, activity)| activity)
    }

    /// Returns the activity since `start` without latencies. `counts` is all activity until now.
    pub(super) fn counts_since(&self, start: Instant, counts: &Activity) -> Activity {
        let mut since = counts.since(&self.sampled);
        for (_, sample) in self.samples.iter().rev().take_while(|(at, _)| *at > start) {
            since.add_counts(sample);
        }
        since
    }

    /// Returns the activity since `start`, the time of a sample. `total` is all activity until now.
    pub(super) fn since(&self, start: Instant, total: &Activity) -> Activity {
        let mut since = total.since(&self.sampled);
        for (_, sample) in self.samples.iter().rev().take_while(|(at, _)| *at > start) {
            since.add(sample);
        }
        since
    }
}

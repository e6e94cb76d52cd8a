//! When each instance is checked. Pure: no clock and no I/O.
//!
//! An instance is checked at once when it is added. The next check is spread over the interval by its seed, so instances
//! that are added together are not checked together from then on. Each later one follows an interval after the start of the
//! one before, up to 10 % sooner or later.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use crate::common::hash::mix;
use crate::health::Health;

/// The most checks at the same time: each has a socket.
const AT_ONCE: usize = 64;

/// The most checks at the same time of instances that are down. Those often take as long as the time limit, and must not
/// delay the checks of the others.
const OUT_AT_ONCE: usize = 32;

/// Identifies an instance in the schedule. It is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::deployments) struct CheckId(u64);

/// How soon an instance is checked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// The last check contradicts the state, or the instance is still new.
    Recheck,
    /// The service has requests.
    Busy,
    /// The service has no requests.
    Idle,
}

/// The instances, by the time of their next check.
#[derive(Debug)]
pub(super) struct Schedule {
    interval: Duration,
    idle_interval: Duration,
    recheck: Duration,
    /// For instances that are down, so that they return to service soon after they work again.
    down_interval: Duration,
    entries: HashMap<CheckId, Entry, RandomState>,
    /// The instances that are not down, and those that are.
    queues: [Queue; 2],
    next_id: u64,
}

/// One instance in the schedule.
#[derive(Debug)]
struct Entry {
    /// When the next check is due, or was due if it is running.
    due: Instant,
    is_running: bool,
    /// Whether to forget the instance once its check has ended.
    is_removed: bool,
    /// The queue in which it waits or runs.
    queue: usize,
    /// Number of checks that have ended.
    ended: u32,
    seed: u64,
}

/// The instances that wait for their check, and the number of running checks.
#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeSet<(Instant, CheckId)>,
    running: usize,
}

impl Schedule {
    /// Creates a schedule without instances.
    pub(super) fn new(settings: &Health) -> Self {
        Self {
            interval: settings.interval(),
            idle_interval: settings.idle_interval(),
            recheck: settings.recheck(),
            down_interval: settings.down_interval(),
            entries: HashMap::default(),
            queues: Default::default(),
            next_id: 0,
        }
    }

    /// Adds an instance, whose first check is due now. `seed` spreads the later ones.
    pub(super) fn add(&mut self, seed: u64, now: Instant) -> CheckId {
        let id = CheckId(self.next_id);
        self.next_id += 1;
        let entry = Entry { due: now, is_running: false, is_removed: false, queue: 0, ended: 0, seed };
        self.queues[entry.queue].waiting.insert((now, id));
        self.entries.insert(id, entry);
        id
    }

    /// Removes an instance. A check of it that is running still counts until it ends.
    pub(super) fn remove(&mut self, id: CheckId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.is_removed = true;
        if !entry.is_running {
            self.queues[entry.queue].waiting.remove(&(entry.due, id));
            self.entries.remove(&id);
        }
    }

    /// Makes the next check due within the interval of a service with requests, unless it is due earlier or is running.
    pub(super) fn hurry(&mut self, id: CheckId, now: Instant) {
        if let Some(entry) = self.entries.get(&id) {
            let due = now + part_of(self.interval, entry.seed);
            self.advance(id, due);
        }
    }

    /// Makes the next check due at `due`, unless it is due earlier or is running.
    pub(super) fn advance(&mut self, id: CheckId, due: Instant) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if entry.is_running || entry.due <= due {
            return;
        }
        let waiting = &mut self.queues[entry.queue].waiting;
        waiting.remove(&(entry.due, id));
        waiting.insert((due, id));
        entry.due = due;
    }

    /// Returns when the next check may start, or `None` if another one has to end before.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.next().map(|(due, _)| due)
    }

    /// Starts the next check and returns its instance. `None`: none is due, or another one has to end before.
    pub(super) fn start(&mut self, now: Instant) -> Option<CheckId> {
        let (due, id) = self.next().filter(|(due, _)| *due <= now)?;
        let entry = self.entries.get_mut(&id)?;
        entry.is_running = true;
        let queue = &mut self.queues[entry.queue];
        queue.waiting.remove(&(due, id));
        queue.running += 1;
        Some(id)
    }

    /// Ends a check and schedules the next one. A removed instance is forgotten. `is_down`: the instance is.
    pub(super) fn finish(&mut self, id: CheckId, pace: Pace, is_down: bool, now: Instant) {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.is_running) else { return };
        self.queues[entry.queue].running -= 1;
        if entry.is_removed {
            self.entries.remove(&id);
            return;
        }
        entry.due = match pace {
            Pace::Recheck => now + self.recheck,
            Pace::Busy if is_down => entry.next_due(self.down_interval, now),
            Pace::Busy => entry.next_due(self.interval, now),
            Pace::Idle => entry.next_due(self.idle_interval, now),
        };
        entry.is_running = false;
        entry.ended = entry.ended.saturating_add(1);
        entry.queue = usize::from(is_down);
        self.queues[entry.queue].waiting.insert((entry.due, id));
    }

    /// Returns the check that may start first, if one may.
    fn next(&self) -> Option<(Instant, CheckId)> {
        let [in_service, out] = &self.queues;
        if in_service.running + out.running >= AT_ONCE {
            return None;
        }
        let next_out = out.waiting.first().filter(|_| out.running < OUT_AT_ONCE);
        in_service.waiting.first().into_iter().chain(next_out).min().copied()
    }
}

impl Entry {
    /// Returns when the check after the one that ends now is due, at intervals of `period`: after the first one within
    /// a period of now, which spreads instances that were added together.
    fn next_due(&self, period: Duration, now: Instant) -> Instant {
        if self.ended == 0 {
            return now + part_of(period, self.seed);
        }
        let jitter = part_of(period / 5, self.seed ^ u64::from(self.ended));
        // Not before now: missed checks are not made up for.
        (self.due + period - period / 10 + jitter).max(now)
    }
}

/// Returns a part of `period`, from zero to almost all of it, that only `seed` decides.
fn part_of(period: Duration, seed: u64) -> Duration {
    let fraction = u32::from((mix(seed) >> 48) as u16);
    period * fraction / (1 << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Runs `schedule` for `time`, where each check takes as long as `take` says, and returns the starts.
    fn run(
        schedule: &mut Schedule,
        start: Instant,
        time: Duration,
        mut take: impl FnMut(CheckId) -> (Duration, Pace, bool),
    ) -> Vec<(Duration, CheckId)> {
        let mut starts = Vec::new();
        let mut running: BTreeSet<(Instant, CheckId)> = BTreeSet::new();
        let mut now = start;
        loop {
            while let Some(id) = schedule.start(now) {
                starts.push((now - start, id));
                running.insert((now + take(id).0, id));
                assert!(running.len() <= AT_ONCE);
            }
            let ends = running.first().map(|(at, _)| *at);
            let Some(next) = schedule.next_due().into_iter().chain(ends).min() else { return starts };
            now = next.max(now);
            if now >= start + time {
                return starts;
            }
            while let Some(ended) = running.first().copied().filter(|(at, _)| *at <= now) {
                running.remove(&ended);
                let (_, pace, is_down) = take(ended.1);
                schedule.finish(ended.1, pace, is_down, now);
            }
        }
    }

    fn instances(count: u64, now: Instant) -> Schedule {
        let mut schedule = Schedule::new(&Health::new());
        for seed in 0..count {
            schedule.add(seed, now);
        }
        schedule
    }

    fn most_in_a_second(starts: &[(Duration, CheckId)]) -> usize {
        let mut seconds = HashMap::<u64, usize>::new();
        for (at, _) in starts {
            *seconds.entry(at.as_secs()).or_default() += 1;
        }
        seconds.into_values().max().unwrap_or_default()
    }

    #[test]
    fn busy_instance_is_checked_every_interval() {
        let now = Instant::now();
        let mut schedule = instances(1, now);
        let starts = run(&mut schedule, now, 100 * SECOND, |_| (SECOND / 100, Pace::Busy, false));
        assert_eq!(starts[0].0, Duration::ZERO, "at once");
        assert!(starts[1].0 <= 5 * SECOND + SECOND / 100);
        for pair in starts[1..].windows(2) {
            let pause = pair[1].0 - pair[0].0;
            assert!((4_500..=5_500).contains(&pause.as_millis()), "{pause:?}");
        }
        assert!((19..=22).contains(&starts.len()), "{}", starts.len());
    }

    #[test]
    fn instance_that_is_down_is_checked_more_often() {
        let now = Instant::now();
        let mut schedule = instances(1, now);
        let starts = run(&mut schedule, now, 100 * SECOND, |_| (SECOND / 100, Pace::Busy, true));
        for pair in starts[1..].windows(2) {
            let pause = pair[1].0 - pair[0].0;
            assert!((1_800..=2_200).contains(&pause.as_millis()), "{pause:?}");
        }
        assert!((48..=52).contains(&starts.len()), "{}", starts.len());
    }

    #[test]
    fn contradicting_check_is_repeated_soon() {
        let now = Instant::now();
        let mut schedule = instances(1, now);
        let starts = run(&mut schedule, now, 10 * SECOND, |_| (SECOND, Pace::Recheck, false));
        assert_eq!(starts.iter().map(|(at, _)| at.as_secs()).collect::<Vec<_>>(), [0, 2, 4, 6, 8]);
    }

    // 10,000 idle services of three instances.
    #[test]
    fn idle_instances_spread_over_a_minute() {
        let now = Instant::now();
        let mut schedule = instances(30_000, now);
        let starts = run(&mut schedule, now, 300 * SECOND, |_| (SECOND / 1_000, Pace::Idle, false));
        let late: Vec<_> = starts.into_iter().filter(|(at, _)| *at >= 60 * SECOND).collect();
        let per_second = late.len() as f64 / 240.0;
        assert!((490.0..510.0).contains(&per_second), "{per_second}");
        assert!(most_in_a_second(&late) < 620, "{}", most_in_a_second(&late));
    }

    // A rack is gone: 1,000 of 2,000 instances take the whole time limit.
    #[test]
    fn instances_that_are_down_delay_no_others() {
        let now = Instant::now();
        let mut schedule = instances(2_000, now);
        let starts = run(&mut schedule, now, 400 * SECOND, |id| match id.0 % 2 {
            0 => (SECOND / 1_000, Pace::Busy, false),
            _ => (2 * SECOND, Pace::Busy, true),
        });
        let mut last = HashMap::new();
        let mut longest = Duration::ZERO;
        // The first 100 seconds are of the first checks, which find out which ones are down.
        for (at, id) in starts.into_iter().filter(|(at, id)| id.0 % 2 == 0 && *at > 100 * SECOND) {
            if let Some(before) = last.insert(id, at) {
                longest = longest.max(at - before);
            }
        }
        assert!(longest < 6 * SECOND, "{longest:?}");
    }

    #[test]
    fn service_that_gets_requests_is_checked_sooner() {
        let now = Instant::now();
        let mut schedule = instances(100, now);
        run(&mut schedule, now, SECOND, |_| (Duration::ZERO, Pace::Idle, false));
        let ids: Vec<_> = schedule.entries.keys().copied().collect();
        for id in ids {
            schedule.hurry(id, now + SECOND);
        }
        assert!(schedule.entries.values().all(|entry| entry.due <= now + 6 * SECOND));
        assert_eq!(schedule.queues[0].waiting.len(), 100);
    }

    #[test]
    fn removed_instance_frees_its_place_when_its_check_ends() {
        let now = Instant::now();
        let mut schedule = instances(AT_ONCE as u64 + 1, now);
        let running: Vec<_> = std::iter::from_fn(|| schedule.start(now)).collect();
        assert_eq!((running.len(), schedule.next_due()), (AT_ONCE, None));
        schedule.remove(running[0]);
        assert_eq!(schedule.next_due(), None);
        schedule.finish(running[0], Pace::Busy, false, now);
        schedule.finish(running[0], Pace::Busy, false, now);
        assert_eq!(schedule.next_due(), Some(now));
        let waiting = CheckId(AT_ONCE as u64);
        schedule.remove(waiting);
        assert_eq!((schedule.next_due(), schedule.entries.len()), (None, AT_ONCE - 1));
    }
}

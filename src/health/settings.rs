//! The settings of health.

use std::time::Duration;

/// The default pause between two checks of an instance.
const INTERVAL: Duration = Duration::from_secs(5);
/// The default limit of one check.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The pause before the next check while the state of an instance may be about to change.
const RECHECK: Duration = Duration::from_secs(1);
/// The pause between two checks of an instance that is down.
const DOWN_INTERVAL: Duration = Duration::from_secs(2);
/// The pause between two checks while the service has no requests.
const IDLE_INTERVAL: Duration = Duration::from_secs(60);
/// The default length of the first ejection. Each one that follows soon is longer.
const FIRST_EJECTION: Duration = Duration::from_secs(30);
/// The default length of the longest ejection.
const LONGEST_EJECTION: Duration = Duration::from_secs(300);

/// The shortest pause that can be set.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
/// The shortest limit that can be set.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(10);
/// The shortest ejection that can be set.
const SHORTEST_EJECTION: Duration = Duration::from_secs(1);
/// The longest interval and slow start that can be set.
const HOUR: Duration = Duration::from_hours(1);
/// The longest ejection that can be set.
const DAY: Duration = Duration::from_hours(24);

/// The most checks or requests in a row that a setting can ask for.
const MAX_IN_A_ROW: u32 = 1_000;

/// How the health of instances is judged: one set for all services of a gateway.
///
/// See the [module](super) for what the settings mean together. A value out of its range is clamped.
///
/// ```
/// use std::time::Duration;
/// use tower_canary::health::Health;
/// use tower_canary::store::MemoryStore;
/// use tower_canary::{Deployments, NoVersionCheck};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let health = Health::new().with_interval(Duration::from_secs(2)).with_slow_start(Duration::from_secs(30));
/// let deployments =
///     Deployments::builder(MemoryStore::new(), NoVersionCheck).with_health(health).start().await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Health {
    interval: Duration,
    timeout: Duration,
    idle_interval: Duration,
    /// Failed checks in a row that take an instance down.
    falls: u32,
    /// Passed checks in a row that bring it up again.
    rises: u32,
    /// Failed requests in a row that eject it.
    row: u32,
    first_ejection: Duration,
    longest_ejection: Duration,
    slow_start: Duration,
    is_failover: bool,
    is_refusing: bool,
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Health {
    /// Creates the settings with their defaults, which the other methods name.
    pub const fn new() -> Self {
        Self {
            interval: INTERVAL,
            timeout: TIMEOUT,
            idle_interval: IDLE_INTERVAL,
            falls: 3,
            rises: 2,
            row: 5,
            first_ejection: FIRST_EJECTION,
            longest_ejection: LONGEST_EJECTION,
            slow_start: Duration::ZERO,
            is_failover: false,
            is_refusing: false,
        }
    }

    /// Sets the time between two checks of an instance: 100 milliseconds to one hour, up to 10 % sooner or later. Default:
    /// 5 seconds.
    ///
    /// After a check that contradicts the state, the next one is due in one second, and an instance that is down is checked
    /// every two seconds while its service has requests. If the interval is shorter than that, the interval is used.
    pub fn with_interval(self, interval: Duration) -> Self {
        Self { interval: interval.clamp(SHORTEST_INTERVAL, HOUR), ..self }
    }

    /// Sets the time between two checks of an instance whose service had no request for one minute: up to one hour, and at
    /// least the [interval](Self::with_interval). Default: 60 seconds.
    pub fn with_idle_interval(self, interval: Duration) -> Self {
        Self { idle_interval: interval.min(HOUR), ..self }
    }

    /// Sets the time after which a check without a response fails: 10 milliseconds to one minute. Default: 2 seconds.
    ///
    /// The [`VersionCheck`](crate::deployments::VersionCheck) may have a shorter limit of its own.
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout: timeout.clamp(SHORTEST_TIMEOUT, Duration::from_mins(1)), ..self }
    }

    /// Sets how many checks in a row must fail until an instance is down: 1 to 1,000. Default: 3.
    ///
    /// For an instance that was not checked before, one is enough.
    pub fn with_falls(self, falls: u32) -> Self {
        Self { falls: falls.clamp(1, MAX_IN_A_ROW), ..self }
    }

    /// Sets how many checks in a row must pass until an instance that is down is up again: 1 to 1,000. Default: 2.
    ///
    /// For an instance that was not checked before, one is enough.
    pub fn with_rises(self, rises: u32) -> Self {
        Self { rises: rises.clamp(1, MAX_IN_A_ROW), ..self }
    }

    /// Sets how many requests in a row must fail until an instance is ejected: 1 to 1,000. Default: 5.
    pub fn with_row(self, row: u32) -> Self {
        Self { row: row.clamp(1, MAX_IN_A_ROW), ..self }
    }

    /// Sets how long an ejection lasts: at `first`, one second to one day, and `longest`, at least `first`, both up to 10 %
    /// more or less. Defaults: 30 seconds and 300 seconds.
    ///
    /// The second ejection lasts twice as long as the first, the third three times. Every five minutes in service take one
    /// back.
    pub fn with_ejection(self, first: Duration, longest: Duration) -> Self {
        let first = first.clamp(SHORTEST_EJECTION, DAY);
        Self { first_ejection: first, longest_ejection: longest.clamp(first, DAY), ..self }
    }

    /// Sets for how long an instance that comes into service beside others gets a smaller share, which grows linearly from
    /// 10 %: up to one hour. Default: zero, off.
    ///
    /// It applies to an instance that was down or ejected, and to one whose URL was added to a version. When more than half
    /// of the instances in service start slowly, all get equal shares.
    pub fn with_slow_start(self, slow_start: Duration) -> Self {
        Self { slow_start: slow_start.min(HOUR), ..self }
    }

    /// Sends the requests of a version without a usable instance to the other versions of the service, by their weights.
    ///
    /// They count as diverted at the version that they were meant for. An [`Override`](crate::layer::Override) still reaches
    /// the version that it names, and no other version gets requests that has weight 0. If no other version has a usable
    /// instance either, and by default, all instances of the version are tried. By default, a version that fails shows.
    pub fn failover(self) -> Self {
        Self { is_failover: true, ..self }
    }

    /// Responds 503 to requests of a version without a usable instance, and with [`failover`](Self::failover) only if no other
    /// version can take them. By default, all its instances are tried.
    ///
    /// Instances that were not checked yet are usable while no other is, so a gateway that starts refuses nothing.
    pub fn refusing(self) -> Self {
        Self { is_refusing: true, ..self }
    }

    /// Returns the pause between two checks.
    pub(crate) const fn interval(&self) -> Duration {
        self.interval
    }

    /// Returns the time until the next check after one that contradicts the state.
    pub(crate) fn recheck(&self) -> Duration {
        RECHECK.min(self.interval)
    }

    /// Returns the time between two checks of an instance that is down.
    pub(crate) fn down_interval(&self) -> Duration {
        DOWN_INTERVAL.min(self.interval)
    }

    /// Returns the time between two checks of an instance whose service is idle.
    pub(crate) fn idle_interval(&self) -> Duration {
        self.idle_interval.max(self.interval)
    }

    /// Returns the limit of one check.
    pub(crate) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Returns how many failed requests in a row eject an instance.
    pub(crate) const fn row(&self) -> u32 {
        self.row
    }

    /// Returns whether another version serves while a version has no usable instance.
    pub(crate) const fn is_failover(&self) -> bool {
        self.is_failover
    }

    /// Returns whether requests are refused while a version has no usable instance.
    pub(crate) const fn is_refusing(&self) -> bool {
        self.is_refusing
    }

    /// Returns how many failed checks in a row take an instance down.
    pub(super) const fn falls(&self) -> u32 {
        self.falls
    }

    /// Returns how many passed checks in a row bring it back.
    pub(super) const fn rises(&self) -> u32 {
        self.rises
    }

    /// Returns how long slow start lasts. Zero: it is off.
    pub(super) const fn slow_start(&self) -> Duration {
        self.slow_start
    }

    /// Returns the nominal length of an ejection with this factor.
    pub(super) fn ejection(&self, factor: u32) -> Duration {
        self.first_ejection.saturating_mul(factor).min(self.longest_ejection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_clamped() {
        let least = Health::new()
            .with_interval(Duration::ZERO)
            .with_idle_interval(Duration::ZERO)
            .with_timeout(Duration::ZERO)
            .with_falls(0)
            .with_rises(0)
            .with_row(0)
            .with_ejection(Duration::MAX, Duration::ZERO);
        assert_eq!((least.interval(), least.recheck()), (SHORTEST_INTERVAL, SHORTEST_INTERVAL));
        assert_eq!(least.down_interval(), SHORTEST_INTERVAL);
        assert_eq!((least.idle_interval(), least.timeout()), (SHORTEST_INTERVAL, SHORTEST_TIMEOUT));
        assert_eq!((least.falls(), least.rises(), least.row()), (1, 1, 1));
        assert_eq!((least.ejection(1), least.ejection(u32::MAX)), (DAY, DAY));
        let most =
            Health::new().with_interval(Duration::MAX).with_row(u32::MAX).with_slow_start(Duration::MAX);
        assert_eq!((most.interval(), most.recheck(), most.idle_interval()), (HOUR, RECHECK, HOUR));
        assert_eq!(most.down_interval(), DOWN_INTERVAL);
        assert_eq!((most.row(), most.slow_start()), (MAX_IN_A_ROW, HOUR));
    }

    #[test]
    fn ejections_grow_up_to_the_longest() {
        let lengths = [1, 2, 9, 10, 11, u32::MAX].map(|factor| Health::new().ejection(factor).as_secs());
        assert_eq!(lengths, [30, 60, 270, 300, 300, 300]);
    }
}

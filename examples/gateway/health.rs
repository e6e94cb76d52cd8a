//! The health of instances: checks, and the choice while no instance is usable.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use tower_canary::Deployments;
use tower_canary::health::Health;

use crate::failure::Failure;
use crate::values::check_time;

/// Maximum time of the first checks at the start, after which the gateway is ready all the same.
const FIRST_CHECKS: Duration = Duration::from_secs(2);

/// The options of health checks.
#[derive(Args, Debug)]
pub(crate) struct HealthOptions {
    /// Check no instances, and take none out of service: several instances of a version are only balanced
    #[arg(long, env = "CANARY_NO_HEALTH", value_parser = BoolishValueParser::new())]
    no_health: bool,

    /// Time between two checks of an instance, if its service has a health path
    #[arg(
        long,
        value_name = "TIME",
        env = "CANARY_HEALTH_INTERVAL",
        default_value = "5s",
        value_parser = check_time
    )]
    health_interval: Duration,

    /// Maximum time of a check
    #[arg(
        long,
        value_name = "TIME",
        env = "CANARY_HEALTH_TIMEOUT",
        default_value = "2s",
        value_parser = check_time
    )]
    health_timeout: Duration,

    /// While a version has no usable instance, or none that can be connected to, send its requests to other versions by their
    /// weights. By default they are sent to its instances all the same
    #[arg(long, env = "CANARY_FAILOVER", value_parser = BoolishValueParser::new())]
    pub(crate) failover: bool,

    /// While a version has no usable instance, respond 503 to its requests
    #[arg(long, env = "CANARY_REFUSE_UNHEALTHY", value_parser = BoolishValueParser::new())]
    refuse_unhealthy: bool,

    /// Time in which an instance that returns to service gets its full share, from a tenth of it [default: none]
    #[arg(long, value_name = "TIME", env = "CANARY_SLOW_START", value_parser = check_time)]
    slow_start: Option<Duration>,
}

impl HealthOptions {
    /// Returns the settings of the library, unless checks are off.
    pub(crate) fn settings(&self) -> Option<Health> {
        if self.no_health {
            return None;
        }
        let mut health = Health::new().with_interval(self.health_interval).with_timeout(self.health_timeout);
        if self.failover {
            health = health.failover();
        }
        if self.refuse_unhealthy {
            health = health.refusing();
        }
        if let Some(time) = self.slow_start {
            health = health.with_slow_start(time);
        }
        Some(health)
    }

    /// Checks options that depend on each other.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.no_health && (self.failover || self.refuse_unhealthy || self.slow_start.is_some()) {
            return Err(Failure::from_text(
                "--no-health excludes --failover, --refuse-unhealthy and --slow-start",
            ));
        }
        Ok(())
    }
}

/// Whether the instances were checked after the start. Before that, requests would be sent to instances that are down.
#[derive(Clone, Debug, Default)]
pub(crate) struct FirstChecks {
    are_over: Arc<OnceLock<()>>,
}

impl FirstChecks {
    /// Waits for the first check of each instance. `Deployments::run` must run meanwhile.
    pub(crate) async fn wait(self, deployments: Deployments) {
        deployments.checked(FIRST_CHECKS).await;
        self.are_over.get_or_init(|| ());
    }

    pub(crate) fn are_over(&self) -> bool {
        self.are_over.get().is_some()
    }
}

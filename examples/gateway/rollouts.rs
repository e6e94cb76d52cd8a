//! Rollouts: the gates that plans may name, and the hold of the printed guide.

use std::error::Error;
use std::time::Duration;

use clap::Args;
use tower_canary::probe::{HttpGate, UrlPolicy};
use tower_canary::rollout::Rollouts;
use tower_canary::{Backend, Deployments};

use crate::failure::Failure;
use crate::values::{gate, positive_seconds};

/// The options of rollouts.
#[derive(Args)]
pub(crate) struct RolloutOptions {
    /// Gate that plans may name, and the URL that is asked by POST whether it is open; may be repeated. Every gateway needs
    /// the same gates
    #[arg(
        long = "gate",
        value_name = "NAME=URL",
        env = "CANARY_GATES",
        hide_env_values = true,
        value_delimiter = ',',
        value_parser = gate
    )]
    gates: Vec<(String, Backend)>,

    /// Time that the first rollout of the printed guide watches at each step. Plans of the admin API have their own
    #[arg(
        long,
        value_name = "SECONDS",
        env = "CANARY_DEMO_HOLD",
        default_value = "5s",
        value_parser = positive_seconds
    )]
    pub(crate) demo_hold: Duration,
}

impl RolloutOptions {
    /// Returns the rollouts of `deployments`, with the gates of these options.
    pub(crate) fn rollouts(&self, deployments: Deployments, policy: UrlPolicy) -> Result<Rollouts, Failure> {
        let mut rollouts = Rollouts::new(deployments);
        for (name, url) in &self.gates {
            rollouts = with_gate(rollouts, name, url, policy)
                .map_err(|error| Failure::new(format!("cannot use the gate {name}"), &*error))?;
        }
        Ok(rollouts)
    }
}

fn with_gate(
    rollouts: Rollouts,
    name: &str,
    url: &Backend,
    policy: UrlPolicy,
) -> Result<Rollouts, Box<dyn Error>> {
    Ok(rollouts.with_gate(name, HttpGate::new(policy, url.clone())?)?)
}

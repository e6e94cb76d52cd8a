//! Changes that move traffic.

use clap::Args;
use tower_canary::api::{self, PlainChange};
use tower_canary::routing::{ServiceName, VersionName};

use super::change;
use super::effect::Effect;
use crate::client::{Call, Endpoint};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::WriteOptions;
use crate::session::Session;
use crate::values::Weights;

/// Sets the weight of a version, or of all versions
///
/// The other active versions share the rest in proportion to their weights. A version that had no traffic is probed first.
#[derive(Args, Debug)]
#[command(
    override_usage = "canary weight [OPTIONS] SERVICE VERSION N\n       canary weight [OPTIONS] SERVICE VERSION=N VERSION=N…",
    after_help = "Examples:
  canary weight auth v1.1 10 --dry-run
  canary weight auth v1.1 12.5 --reason \"first look\" --wait
  canary weight auth v1.0=70 v1.1=30"
)]
pub(crate) struct SetWeight {
    /// Name of the service
    service: ServiceName,

    /// The version and its weight in percent, or VERSION=N for each version of the whole split
    #[arg(required = true, value_name = "VERSION N | VERSION=N…")]
    weights: Vec<String>,

    #[command(flatten)]
    write: WriteOptions,
}

/// Gives all traffic to a version, and activates it if necessary
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  canary switch auth v1.1 --reason \"release 1.1\"")]
pub(crate) struct Switch {
    /// Name of the service
    service: ServiceName,

    /// Name of the version
    version: VersionName,

    #[command(flatten)]
    write: WriteOptions,
}

/// Ends the session affinity of all pinned users: they are assigned by the present weights
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  canary redraw auth --reason \"after the incident\"")]
pub(crate) struct Redraw {
    /// Name of the service
    service: ServiceName,

    #[command(flatten)]
    write: WriteOptions,
}

impl SetWeight {
    pub(crate) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let reason = self.write.reason.clone();
        let (call, effect) = match Weights::read(&self.weights)? {
            Weights::One(version, weight) => {
                let mut body = api::SetWeight::new(weight);
                body.reason = reason;
                let call = Call::new(Endpoint::SetWeight).version(&version).body(&body)?;
                (call, Effect::weight(&version, weight))
            }
            Weights::All(weights) => {
                let mut body = api::SetWeights::new(weights.clone());
                body.reason = reason;
                (Call::new(Endpoint::SetWeights).body(&body)?, Effect::Weights(weights))
            }
        };
        change::make(session, &self.service, call, &self.write, effect).await
    }
}

impl Switch {
    pub(crate) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let call = switch_call(&self.version, &self.write)?;
        change::make(session, &self.service, call, &self.write, Effect::AllTraffic(self.version.clone()))
            .await
    }
}

/// Returns the call that gives a version all traffic.
pub(crate) fn switch_call(version: &VersionName, write: &WriteOptions) -> Result<Call, Failure> {
    Call::new(Endpoint::Switch).version(version).body(&plain_body(write))
}

/// Returns the body of a change that has no other fields.
pub(crate) fn plain_body(write: &WriteOptions) -> PlainChange {
    let mut body = PlainChange::new();
    body.reason.clone_from(&write.reason);
    body
}

impl Redraw {
    pub(crate) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let call = Call::new(Endpoint::Redraw).body(&plain_body(&self.write))?;
        change::make(session, &self.service, call, &self.write, Effect::Invisible).await
    }
}

//! The wait until a process may be stopped.

use std::time::Duration;

use clap::Args;
use tower_canary::api::{ClusterDrainView, TrafficParams, TrafficView, TrafficWait, VersionTrafficView};
use tower_canary::routing::Backend;

use super::pace::Pace;
use crate::client::{Answer, Call, Endpoint};
use crate::escape::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::verbs::versions::VersionTarget;

/// The longest wait of one call: a gateway that goes away is noticed after it.
const CALL: Duration = Duration::from_secs(20);

/// The pause after a gateway that did not respond.
const PAUSE: Duration = Duration::from_secs(1);

/// Waits until no gateway has or sends requests to a version, so that its process may be stopped
///
/// A version drains at weight 0, and once it is inactive where users are pinned. For one instance, remove its URL first.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  canary deactivate auth v1.1\n  canary wait drained auth v1.1 --timeout 1m"
)]
pub(super) struct Drained {
    #[command(flatten)]
    target: VersionTarget,

    /// Wait for the instance at this base URL alone
    #[arg(long, value_name = "URL")]
    instance: Option<Backend>,
}

impl Drained {
    /// Lets the gateway wait, in calls that are shorter than the limits of proxies in between, until the
    /// version is drained at all gateways.
    pub(super) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let mut pace = Pace::new(session);
        loop {
            let wait = pace.remaining().min(CALL);
            let answer: Answer = match pace.send(&self.call(wait)?, wait).await {
                Ok(answer) => answer,
                Err(failure) => {
                    pace.tolerate(failure, PAUSE).await?;
                    continue;
                }
            };
            let traffic: TrafficView = answer.read()?;
            let state = self.state(&traffic)?;
            if state.is_drained {
                let text = format!("{} is drained: its process may be stopped", self.subject());
                return Ok(pace.finish("drained", &answer.text, &text));
            }
            pace.show(state.text, &answer.text);
            pace.pause(Duration::ZERO).await?;
        }
    }

    /// Composes the call that responds after the drain, or after `wait`.
    fn call(&self, wait: Duration) -> Result<Call, Failure> {
        let mut params = TrafficParams::default();
        params.version = Some(self.target.version.to_string());
        params.url = self.instance.as_ref().map(Backend::to_string);
        params.wait = Some(TrafficWait::Drained);
        params.timeout = Some(format!("{}ms", wait.as_millis()));
        Call::new(Endpoint::Traffic).service(&self.target.service).query(&params)
    }

    /// Returns the version or the instance in words.
    fn subject(&self) -> String {
        match &self.instance {
            Some(instance) => format!("{} at {instance}", self.target.version),
            None => self.target.version.to_string(),
        }
    }

    /// Returns whether the wait is over, and the text to show until then.
    fn state(&self, traffic: &TrafficView) -> Result<State, Failure> {
        let version = traffic.versions.first().ok_or_else(not_shown)?;
        if self.instance.is_none() {
            let is_drained = is_drained(version.drained, version.cluster.as_ref());
            return Ok(State {
                is_drained,
                text: self.reason(version, version.in_flight, version.cluster.as_ref()),
            });
        }
        let instance = version.instances.first().ok_or_else(not_shown)?;
        let is_drained = is_drained(instance.drained, instance.cluster.as_ref());
        Ok(State { is_drained, text: self.reason(version, instance.in_flight, instance.cluster.as_ref()) })
    }

    /// Returns why the wait goes on: traffic by weight, requests in flight, or another gateway.
    fn reason(
        &self,
        version: &VersionTrafficView,
        in_flight: usize,
        cluster: Option<&ClusterDrainView>,
    ) -> String {
        let subject = self.subject();
        if self.instance.is_none() && !version.weight.weight().is_zero() {
            return format!("{subject} has {} % of the traffic: it does not drain", version.weight);
        }
        let others = match cluster.map(|cluster| &cluster.elsewhere) {
            None => String::new(),
            Some(None) => ", the other gateways are not known".into(),
            Some(Some(blockers)) => blockers
                .iter()
                .map(|blocker| format!(", {} is {}", escape(&blocker.replica), escape(&blocker.state)))
                .collect(),
        };
        format!("{subject} has {in_flight} requests in flight here{others}")
    }
}

/// What a response says of the drain.
struct State {
    is_drained: bool,
    /// Why the wait goes on.
    text: String,
}

/// Returns whether the version is drained at all gateways. Without `cluster` this gateway does not report to the others and
/// knows itself alone. Others that cannot be read are not drained.
fn is_drained(here: bool, cluster: Option<&ClusterDrainView>) -> bool {
    cluster.map_or(here, |cluster| cluster.drained_everywhere == Some(true))
}

/// Creates the failure for a response without the version that was asked for.
fn not_shown() -> Failure {
    Failure::failed("the response does not show the version")
}

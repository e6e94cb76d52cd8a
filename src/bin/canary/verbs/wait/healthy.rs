//! The wait until the instances of a version pass their probe.

use std::time::Duration;

use clap::Args;
use tower_canary::api::{CheckView, ProbeView, SplitView};
use tower_canary::routing::Backend;

use super::pace::Pace;
use crate::client::{Call, Endpoint};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::verbs::change::probe_line;
use crate::verbs::check::probe_call;
use crate::verbs::effect::find;
use crate::verbs::versions::VersionTarget;

/// The pause between two probes. The gateway makes one per second at most.
const PAUSE: Duration = Duration::from_secs(1);

/// Waits until every instance of a version passes a probe
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  canary wait healthy auth v1.1 --timeout 2m")]
pub(super) struct Healthy {
    #[command(flatten)]
    target: VersionTarget,

    /// Wait for the instance at this base URL alone
    #[arg(long, value_name = "URL")]
    instance: Option<Backend>,
}

/// The result of probing the version once.
struct ProbeResult {
    /// The failed probes of the instances that are waited for, as text. Empty: the wait is over.
    failures: String,
    /// The response of the API.
    json: String,
}

impl Healthy {
    /// Probes again and again until all instances pass, or the named one.
    pub(super) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        self.expect_instance(session).await?;
        let mut pace = Pace::new(session);
        loop {
            match self.probe(&pace).await {
                Ok(result) if result.failures.is_empty() => {
                    let text = format!("{} is healthy", self.subject());
                    return Ok(pace.finish("healthy", &result.json, &text));
                }
                Ok(result) => {
                    pace.show(result.failures, &result.json);
                    pace.pause(PAUSE).await?;
                }
                Err(failure) => pace.tolerate(failure, PAUSE).await?,
            }
        }
    }

    /// Returns the version or the instance in words.
    fn subject(&self) -> String {
        match &self.instance {
            Some(instance) => format!("{} at {instance}", self.target.version),
            None => self.target.version.to_string(),
        }
    }

    /// Refuses an instance that the version does not have: its probe would never fail.
    async fn expect_instance(&self, session: &Session) -> Result<(), Failure> {
        let Some(instance) = &self.instance else { return Ok(()) };
        let answer = session.api.send(&Call::new(Endpoint::Versions).service(&self.target.service)).await?;
        let split: SplitView = answer.read()?;
        let version = &self.target.version;
        let has_instance =
            find(&split, version).is_some_and(|found| found.urls.iter().any(|url| url == instance.as_str()));
        if has_instance {
            return Ok(());
        }
        Err(Failure::refused(format!(
            "{version} has no instance at {instance}: see `canary status {}`",
            self.target.service
        )))
    }

    /// Lets the gateway probe the version. A gateway that makes no probes is a refusal.
    async fn probe(&self, pace: &Pace<'_>) -> Result<ProbeResult, Failure> {
        match pace.send(&probe_call(&self.target, false)?, Duration::ZERO).await {
            Ok(answer) => {
                let check: CheckView = answer.read()?;
                if check.healthy.is_none() {
                    return Err(Failure::refused("this gateway makes no probes, so the health is not known"));
                }
                Ok(ProbeResult { failures: self.failures(&check.probes), json: answer.text })
            }
            Err(Failure::Problem { problem, json }) if problem.r#type == "backend-unhealthy" => {
                let has_probes = !problem.probes.is_empty();
                let failures = if has_probes { self.failures(&problem.probes) } else { problem.detail };
                Ok(ProbeResult { failures, json })
            }
            Err(failure) => Err(failure),
        }
    }

    /// Lists the probes that failed, of the instances that are waited for.
    fn failures(&self, probes: &[ProbeView]) -> String {
        let is_wanted =
            |probe: &&ProbeView| self.instance.as_ref().is_none_or(|instance| probe.url == instance.as_str());
        let failed = probes.iter().filter(|probe| !probe.healthy).filter(is_wanted);
        failed.map(probe_line).collect::<Vec<_>>().join("; ")
    }
}

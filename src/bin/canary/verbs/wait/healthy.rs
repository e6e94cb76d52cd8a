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
use crate::verbs::asked::find;
use crate::verbs::change::probed;
use crate::verbs::check::probe;
use crate::verbs::versions::Named;

/// The pause between two probes. The gateway makes one per second at most.
const PAUSE: Duration = Duration::from_secs(1);

/// Waits until every instance of a version passes a probe
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  canary wait healthy auth v1.1 --timeout 2m")]
pub(super) struct Healthy {
    #[command(flatten)]
    named: Named,

    /// Wait for the instance at this base URL alone
    #[arg(long, value_name = "URL")]
    instance: Option<Backend>,
}

/// The result of one probe of the version.
struct Seen {
    /// The failed probes that the wait is about, as text. Empty: it is over.
    failed: String,
    /// The response of the API.
    json: String,
}

impl Healthy {
    /// Probes again and again until all instances pass, or the named one.
    pub(super) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        self.expect_instance(session).await?;
        let mut pace = Pace::new(session);
        loop {
            match self.look(session).await {
                Ok(seen) if seen.failed.is_empty() => {
                    let text = format!("{} is healthy", self.subject());
                    return Ok(pace.done("healthy", &seen.json, &text));
                }
                Ok(seen) => {
                    pace.show(seen.failed, &seen.json);
                    pace.pause(PAUSE).await?;
                }
                Err(failure) => pace.bear(failure, PAUSE).await?,
            }
        }
    }

    /// Returns the version or the instance in words.
    fn subject(&self) -> String {
        match &self.instance {
            Some(instance) => format!("{} at {instance}", self.named.version),
            None => self.named.version.to_string(),
        }
    }

    /// Refuses an instance that the version does not have: its probe would never fail.
    async fn expect_instance(&self, session: &Session) -> Result<(), Failure> {
        let Some(instance) = &self.instance else { return Ok(()) };
        let answer = session.api.send(&Call::new(Endpoint::Versions).service(&self.named.service)).await?;
        let split: SplitView = answer.read()?;
        let version = &self.named.version;
        let has =
            find(&split, version).is_some_and(|found| found.urls.iter().any(|url| url == instance.as_str()));
        if has {
            return Ok(());
        }
        Err(Failure::refused(format!(
            "{version} has no instance at {instance}: see `canary status {}`",
            self.named.service
        )))
    }

    /// Has the version probed. A problem lists the probes that failed, a success lists all.
    async fn look(&self, session: &Session) -> Result<Seen, Failure> {
        match probe(session, &self.named, false).await {
            Ok(answer) => {
                let check: CheckView = answer.read()?;
                if check.healthy.is_none() {
                    return Err(Failure::refused("this gateway makes no probes, so the health is not known"));
                }
                Ok(Seen { failed: self.failed(&check.probes), json: answer.text })
            }
            Err(Failure::Problem { problem, json }) if problem.r#type == "backend-unhealthy" => {
                let is_silent = problem.probes.is_empty();
                let failed = if is_silent { problem.detail } else { self.failed(&problem.probes) };
                Ok(Seen { failed, json })
            }
            Err(failure) => Err(failure),
        }
    }

    /// Lists the probes that failed, of the instances that are waited for.
    fn failed(&self, probes: &[ProbeView]) -> String {
        let is_wanted =
            |probe: &&ProbeView| self.instance.as_ref().is_none_or(|instance| probe.url == instance.as_str());
        let failed = probes.iter().filter(|probe| !probe.healthy).filter(is_wanted);
        failed.map(probed).collect::<Vec<_>>().join("; ")
    }
}

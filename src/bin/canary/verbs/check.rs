//! Probes on request.

use clap::Args;
use tower_canary::api::{CheckVersion, CheckView};

use super::change::probe_line;
use super::versions::VersionTarget;
use crate::client::{Call, Endpoint};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// Probes the instances of a version now
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  canary check auth v1.1\n  canary check auth v1.1 --clear")]
pub(crate) struct Check {
    #[command(flatten)]
    target: VersionTarget,

    /// End the ejection of each instance that passes
    #[arg(long)]
    clear: bool,
}

impl Check {
    /// Probes the version now. A probe that fails is a result and not a failure of the verb.
    pub(crate) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let answer = session.api.send(&probe_call(&self.target, self.clear)?).await?;
        let check: CheckView = answer.read()?;
        session.terminal.answer(&answer.text, || text(&check));
        Ok(Exit::Done)
    }
}

/// Composes the call that probes a version. With fewer than half of its instances healthy, the response is the problem
/// `backend-unhealthy`.
pub(crate) fn probe_call(target: &VersionTarget, clear: bool) -> Result<Call, Failure> {
    let call = Call::new(Endpoint::Check).service(&target.service).version(&target.version);
    call.body(&CheckVersion::new().with_clear(clear))
}

/// Returns a line for each probe.
pub(crate) fn text(check: &CheckView) -> String {
    if check.healthy.is_none() {
        return "this gateway makes no probes\n".into();
    }
    check.probes.iter().map(|probe| probe_line(probe) + "\n").collect()
}

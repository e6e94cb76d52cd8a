//! The way back after a rollout.

use clap::Args;
use tower_canary::api::{HistoryPage, PageParams, SplitView};
use tower_canary::routing::{ServiceName, VersionName};

use super::back::{leading_version, rollback_target};
use super::change;
use super::effect::Effect;
use super::weights::switch_call;
use crate::client::{Call, Endpoint};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::WriteOptions;
use crate::output::figures::ago;
use crate::session::Session;

/// Gives all traffic back to the version that had most of it before the last rollout
///
/// The history says which version that is: the heaviest one before a change, if it is older than the version that leads now
/// and still registered.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  canary switch auth v1.1
  canary rollback auth --reason \"v1.1 responds with 500\"
  canary rollback auth --to v1.0")]
pub(crate) struct Rollback {
    /// Name of the service
    service: ServiceName,

    /// Version to go back to, instead of the one that the history names
    #[arg(long, value_name = "VERSION")]
    to: Option<VersionName>,

    #[command(flatten)]
    write: WriteOptions,
}

impl Rollback {
    /// Switches to the version before. If the history names it, the change expects the generation that was
    /// read: another change in between may have made it the wrong one.
    pub(crate) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let answer = session.api.send(&Call::new(Endpoint::Versions).service(&self.service)).await?;
        let split: SplitView = answer.read()?;
        let target = match &self.to {
            Some(version) => version.clone(),
            None => self.find(session, &split).await?,
        };
        let mut write = self.write.clone();
        // The choice holds for the split that was read. A version that was named is chosen whatever has changed.
        if self.to.is_none() {
            write.if_generation = write.if_generation.or(Some(split.generation));
        }
        if write.reason.is_none() {
            let from = leading_version(&split).map(|lead| format!("rollback from {}", lead.version));
            write.reason = from.and_then(|reason| reason.parse().ok());
        }
        let call = switch_call(&target, &write)?;
        change::make(session, &self.service, call, &write, Effect::AllTraffic(target)).await
    }

    /// Reads the history until it names a version.
    async fn find(&self, session: &Session, split: &SplitView) -> Result<VersionName, Failure> {
        let mut params = PageParams::default();
        params.limit = Some(PageParams::MAX_LIMIT);
        loop {
            let call = Call::new(Endpoint::History).service(&self.service).query(&params)?;
            let page: HistoryPage = session.api.send(&call).await?.read()?;
            if let Some((version, entry)) = rollback_target(split, &page.history) {
                let name = &version.version;
                session.terminal.log(&format!(
                    "note: back to {name}, which had most of the traffic before generation {} ({}, {})",
                    entry.generation,
                    entry.request.actor,
                    ago(entry.at)
                ));
                return name.parse().map_err(|error| Failure::failed(format!("{error}")));
            }
            params.before = page.next_before;
            if params.before.is_none() {
                let service = &self.service;
                return Err(Failure::refused(format!(
                    "the history of {service} has no earlier version that is still registered: name one with --to"
                )));
            }
        }
    }
}

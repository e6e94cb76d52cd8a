//! The present state of a rollout.

use clap::Args;
use tower_canary::api::{PageParams, RolloutDetails, RolloutPage};
use tower_canary::routing::ServiceName;

use super::rail;
use crate::client::{Answer, Call, Endpoint};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// Shows the rollout of a service: the one under way, or the last one
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  canary rollout start auth v1.1\n  canary rollout status auth")]
pub(super) struct Status {
    /// Name of the service
    service: ServiceName,
}

impl Status {
    /// Shows the rollout that is under way, or else the last one.
    pub(super) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let answer = self.read(session).await?;
        let details: RolloutDetails = answer.read()?;
        session.terminal.answer(&answer.text, || rail::text(&details));
        Ok(Exit::Done)
    }

    /// Reads the present rollout, or the last one that is over.
    async fn read(&self, session: &Session) -> Result<Answer, Failure> {
        let call = Call::new(Endpoint::Rollout).service(&self.service);
        let none = match session.api.send(&call.clone().rollout("current")).await {
            Err(failure) if failure.problem("unknown-rollout").is_some() => failure,
            result => return result,
        };
        let mut params = PageParams::default();
        params.limit = Some(1);
        let list = Call::new(Endpoint::Rollouts).service(&self.service).query(&params)?;
        let page: RolloutPage = session.api.send(&list).await?.read()?;
        let Some(last) = page.rollouts.first() else { return Err(none) };
        session.api.send(&call.rollout(&last.id)).await
    }
}

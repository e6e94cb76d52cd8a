//! The rollouts under way, or all of one service.

use std::time::Duration;

use clap::Args;
use tower_canary::api::{PageParams, RolloutList, RolloutPage, RolloutSummary};
use tower_canary::routing::ServiceName;

use super::progress;
use crate::client::{Call, Endpoint};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::figures::{ago, time, weight};
use crate::output::{Cell, Column, Table};
use crate::session::Session;

/// Lists the rollouts under way, or the last ones of a service
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  canary rollout list\n  canary rollout list auth --limit 5")]
pub(super) struct List {
    /// Name of the service
    service: Option<ServiceName>,

    /// Number of rollouts
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
}

impl List {
    /// Lists the rollouts under way, or all of one service.
    pub(super) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let Some(service) = &self.service else {
            let answer = session.api.send(&Call::new(Endpoint::LiveRollouts)).await?;
            let list: RolloutList = answer.read()?;
            session.terminal.answer(&answer.text, || text(&list.rollouts));
            return Ok(Exit::Done);
        };
        let mut params = PageParams::default();
        params.limit = Some(self.limit);
        let answer =
            session.api.send(&Call::new(Endpoint::Rollouts).service(service).query(&params)?).await?;
        let page: RolloutPage = answer.read()?;
        session.terminal.answer(&answer.text, || text(&page.rollouts));
        Ok(Exit::Done)
    }
}

/// Returns the table of rollouts.
fn text(rollouts: &[RolloutSummary]) -> String {
    let mut table = Table::new(&[
        Column::left("SERVICE"),
        Column::left("VERSION"),
        Column::left("ROLLOUT"),
        Column::left("STATE"),
        Column::right("STEP"),
        Column::right("WEIGHT"),
        Column::right("WATCHED"),
        Column::left("STARTED"),
    ]);
    for rollout in rollouts {
        table.row(vec![
            Cell::name(&rollout.service),
            Cell::name(&rollout.version),
            progress::short(&rollout.id).into(),
            progress::state(rollout),
            format!("{} of {}", rollout.step, rollout.steps).into(),
            weight(rollout.weight).into(),
            time(Duration::from_millis(rollout.watched_ms)).into(),
            format!("{} by {}", ago(rollout.created_at), rollout.actor).into(),
        ]);
    }
    table.render()
}

//! The start of a rollout.

use std::fmt::Write;
use std::time::Duration;

use clap::Args;
use tower_canary::api::{ChangeReason, RolloutPreview, RolloutSummary, StartParams};

use super::plan::PlanOptions;
use super::watch::{self, LIMIT};
use super::{progress, watch::follow};
use crate::client::{Answer, Call, Endpoint};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::figures::time;
use crate::output::{Cell, Column, Table};
use crate::session::Session;
use crate::verbs::change::move_line;
use crate::verbs::versions::VersionTarget;

/// Starts a rollout, or returns the one by the same plan that is under way
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  canary rollout start auth v1.1 --steps 5,25,50 --hold 5m --dry-run
  canary rollout start auth v1.1 --steps 5,25,50 --hold 5m --max-failed 1 --reason \"release 1.1\"
  canary rollout abort auth")]
pub(super) struct Start {
    #[command(flatten)]
    target: VersionTarget,

    #[command(flatten)]
    plan: PlanOptions,

    /// Why the rollout is started
    #[arg(long, value_name = "TEXT")]
    reason: Option<ChangeReason>,

    /// Start nothing, and show the weights of each step, who would move, and how long it takes
    #[arg(long)]
    dry_run: bool,

    /// Wait for the end: 4h, or --timeout. Exit codes 6: taken back, 7: paused
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
}

impl Start {
    /// Starts the rollout, shows what it would do, or waits for its end, by the options.
    pub(super) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let deadline = session.deadline(LIMIT);
        let answer = session.api.send(&self.call()?).await?;
        if self.dry_run {
            let preview: RolloutPreview = answer.read()?;
            session.terminal.answer(&answer.text, || text(&preview));
            return Ok(Exit::Done);
        }
        let rollout: RolloutSummary = answer.read()?;
        if self.wait {
            return follow(session, &rollout, deadline).await;
        }
        show_started(session, &answer, &rollout);
        Ok(Exit::Done)
    }

    /// Composes the call that starts the rollout or previews it.
    fn call(&self) -> Result<Call, Failure> {
        let mut body = self.plan.body(&self.target.version)?;
        if self.reason.is_some() {
            body.reason.clone_from(&self.reason);
        }
        let mut params = StartParams::default();
        params.dry_run = self.dry_run;
        Call::new(Endpoint::StartRollout).service(&self.target.service).query(&params)?.body(&body)
    }
}

/// Shows the rollout that was started, and how to watch it: the program ends here and the rollout goes on.
fn show_started(session: &Session, answer: &Answer, rollout: &RolloutSummary) {
    session.terminal.answer(&answer.text, || progress::summary(rollout) + "\n");
    let service = &rollout.service;
    session
        .terminal
        .log(&format!("note: the gateways drive it: watch it with `canary rollout watch {service}`"));
}

/// Returns the weights of each stage, the users who move, and the times.
fn text(preview: &RolloutPreview) -> String {
    let mut table = Table::new(&[
        Column::right("STEP"),
        Column::right("WEIGHT"),
        Column::right("HOLD"),
        Column::left("GATES"),
        Column::left("USERS WHO MOVE"),
    ]);
    for previewed in &preview.stages {
        let stage = &previewed.stage;
        table.row(vec![
            stage.step.to_string().into(),
            format!("{} %", stage.weight).into(),
            time(Duration::from_millis(stage.hold_ms)).into(),
            watch::list(&stage.gates).into(),
            watch::list(&previewed.moves.iter().map(move_line).collect::<Vec<_>>()).into(),
        ]);
    }
    if let Some(end) = &preview.end {
        let moves = watch::list(&end.moves.iter().map(move_line).collect::<Vec<_>>());
        table.row(vec!["end".into(), format!("{} %", end.weight).into(), "".into(), "".into(), moves.into()]);
    }
    let name = Cell::name(&preview.service).render();
    let version = Cell::name(&preview.version).render();
    let mut text = format!("{name}  {version}  dry run: nothing was started\n{}", table.render());
    let times = [preview.shortest_ms, preview.longest_ms].map(|millis| time(Duration::from_millis(millis)));
    let _ = writeln!(text, "it takes {} to {}, without gates and windows of time", times[0], times[1]);
    text
}

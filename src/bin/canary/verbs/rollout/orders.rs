//! Orders to a rollout that is under way.

use clap::Args;
use serde::Serialize;
use tower_canary::api::{AbortParams, ChangeReason, PlainChange, RolloutSummary, StepOrder};
use tower_canary::routing::ServiceName;

use super::progress;
use crate::client::{Call, Endpoint};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// What each order has.
#[derive(Args, Debug)]
struct Target {
    /// Name of the service
    service: ServiceName,

    /// Why, for the events of the rollout
    #[arg(long, value_name = "TEXT")]
    reason: Option<ChangeReason>,
}

/// What an order about one step has besides.
#[derive(Args, Debug)]
struct StepTarget {
    #[command(flatten)]
    target: Target,

    /// Number of the step that you mean. Left out: the present one
    step: Option<u32>,
}

/// Opens the gate `approval` of a step
#[derive(Args, Debug)]
#[command(after_help = "Example:
  canary rollout start auth v1.1 --steps 5,25 --gate approval
  canary rollout watch auth --timeout 8s || true
  canary rollout approve auth")]
pub(super) struct Approve {
    #[command(flatten)]
    order: StepTarget,
}

/// Goes on to the next step now, whatever the guard still waits for
#[derive(Args, Debug)]
#[command(after_help = "Example:
  canary rollout start auth v1.1 --steps 5,25
  canary rollout watch auth --timeout 8s || true
  canary rollout advance auth")]
pub(super) struct Advance {
    #[command(flatten)]
    order: StepTarget,
}

/// Keeps the weights as they are until `canary rollout resume`
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  canary rollout start auth v1.1\n  canary rollout pause auth --reason \"a look at the logs\""
)]
pub(super) struct Pause {
    #[command(flatten)]
    target: Target,
}

/// Goes on after a pause. A step that was inconclusive counts as passed
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  canary rollout start auth v1.1\n  canary rollout pause auth\n  canary rollout resume auth"
)]
pub(super) struct Resume {
    #[command(flatten)]
    target: Target,
}

/// Skips the steps that are left: the version gets all traffic after the last hold
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  canary rollout start auth v1.1\n  canary rollout promote auth")]
pub(super) struct Promote {
    #[command(flatten)]
    target: Target,
}

/// Ends the rollout and brings back the weights of its start
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  canary rollout start auth v1.1\n  canary rollout abort auth --reason \"wrong build\""
)]
pub(super) struct Abort {
    #[command(flatten)]
    target: Target,

    /// Go back even if the versions of the start do not pass their probe
    #[arg(long)]
    force: bool,
}

impl Approve {
    pub(super) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        self.order.send(session, Endpoint::ApproveRollout).await
    }
}

impl Advance {
    pub(super) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        self.order.send(session, Endpoint::AdvanceRollout).await
    }
}

impl Pause {
    pub(super) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        self.target.send_plain(session, Call::new(Endpoint::PauseRollout)).await
    }
}

impl Resume {
    pub(super) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        self.target.send_plain(session, Call::new(Endpoint::ResumeRollout)).await
    }
}

impl Promote {
    pub(super) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        self.target.send_plain(session, Call::new(Endpoint::PromoteRollout)).await
    }
}

impl Abort {
    pub(super) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let mut params = AbortParams::default();
        params.force = self.force;
        self.target.send_plain(session, Call::new(Endpoint::AbortRollout).query(&params)?).await
    }
}

impl Target {
    /// Sends an order that needs nothing but a reason.
    async fn send_plain(&self, session: &Session, call: Call) -> Result<Exit, Failure> {
        let mut body = PlainChange::new();
        body.reason.clone_from(&self.reason);
        self.send(session, call, &body).await
    }

    /// Sends an order to the rollout that is under way, and shows the rollout after it.
    async fn send(&self, session: &Session, call: Call, body: &impl Serialize) -> Result<Exit, Failure> {
        let answer = session.api.send(&call.service(&self.service).rollout("current").body(body)?).await?;
        let rollout: RolloutSummary = answer.read()?;
        session.terminal.answer(&answer.text, || progress::summary(&rollout) + "\n");
        Ok(Exit::Done)
    }
}

impl StepTarget {
    /// Sends the order about the step that is named, or about the present one.
    async fn send(&self, session: &Session, endpoint: Endpoint) -> Result<Exit, Failure> {
        let step = match self.step {
            Some(step) => step,
            None => self.present_step(session).await?,
        };
        let mut body = StepOrder::new(step);
        body.reason.clone_from(&self.target.reason);
        self.target.send(session, Call::new(endpoint), &body).await
    }

    /// Returns the number of the present step, for an order that does not name one. The number is logged, so that a person
    /// sees which step the order was for.
    async fn present_step(&self, session: &Session) -> Result<u32, Failure> {
        let call = Call::new(Endpoint::Rollout).service(&self.target.service).rollout("current");
        let rollout: RolloutSummary = session.api.send(&call).await?.read()?;
        let step = u32::try_from(rollout.step).unwrap_or(u32::MAX);
        session.terminal.log(&format!("note: the present step is {step} of {}", rollout.steps));
        Ok(step)
    }
}

//! The verb `rollout`.

use clap::{Args, Subcommand};

use super::list::List;
use super::orders::{Abort, Advance, Approve, Pause, Promote, Resume};
use super::start::Start;
use super::status::Status;
use super::watch::Watch;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// Starts, watches and steers a rollout: the gateways drive it by its plan and take it back if the version is worse
#[derive(Args, Debug)]
pub(crate) struct Rollout {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    Start(Start),
    List(List),
    Status(Status),
    Watch(Watch),
    Approve(Approve),
    Advance(Advance),
    Pause(Pause),
    Resume(Resume),
    Promote(Promote),
    Abort(Abort),
}

impl Rollout {
    /// Runs the order.
    #[expect(clippy::cognitive_complexity, reason = "one arm for each order")]
    pub(crate) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let result = match &self.order {
            Order::Start(order) => order.run(session).await,
            Order::List(order) => order.run(session).await,
            Order::Status(order) => order.run(session).await,
            Order::Watch(order) => order.run(session).await,
            Order::Approve(order) => order.run(session).await,
            Order::Advance(order) => order.run(session).await,
            Order::Pause(order) => order.run(session).await,
            Order::Resume(order) => order.run(session).await,
            Order::Promote(order) => order.run(session).await,
            Order::Abort(order) => order.run(session).await,
        };
        if let Err(failure) = &result
            && failure.problem("not-found").is_some()
        {
            session.terminal.log("note: this gateway has no rollouts: move the weights with `canary weight`");
        }
        result
    }
}

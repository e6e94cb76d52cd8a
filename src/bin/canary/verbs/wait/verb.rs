//! The verb `wait`.

use clap::{Args, Subcommand};

use super::converged::Converged;
use super::drained::Drained;
use super::healthy::Healthy;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// Waits until something is true: 10m, or --timeout. Exit code 5: the time ran out
#[derive(Args, Debug)]
pub(crate) struct Wait {
    #[command(subcommand)]
    until: Until,
}

#[derive(Debug, Subcommand)]
enum Until {
    Drained(Drained),
    Converged(Converged),
    Healthy(Healthy),
}

impl Wait {
    pub(crate) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        match &self.until {
            Until::Drained(wait) => wait.run(session).await,
            Until::Converged(wait) => wait.run(session).await,
            Until::Healthy(wait) => wait.run(session).await,
        }
    }
}

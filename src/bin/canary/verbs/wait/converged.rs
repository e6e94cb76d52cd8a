//! The wait until all gateways serve the last change.

use std::time::Duration;

use clap::Args;
use tower_canary::api::ReplicaList;

use super::pace::Pace;
use crate::client::{Call, Endpoint};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::verbs::replicas::summary;

/// The pause between two reads. A gateway follows a change within about a second and reports every 5 s.
const PAUSE: Duration = Duration::from_millis(500);

/// Waits until all gateways serve the last change
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  canary wait converged --timeout 1m")]
pub(super) struct Converged {}

impl Converged {
    /// Asks again and again until each gateway serves the last revision. A gateway that does not respond is
    /// asked again too.
    pub(super) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let mut pace = Pace::new(session);
        loop {
            let answer = match pace.send(&Call::new(Endpoint::Replicas), Duration::ZERO).await {
                Ok(answer) => answer,
                Err(failure) => {
                    pace.tolerate(failure, PAUSE).await?;
                    continue;
                }
            };
            let list: ReplicaList = answer.read()?;
            let text = summary(&list);
            if list.converged {
                return Ok(pace.finish("converged", &answer.text, &text));
            }
            pace.show(text, &answer.text);
            pace.pause(PAUSE).await?;
        }
    }
}

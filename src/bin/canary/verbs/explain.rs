//! Which version a key gets.

use clap::Args;
use tower_canary::api::{ExplainParams, ExplanationView};
use tower_canary::routing::ServiceName;

use crate::client::{Call, Endpoint};
use crate::escape::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Cell;
use crate::session::Session;
use crate::values::Weights;

/// Says which version a key gets, and why
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  canary explain auth alice\n  canary explain auth alice --weights v1.0=50 v1.1=50"
)]
pub(crate) struct Explain {
    /// Name of the service
    service: ServiceName,

    /// Key of a user, as the gateway finds it in a request
    key: String,

    /// Explain a split with these weights instead of the present ones
    #[arg(long, value_name = "VERSION=N", num_args = 1..)]
    weights: Vec<String>,
}

impl Explain {
    /// Asks a gateway which version the key gets.
    pub(crate) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let mut params = ExplainParams::new(&self.key);
        params.weights = self.weights()?;
        let call = Call::new(Endpoint::Explain).service(&self.service).query(&params)?;
        let answer = session.api.send(&call).await?;
        let explanation: ExplanationView = answer.read()?;
        session.terminal.answer(&answer.text, || text(&explanation));
        Ok(Exit::Done)
    }

    /// Returns the weights in the form of the API: `v1.0:50,v1.1:50`.
    fn weights(&self) -> Result<Option<String>, Failure> {
        if self.weights.is_empty() {
            return Ok(None);
        }
        let Weights::All(weights) = Weights::read(&self.weights)? else {
            return Err(Failure::usage("--weights needs the whole split as VERSION=N VERSION=N …"));
        };
        let pairs: Vec<String> =
            weights.iter().map(|(version, weight)| format!("{version}:{weight}")).collect();
        Ok(Some(pairs.join(",")))
    }
}

/// Returns the explanation in one line.
fn text(explanation: &ExplanationView) -> String {
    let key = escape(&explanation.key);
    let slot = explanation.slot;
    match (&explanation.version, &explanation.weight) {
        (Some(version), Some(weight)) => {
            let version = Cell::name(version).render();
            format!("{version}  at {weight} %, for the key {key} in slot {slot}\n")
        }
        _ => format!("no version is active, for the key {key} in slot {slot}\n"),
    }
}

//! The command line of the admin API. `canary --help` lists its verbs, and the page `docs::command_line` of the crate
//! describes them.
//!
//! The program uses the wire types of `tower_canary::api` and the names and weights of `tower_canary::routing`, and nothing
//! else of the crate.
//!
//! How a call goes through the files:
//!
//! 1. `cli` and `options` parse the command line with clap. The comments on their fields are the help texts,
//!    and each fault in the usage ends here with the exit code 2, before any call.
//! 2. A verb of `verbs` composes a `client::Call`: an `Endpoint` with its path, its query and its body. The
//!    bodies are the types of [`tower_canary::api`].
//! 3. `client::Api` sends it. It tries the other addresses and waits between rounds, but repeats only what
//!    may be repeated: `Endpoint::repeat` says which operations these are.
//! 4. `output` writes the response: as text for people, with every text of others escaped, or as the JSON of
//!    the API for programs. stdout has the response alone; notes, progress and errors go to stderr.
//! 5. `exit` and `failure` decide the exit code, which is the same for every verb.
//!
//! A verb writes through `output` alone and never exits by itself, so each is a function from options to an exit code.

mod cli;
mod client;
mod escape;
mod exit;
mod failure;
mod form;
mod options;
mod output;
mod session;
mod signals;
mod values;
mod verbs;

use std::process::ExitCode;

use self::cli::Cli;
use self::exit::Exit;
use self::failure::Failure;
use self::session::Session;

fn main() -> ExitCode {
    let cli = Cli::read();
    let exit = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run(&cli)),
        Err(error) => Err(Failure::failed(format!("cannot start: {error}"))),
    };
    let exit = exit.unwrap_or_else(|failure| {
        failure.report(cli.global.output);
        failure.exit()
    });
    ExitCode::from(exit.code())
}

/// Runs the verb until it ends or a signal ends the program.
async fn run(cli: &Cli) -> Result<Exit, Failure> {
    if let Some(done) = cli.verb.run_offline() {
        return done;
    }
    let session = Session::open(&cli.global)?;
    // Before the first call: from here on a signal cannot end the program without its last words.
    let interrupted = signals::interrupted()?;
    let exit = tokio::select! {
        exit = cli.verb.run(&session) => exit?,
        () = interrupted => session.farewell(),
    };
    session.check_written()?;
    Ok(exit)
}

//! The command line of the admin API. `canary --help` lists its verbs, and the page `docs::command_line` of the crate
//! describes them.
//!
//! The program uses the wire types of `tower_canary::api` and the names and weights of `tower_canary::routing`, and nothing
//! else of the crate.

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
    session.written()?;
    Ok(exit)
}

//! The command line: the verbs and their help.

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::options::GlobalOptions;
use crate::session::Session;
use crate::verbs;

/// Moves traffic between the versions of services: the command line of the admin API of tower-canary.
///
/// The answer is on stdout, everything else on stderr. There are no prompts and no configuration file: look before with
/// --dry-run, go back with `canary rollback`.
#[derive(Debug, Parser)]
#[command(name = "canary", version, after_help = HELP, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalOptions,

    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const HELP: &str = "Examples:
  canary status
  canary weight auth v1.1 10 --reason \"first look\"
  canary rollback auth

The address is in CANARY_URL, the token in CANARY_TOKEN or in the file CANARY_TOKEN_FILE. `canary help exit-codes` lists the
exit codes.";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Status(verbs::Status),
    Register(verbs::Register),
    Weight(verbs::SetWeight),
    Switch(verbs::Switch),
    Rollback(verbs::Rollback),
    Restore(verbs::Restore),
    History(verbs::History),
    Activate(verbs::Activate),
    Deactivate(verbs::Deactivate),
    Check(verbs::Check),
    Remove(verbs::Remove),
    Url(verbs::ChangeUrls),
    Redraw(verbs::Redraw),
    Explain(verbs::Explain),
    Replicas(verbs::Replicas),
    Traffic(verbs::Traffic),
    Wait(verbs::Wait),
    Rollout(verbs::Rollout),
    Top(verbs::Top),
    Completions(verbs::Completions),
    Man(verbs::Man),
    ExitCodes(ExitCodes),
}

/// Lists the exit codes
#[derive(Args, Debug)]
#[command(long_about = exit::table(), after_help = "Example:\n  canary exit-codes")]
pub(crate) struct ExitCodes {}

impl Cli {
    /// Reads the arguments and the environment. `--help`, `--version` and wrong usage end the program here.
    pub(crate) fn read() -> Self {
        let matches = without_idle_variables(Self::command()).get_matches();
        let mut cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        cli.global.is_token_file_option =
            matches.value_source("token_file") == Some(clap::parser::ValueSource::CommandLine);
        cli
    }
}

/// Removes the variables that are set to nothing: scripts unset an option that way. Without any argument, the help is shown
/// whatever is set.
fn without_idle_variables(command: clap::Command) -> clap::Command {
    let is_alone = std::env::args_os().len() <= 1;
    command.mut_args(|argument| {
        let value = argument.get_env().and_then(std::env::var_os);
        let is_idle = is_alone || value.is_some_and(|value| value.is_empty());
        if is_idle { argument.env(None::<&str>) } else { argument }
    })
}

impl Verb {
    /// Runs a verb that needs no API. `None`: it needs one.
    pub(crate) fn run_offline(&self) -> Option<Result<Exit, Failure>> {
        match self {
            Self::Completions(verb) => Some(verb.run(Cli::command())),
            Self::Man(verb) => Some(verb.run(Cli::command())),
            Self::ExitCodes(_) => Some(verbs::print(&exit::table())),
            _ => None,
        }
    }

    /// Runs the verb.
    #[expect(clippy::cognitive_complexity, reason = "one arm for each verb")]
    pub(crate) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        match self {
            Self::Status(verb) => verb.run(session).await,
            Self::Register(verb) => verb.run(session).await,
            Self::Weight(verb) => verb.run(session).await,
            Self::Switch(verb) => verb.run(session).await,
            Self::Rollback(verb) => verb.run(session).await,
            Self::Restore(verb) => verb.run(session).await,
            Self::History(verb) => verb.run(session).await,
            Self::Activate(verb) => verb.run(session).await,
            Self::Deactivate(verb) => verb.run(session).await,
            Self::Check(verb) => verb.run(session).await,
            Self::Remove(verb) => verb.run(session).await,
            Self::Url(verb) => verb.run(session).await,
            Self::Redraw(verb) => verb.run(session).await,
            Self::Explain(verb) => verb.run(session).await,
            Self::Replicas(verb) => verb.run(session).await,
            Self::Traffic(verb) => verb.run(session).await,
            Self::Wait(verb) => verb.run(session).await,
            Self::Rollout(verb) => verb.run(session).await,
            Self::Top(verb) => verb.run(session).await,
            Self::Completions(_) | Self::Man(_) | Self::ExitCodes(_) => Ok(Exit::Done),
        }
    }
}

//! The options that every verb has, and those that every write has.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tower_canary::api::{ChangeParams, ChangeReason, ChangeWait};

use crate::form::Form;
use crate::values::duration;

/// The heading of the options of all verbs in the help.
const GLOBAL: &str = "Global options";

/// Where the API is, and how to write.
#[derive(Args, Clone, Debug)]
pub(crate) struct GlobalOptions {
    /// Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of
    /// gateways on one database: the next one is asked when one does not respond
    #[arg(
        long,
        value_name = "URL",
        env = "CANARY_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8081",
        global = true,
        help_heading = GLOBAL
    )]
    pub(crate) url: String,

    /// File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other
    /// users see the arguments of a process
    #[arg(long, value_name = "FILE", env = "CANARY_TOKEN_FILE", hide_env_values = true, global = true, help_heading = GLOBAL)]
    pub(crate) token_file: Option<PathBuf>,

    /// Whether the file is named on the command line, and not by its variable.
    #[arg(skip)]
    pub(crate) is_token_file_option: bool,

    /// File with PEM certificates to trust, besides the certificates of the system
    #[arg(long, value_name = "FILE", env = "CANARY_CA_CERT", hide_env_values = true, global = true, help_heading = GLOBAL)]
    pub(crate) ca_cert: Option<PathBuf>,

    /// Form of the answer: text for people, or the JSON of the API unchanged
    #[arg(
        short,
        long,
        value_name = "FORM",
        value_enum,
        default_value_t = Form::Text,
        global = true,
        help_heading = GLOBAL
    )]
    pub(crate) output: Form,

    /// Longest time of a wait. A call has 10s at most
    #[arg(long, value_name = "TIME", value_parser = duration, global = true, help_heading = GLOBAL)]
    pub(crate) timeout: Option<Duration>,

    /// Write nothing to stderr but errors
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    pub(crate) quiet: bool,
}

/// The options of a change.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Options of a change")]
pub(crate) struct WriteOptions {
    /// Why the change is made, for the history
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<ChangeReason>,

    /// Make the change only if the split is at this generation
    #[arg(long, value_name = "N")]
    pub(crate) if_generation: Option<u64>,

    /// Make no change, and show the split that it would make and which users would move
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Skip the probe, and allow to take the last active version out of service
    #[arg(long)]
    pub(crate) force: bool,

    /// Wait until all gateways serve the change: 5s, or --timeout up to 60s
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) wait: bool,
}

impl WriteOptions {
    /// Returns the query parameters of the change.
    pub(crate) fn params(&self, timeout: Option<Duration>) -> ChangeParams {
        let mut params = ChangeParams::default();
        params.force = self.force;
        params.dry_run = self.dry_run;
        params.wait = self.wait.then_some(ChangeWait::Converged);
        params.timeout = self.wait.then(|| format!("{}ms", self.wait_time(timeout).as_millis()));
        params
    }

    /// Returns the time that the API waits for the other gateways.
    pub(crate) fn wait_time(&self, timeout: Option<Duration>) -> Duration {
        if !self.wait {
            return Duration::ZERO;
        }
        timeout.unwrap_or(ChangeParams::DEFAULT_TIMEOUT).min(ChangeParams::MAX_TIMEOUT)
    }
}

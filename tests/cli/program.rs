//! Runs of the program.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};

use crate::harness::Gateway;

/// The path of the program.
pub(crate) const CANARY: &str = env!("CARGO_BIN_EXE_canary");

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Returns the program without variables of this environment.
pub(crate) fn canary(arguments: &[&str]) -> Command {
    let mut command = Command::new(CANARY);
    let variables = std::env::vars_os().map(|(name, _)| name);
    for name in variables.filter(|name| is_heeded(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

fn is_heeded(variable: &str) -> bool {
    let upper = variable.to_uppercase();
    upper.starts_with("CANARY_") || upper.ends_with("_PROXY") || upper.contains("COLOR")
}

/// Runs the program for the API at `url`, with a token that it does not look at.
pub(crate) fn run_at(url: &str, arguments: &[&str]) -> Run {
    finish(canary(arguments).env("CANARY_URL", url).env("CANARY_TOKEN", "token"))
}

/// Runs the program for a gateway.
pub(crate) fn run(gateway: &Gateway, arguments: &[&str]) -> Run {
    finish(&mut for_gateway(gateway, arguments))
}

/// Returns the program with the address and the token of a gateway.
pub(crate) fn for_gateway(gateway: &Gateway, arguments: &[&str]) -> Command {
    let mut command = canary(arguments);
    command.env("CANARY_URL", &gateway.admin).env("CANARY_TOKEN", &gateway.token);
    command
}

pub(crate) fn finish(command: &mut Command) -> Run {
    command.output().unwrap().into()
}

/// Starts the program with pipes.
pub(crate) fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Runs the program with a text on stdin.
pub(crate) fn finish_with(command: &mut Command, input: &str) -> Run {
    let mut child = spawn(command.stdin(Stdio::piped()));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

//! The command that starts a gateway, and the text that it prints at its start.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The last line of the guide of a gateway with its demo.
pub(crate) const END_OF_GUIDE: &str = "# That is the end.";

/// Returns the command for a gateway on the database in `dir`, without variables of the environment.
pub(crate) fn command(dir: &Path) -> Command {
    let mut command = bare_command();
    command.args(["--database", &format!("sqlite://{}/canary.db?mode=rwc", dir.display())]);
    command
}

/// Returns the command for a gateway without an option and without a variable for one.
pub(crate) fn bare_command() -> Command {
    let mut command = Command::new(program());
    let variables = std::env::vars_os().map(|(name, _)| name);
    for name in variables.filter(|name| is_of_the_gateway(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command
}

/// Returns whether a variable sets an option of the gateway.
fn is_of_the_gateway(variable: &str) -> bool {
    variable.starts_with("CANARY_") || variable.starts_with("DATABASE_URL") || variable == "MONOLITH_URL"
}

/// Returns the example binary of the profile that this test was built with.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples").join("gateway");
    let program = program.with_extension(std::env::consts::EXE_EXTENSION);
    assert!(
        program.exists(),
        "build it first: cargo build --example gateway ({} is missing)",
        program.display()
    );
    program
}

/// Reads to the line that exports `name`, and returns its value.
pub(crate) fn read_export(lines: &mut impl BufRead, name: &str) -> String {
    let wanted = format!("export {name}");
    loop {
        let mut line = String::new();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "the gateway ended before it printed {name}");
        if let Some(value) = line.strip_prefix(&wanted) {
            return value.trim().to_owned();
        }
    }
}

/// Reads to the end of the guide, or to the end of a gateway that prints none.
pub(crate) fn read_guide(lines: impl BufRead) -> String {
    let mut text = String::new();
    for line in lines.lines().map(Result::unwrap) {
        text.push_str(&line);
        text.push('\n');
        if line.starts_with(END_OF_GUIDE) {
            break;
        }
    }
    text
}

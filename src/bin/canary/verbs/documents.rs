//! Completions and man pages, made from the command line itself.

use std::io::Error;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man as Page;

use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::form::Form;
use crate::output::Terminal;

/// Writes the completions for a shell
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  canary completions bash")]
pub(crate) struct Completions {
    /// Name of the shell
    shell: Shell,
}

/// Writes the man page of the program, or the pages of all verbs into a directory
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  canary man")]
pub(crate) struct Man {
    /// Directory for canary.1, canary-status.1 and the others
    directory: Option<PathBuf>,
}

impl Completions {
    /// Writes the completions for `command`.
    pub(crate) fn run(&self, mut command: Command) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "canary", &mut script);
        print(&String::from_utf8_lossy(&script))
    }
}

impl Man {
    /// Writes the page of `command` to stdout. With a directory, writes a page for it and for each verb there: the directory
    /// is created if it does not exist, and pages of these names are replaced.
    pub(crate) fn run(&self, mut command: Command) -> Result<Exit, Failure> {
        // Without it the pages of verbs lack the global options.
        command.build();
        match &self.directory {
            None => print(&String::from_utf8_lossy(&page(command)?)),
            Some(directory) => {
                std::fs::create_dir_all(directory).map_err(|error| unwritable(directory, &error))?;
                write_pages(&command, "canary", directory)?;
                Ok(Exit::Done)
            }
        }
    }
}

/// Writes a text to stdout.
pub(crate) fn print(text: &str) -> Result<Exit, Failure> {
    let terminal = Terminal::new(Form::Text, true);
    terminal.print(text);
    terminal.check_written()?;
    Ok(Exit::Done)
}

/// Writes the page of a command, and the pages of its verbs.
fn write_pages(command: &Command, name: &str, directory: &Path) -> Result<(), Failure> {
    let file = directory.join(format!("{name}.1"));
    // The page of a verb has the name of its file.
    let titled = command.clone().display_name(name.to_owned());
    std::fs::write(&file, page(titled)?).map_err(|error| unwritable(&file, &error))?;
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        write_pages(verb, &format!("{name}-{}", verb.get_name()), directory)?;
    }
    Ok(())
}

/// Returns the page of a command with the exit codes, which the help has as a verb of its own.
fn page(command: Command) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let page = Page::new(command.after_help(format!("{help}\n\n{}", exit::table())));
    page.render(&mut text).map_err(|error| Failure::failed(format!("cannot write the page: {error}")))?;
    Ok(text)
}

/// Creates the failure for a file that cannot be written.
fn unwritable(path: &Path, error: &Error) -> Failure {
    Failure::failed(format!("cannot write {}: {error}", path.display()))
}

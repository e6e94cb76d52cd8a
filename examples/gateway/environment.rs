//! Reading the options: the command line, then variables of the environment, then files of secrets.

use std::error::Error;
use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

use crate::failure::Failure;
use crate::options::Options;

impl Options {
    /// Reads the options of this process. `--help` and `--version` end the program here.
    pub(crate) fn read() -> Result<Self, Failure> {
        let command = without_empty_variables(Self::command());
        let arguments: Vec<_> = std::env::args_os().collect();
        let matches = command.clone().try_get_matches_from(&arguments).map_err(|error| {
            if !error.use_stderr() {
                error.exit();
            }
            failure(&command, &arguments, &error)
        })?;
        let mut options =
            Self::from_arg_matches(&matches).map_err(|error| failure(&command, &arguments, &error))?;
        if let Some(file) = preferred_file(&matches, "jwt_secret", "jwt_secret_file")? {
            options.jwt_secret = Some(read_line(file)?);
        }
        if let Some(file) = preferred_file(&matches, "database", "database_file")? {
            options.database = read_line(file)?;
        }
        if let Some(file) = preferred_file(&matches, "pin_secret", "pin_secret_file")? {
            options.pins.pin_secret = Some(read_line(file)?);
        }
        for file in &options.pins.earlier_pin_secret_files {
            options.pins.earlier_pin_secrets.push(read_line(file)?);
        }
        options.check()?;
        options.tls.load()?;
        Ok(options)
    }
}

/// Removes the variables that are set to nothing: scripts and unit files unset an option that way.
fn without_empty_variables(command: Command) -> Command {
    without_variables(command, |variable| std::env::var_os(variable).is_some_and(|value| value.is_empty()))
}

fn without_variables(command: Command, is_removed: impl Fn(&str) -> bool) -> Command {
    command.mut_args(|argument| {
        let is_removed = argument.get_env().and_then(|name| name.to_str()).is_some_and(&is_removed);
        if is_removed { argument.env(None::<&str>) } else { argument }
    })
}

/// Returns the path of the file of a secret, unless the secret itself comes from the command line and the file from a variable.
///
/// Two secrets from the same place are an error: none of them is clearly the right one.
fn preferred_file<'a>(
    matches: &'a ArgMatches,
    direct: &str,
    file: &str,
) -> Result<Option<&'a Path>, Failure> {
    let Some(path) = matches.get_one::<std::path::PathBuf>(file) else { return Ok(None) };
    match (matches.value_source(direct), matches.value_source(file)) {
        (Some(ValueSource::CommandLine), Some(ValueSource::EnvVariable)) => Ok(None),
        (Some(from), Some(file_from)) if from == file_from => {
            let [direct, file] = [direct, file].map(|id| spelled(id, from));
            Err(Failure::from_text(&format!("{direct} and {file} are both set: use one of them")))
        }
        _ => Ok(Some(path)),
    }
}

/// Returns the name of an option in the place that it comes from.
fn spelled(id: &str, source: ValueSource) -> String {
    let command = Options::command();
    let variable = command.get_arguments().find(|argument| argument.get_id() == id).and_then(|a| a.get_env());
    match variable {
        Some(variable) if source == ValueSource::EnvVariable => variable.to_string_lossy().into_owned(),
        _ => format!("--{}", id.replace('_', "-")),
    }
}

/// Reads a file without one line break at its end, which editors and `echo` add.
fn read_line(file: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::new(format!("cannot read {}", file.display()), &error))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

/// Describes an error of clap in one line. It names the variable if the value comes from there, and it never repeats a value:
/// that could be a secret.
fn failure(command: &Command, arguments: &[OsString], error: &clap::Error) -> Failure {
    let Some(argument) = invalid_argument(error) else {
        return Failure::from_text(first_paragraph(&error.to_string()));
    };
    let name = variable_of(command, arguments, argument).unwrap_or_else(|| argument.to_owned());
    match (error.kind(), error.source()) {
        (ErrorKind::UnknownArgument, _) if !argument.starts_with('-') => {
            Failure::from_text("an argument that is no option was given")
        }
        (ErrorKind::ValueValidation | ErrorKind::InvalidValue, Some(cause)) => {
            Failure::new(format!("invalid value for {name}"), cause)
        }
        (ErrorKind::ValueValidation | ErrorKind::InvalidValue, None) if name != argument => {
            Failure::from_text(&format!("invalid value for {name}"))
        }
        _ => Failure::from_text(first_paragraph(&error.to_string())),
    }
}

/// Returns the variable that an error is about: without any variable, the error is another one.
fn variable_of(command: &Command, arguments: &[OsString], argument: &str) -> Option<String> {
    let mut built = command.clone();
    built.build();
    let option = built.get_arguments().find(|option| option.to_string() == argument)?;
    let variable = option.get_env()?.to_string_lossy().into_owned();
    let bare = without_variables(command.clone(), |_| true).try_get_matches_from(arguments);
    let is_of_command_line = bare.is_err_and(|error| invalid_argument(&error) == Some(argument));
    (!is_of_command_line).then_some(variable)
}

fn invalid_argument(error: &clap::Error) -> Option<&str> {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => Some(argument),
        _ => None,
    }
}

/// Returns the error message of clap without the usage text below it.
fn first_paragraph(text: &str) -> &str {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    text.split("\n\n").next().unwrap_or(text)
}

//! stdout and stderr of the program.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::time::SystemTime;

use serde_json::json;
use tower_canary::api::Timestamp;

use crate::escape::{escape, escape_json};
use crate::failure::Failure;
use crate::form::Form;

/// Both streams. Colours are removed where they do not belong: see `NO_COLOR`, `CLICOLOR_FORCE`, and pipes.
#[derive(Debug)]
pub(crate) struct Terminal {
    output: Form,
    is_quiet: bool,
    /// Whether a write to stdout has failed. Nothing more is written to it then.
    is_closed: Cell<bool>,
    /// The error of that write, unless the reader of a pipe has gone.
    failed: RefCell<Option<io::Error>>,
}

impl Terminal {
    pub(crate) fn new(output: Form, is_quiet: bool) -> Self {
        Self { output, is_quiet, is_closed: Cell::new(false), failed: RefCell::default() }
    }

    /// Returns the form in which responses are written.
    pub(crate) fn output(&self) -> Form {
        self.output
    }

    /// Returns whether `--quiet` is given: stderr has errors alone then.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// Writes the answer of the API: its JSON, or a text for people.
    pub(crate) fn answer(&self, json: &str, text: impl FnOnce() -> String) {
        match self.output {
            Form::Json => self.print(&escape_json(json.trim_end())),
            Form::Text => self.print(&text()),
        }
    }

    /// Writes one event of a stream as a line of JSON: `data` with the fields `event` and `at` in front.
    pub(crate) fn event(&self, event: &str, data: &str) {
        self.print(&escape_json(&event_line(event, Timestamp::from(SystemTime::now()), data)));
    }

    /// Writes a text to stdout, with a line break at its end. Text of others in it must be escaped.
    ///
    /// After the reader of a pipe has gone, nothing is written. That is no failure: it has read enough.
    pub(crate) fn print(&self, text: &str) {
        let line_break = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
        self.write(&format!("{text}{line_break}"));
    }

    /// Writes a text to stdout. Styles are removed where stdout has no colours.
    pub(crate) fn write(&self, text: &str) {
        if self.is_closed.get() {
            return;
        }
        let mut stdout = anstream::stdout().lock();
        self.record_result(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()));
    }

    /// Writes a text with sequences that control a terminal, to stdout as it is. `write` may remove them.
    pub(crate) fn raw(&self, text: &str) {
        if self.is_closed.get() {
            return;
        }
        let mut stdout = io::stdout().lock();
        self.record_result(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()));
    }

    /// Records that stdout is closed if a write failed. A reader that went away, as `head` does, is no failure.
    fn record_result(&self, written: io::Result<()>) {
        let Err(error) = written else { return };
        self.is_closed.set(true);
        if error.kind() != ErrorKind::BrokenPipe {
            *self.failed.borrow_mut() = Some(error);
        }
    }

    /// Writes a line to stderr, unless `--quiet` is given.
    pub(crate) fn log(&self, text: &str) {
        if !self.is_quiet {
            let _ = writeln!(anstream::stderr(), "{}", escape(text));
        }
    }

    /// Returns whether a write to stdout has failed, so that nothing more is written to it.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    /// Returns whether stdout is a terminal.
    pub(crate) fn is_interactive(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Returns the failure if the answer could not be written, for example to a full disk.
    pub(crate) fn check_written(&self) -> Result<(), Failure> {
        match self.failed.borrow_mut().take() {
            Some(error) => Err(Failure::failed(format!("cannot write the answer: {error}"))),
            None => Ok(()),
        }
    }
}

/// Returns a JSON object on one line: `event`, `at`, then the fields of `data`, which is an object or empty.
fn event_line(event: &str, at: Timestamp, data: &str) -> String {
    let mut line = json!({ "event": event }).to_string();
    line.pop();
    let fields = data.trim().strip_prefix('{').unwrap_or("}");
    let fields = fields.replace(['\n', '\r'], " ");
    if !has_time(data) {
        line.push_str(&format!(",\"at\":\"{at}\""));
    }
    if fields.trim_start() != "}" {
        line.push(',');
    }
    line.push_str(fields.trim_start());
    line
}

/// Returns whether an object says itself when it was true.
fn has_time(data: &str) -> bool {
    let object: Option<serde_json::Map<_, _>> = serde_json::from_str(data).ok();
    object.is_some_and(|object| object.contains_key("at"))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::event_line;

    #[test]
    fn events_are_one_line_with_name_and_time() {
        let at = UNIX_EPOCH.into();
        let start = r#"{"event":"drained","at":"1970-01-01T00:00:00.000Z""#;
        assert_eq!(event_line("drained", at, ""), format!("{start}}}"));
        assert_eq!(event_line("drained", at, "{}"), format!("{start}}}"));
        assert_eq!(event_line("drained", at, "{\"a\":\n 1}"), format!("{start},\"a\":  1}}"));
        let own = r#"{"at":"2026-01-05T09:30:00.000Z","a":1}"#;
        assert_eq!(event_line("traffic", at, own), format!(r#"{{"event":"traffic",{}"#, &own[1..]));
    }
}

//! What a verb works with: the API, the outputs and the limits of time.

use std::cell::RefCell;
use std::time::Duration;

use tokio::time::Instant;

use crate::client::Api;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::form::Form;
use crate::options::GlobalOptions;
use crate::output::Terminal;

/// The environment of one run of a verb.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) api: Api,
    pub(crate) terminal: Terminal,
    /// The value of `--timeout`.
    pub(crate) timeout: Option<Duration>,
    /// The last words of a verb that a signal ends.
    last_words: RefCell<Option<String>>,
}

impl Session {
    /// Opens the outputs and the client. It makes no call.
    pub(crate) fn open(options: &GlobalOptions) -> Result<Self, Failure> {
        let terminal = Terminal::new(options.output, options.quiet);
        let api = Api::new(options, &terminal)?;
        Ok(Self { api, terminal, timeout: options.timeout, last_words: RefCell::default() })
    }

    /// Returns whether programs read the output.
    pub(crate) fn is_json(&self) -> bool {
        self.terminal.output() == Form::Json
    }

    /// Returns the end of a wait that lasts `default` unless `--timeout` is given.
    pub(crate) fn deadline(&self, default: Duration) -> Instant {
        Instant::now() + self.timeout.unwrap_or(default)
    }

    /// Returns the end of `--timeout`. `None`: the option is not given.
    pub(crate) fn given_deadline(&self) -> Option<Instant> {
        self.timeout.map(|timeout| Instant::now() + timeout)
    }

    /// Sets the text for stderr if a signal ends the verb.
    pub(crate) fn on_interrupt(&self, text: impl Into<String>) {
        *self.last_words.borrow_mut() = Some(text.into());
    }

    /// Writes the last words of the verb after a signal, and returns the exit code of an interrupted program.
    pub(crate) fn farewell(&self) -> Exit {
        if let Some(text) = self.last_words.borrow_mut().take() {
            self.terminal.log(&text);
        }
        Exit::Interrupted
    }

    /// Returns the failure if the answer could not be written.
    pub(crate) fn check_written(&self) -> Result<(), Failure> {
        self.terminal.check_written()
    }
}

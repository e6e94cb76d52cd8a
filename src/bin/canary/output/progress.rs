//! How a wait goes on.

use std::cell::RefCell;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::terminal::Terminal;
use crate::escape::escape;
use crate::form::Form;

/// The time between two pictures of the spinner.
const TICK: Duration = Duration::from_millis(120);

/// The time between two lines where nothing moves: a log stays readable.
const PERIOD: Duration = Duration::from_secs(30);

/// One line on stderr: it moves on a terminal. Elsewhere a new text is a line of the log, at most one in a while.
#[derive(Debug)]
pub(crate) struct Progress<'a> {
    terminal: &'a Terminal,
    bar: Option<ProgressBar>,
    /// The last line of the log, and when it was written.
    last: RefCell<Option<(String, Instant)>>,
}

impl<'a> Progress<'a> {
    /// Begins to show a wait: as a moving line on a terminal, and otherwise as lines that are written when
    /// something changes.
    pub(crate) fn new(terminal: &'a Terminal) -> Self {
        let moves = stderr().is_terminal() && !terminal.is_quiet() && terminal.output() == Form::Text;
        let bar = moves.then(|| {
            let style = ProgressStyle::with_template("{spinner} {wide_msg}");
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar.enable_steady_tick(TICK);
            bar
        });
        Self { terminal, bar, last: RefCell::default() }
    }

    /// Shows a text that may have text of others.
    pub(crate) fn show(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(escape(text).into_owned()),
            None if self.is_due(text) => {
                self.terminal.log(text);
                *self.last.borrow_mut() = Some((text.to_owned(), Instant::now()));
            }
            None => {}
        }
    }

    /// Returns whether a line of the log is due.
    fn is_due(&self, text: &str) -> bool {
        let is_text = self.terminal.output() == Form::Text;
        is_text && self.last.borrow().as_ref().is_none_or(|(last, at)| last != text && at.elapsed() >= PERIOD)
    }

    /// Writes a line to stdout, above the moving one.
    pub(crate) fn print(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.terminal.print(text)),
            None => self.terminal.print(text),
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

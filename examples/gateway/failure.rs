//! Errors that end the program.

use std::error::Error;
use std::fmt;

/// The reason why the gateway cannot start, as one line of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure(String);

impl Failure {
    /// Joins `context` and the chain of causes of `error`.
    pub(crate) fn new(context: impl Into<String>, error: &dyn Error) -> Self {
        let mut line = context.into();
        let mut cause = Some(error);
        while let Some(error) = cause {
            let text = error.to_string();
            // Many errors repeat their source in their own message.
            if !line.contains(&text) {
                line = format!("{line}: {text}");
            }
            cause = error.source();
        }
        Self::from_text(&line)
    }

    /// Replaces line breaks and repeated spaces in `text` by single spaces.
    pub(crate) fn from_text(text: &str) -> Self {
        Self(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

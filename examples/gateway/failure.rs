//! Why the gateway did not start.

use std::error::Error;
use std::fmt;

/// Why the gateway did not start, in one line.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    /// What could not be done, and the causes of `error`, each once.
    pub(crate) fn new(what: impl Into<String>, error: &dyn Error) -> Self {
        let mut line = what.into();
        let mut cause = Some(error);
        while let Some(error) = cause {
            let text = error.to_string();
            // Many errors repeat their cause in their own text.
            if !line.contains(&text) {
                line = format!("{line}: {text}");
            }
            cause = error.source();
        }
        Self::of(&line)
    }

    pub(crate) fn of(text: &str) -> Self {
        Self(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

//! Why a verb failed.

use std::fmt;
use std::io::Write;

use serde_json::Value;
use tower_canary::api::Problem;

use crate::escape::{escape, escape_json};
use crate::exit::Exit;
use crate::form::Form;

/// A failure, with its exit code and its text for stderr.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The API refused. The text is its response.
    Problem { problem: Box<Problem>, json: String },
    /// The request may have been processed, and its response was lost.
    Lost(String),
    /// Anything else.
    Other { exit: Exit, text: String },
}

impl Failure {
    /// The network, the server or this program failed.
    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self::Other { exit: Exit::Failed, text: text.into() }
    }

    /// The arguments do not fit together. No call was made.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Other { exit: Exit::Usage, text: text.into() }
    }

    /// The state does not allow the request. Nothing was changed.
    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self::Other { exit: Exit::Refused, text: text.into() }
    }

    /// The wait was too short.
    pub(crate) fn timed_out(text: impl Into<String>) -> Self {
        Self::Other { exit: Exit::TimedOut, text: text.into() }
    }

    /// Returns the exit code. Of a problem the status decides, so that each new type of problem has one.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Problem { problem, .. } => Exit::from_status(problem.status),
            Self::Lost(_) => Exit::Failed,
            Self::Other { exit, .. } => *exit,
        }
    }

    /// Returns the problem if it is of this kind.
    pub(crate) fn problem(&self, kind: &str) -> Option<&Problem> {
        match self {
            Self::Problem { problem, .. } if problem.r#type == kind => Some(problem),
            _ => None,
        }
    }

    /// Writes the failure to stderr: as text, or as a problem document.
    pub(crate) fn report(&self, output: Form) {
        let line = match output {
            Form::Text => format!("error: {}", escape(&self.to_string())),
            Form::Json => escape_json(&self.document()),
        };
        // Without stderr nothing can be said. The exit code remains.
        let _ = writeln!(anstream::stderr(), "{line}");
    }

    /// Returns the problem document of the API, or one of the same form.
    fn document(&self) -> String {
        let title = match self {
            Self::Problem { json, .. } => return json.trim().to_owned(),
            Self::Lost(_) => "Response lost",
            Self::Other { exit: Exit::Usage, .. } => "Wrong usage",
            Self::Other { exit: Exit::Refused, .. } => "Refused",
            Self::Other { exit: Exit::TimedOut, .. } => "Time ran out",
            Self::Other { .. } => "Failed",
        };
        // The order is the one of the API's own documents.
        let [title, detail] = [title.to_owned(), self.to_string()].map(Value::from);
        format!(r#"{{"type":"about:blank","title":{title},"detail":{detail}}}"#)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problem { problem, .. } => {
                write!(f, "{} ({})", problem.detail, problem.r#type)?;
                let hint = "; the token is in CANARY_TOKEN, or in a file that --token-file names";
                f.write_str(if problem.status == 401 { hint } else { "" })
            }
            Self::Lost(text) | Self::Other { text, .. } => f.write_str(text),
        }
    }
}

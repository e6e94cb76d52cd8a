//! The exit codes, which are the same for every verb.

use std::fmt::Write;

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    Failed,
    Usage,
    Refused,
    NotAllowed,
    TimedOut,
    RolledBack,
    Paused,
    Interrupted,
}

impl Exit {
    /// All exit codes in their order.
    const ALL: [Self; 9] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Refused,
        Self::NotAllowed,
        Self::TimedOut,
        Self::RolledBack,
        Self::Paused,
        Self::Interrupted,
    ];

    /// Returns the number that the shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::NotAllowed => 4,
            Self::TimedOut => 5,
            Self::RolledBack => 6,
            Self::Paused => 7,
            Self::Interrupted => 130,
        }
    }

    /// Returns the line of the help about this code.
    const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed: the network, a response with 5xx, an unexpected response, or a defect",
            Self::Usage => "wrong usage: no call was made",
            Self::Refused => {
                "refused: nothing was changed (404, 409, 412, 422); stderr has the type of the problem"
            }
            Self::NotAllowed => "not allowed: the token is missing, not valid, or lacks the scope (401, 403)",
            Self::TimedOut => "the time ran out: the requested state may still come",
            Self::RolledBack => "the rollout was rolled back or aborted",
            Self::Paused => "the rollout is paused and needs a person",
            Self::Interrupted => "interrupted by SIGINT or SIGTERM",
        }
    }

    /// Returns the exit code for a response with this status that is not a success.
    pub(crate) const fn from_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::NotAllowed,
            404 | 409 | 412 | 422 => Self::Refused,
            _ => Self::Failed,
        }
    }
}

/// Returns the table of the exit codes for the help and the man page.
pub(crate) fn table() -> String {
    let mut table = String::from("Exit codes, the same for every verb:\n");
    for exit in Exit::ALL {
        let _ = write!(table, "\n  {:>3}  {}", exit.code(), exit.meaning());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{Exit, table};

    #[test]
    fn statuses_have_the_documented_codes() {
        let expected =
            [(401, 4), (403, 4), (404, 3), (409, 3), (412, 3), (422, 3), (400, 1), (500, 1), (503, 1)];
        for (status, code) in expected {
            assert_eq!(Exit::from_status(status).code(), code, "{status}");
        }
    }

    #[test]
    fn table_lists_each_code_once() {
        let table = table();
        let codes: Vec<u8> =
            table.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 130]);
    }
}

//! What of a database URL is not understood.

use thiserror::Error;

/// What of a database URL is not understood. Nothing of the URL is repeated but the names of known options.
#[derive(Debug, Error)]
pub(super) enum UrlFlaw {
    #[error("it has an option that is not one of {known}; in a password, write ? as %3F and & as %26")]
    UnknownOption { known: String },
    #[error("it has a value for the option {option} that is not understood")]
    BadValue { option: &'static str },
    #[error("it contains a line break or another control character")]
    ControlCharacter,
    #[error(
        "write it as sqlite://canary.db?mode=rwc or postgres://user:password@host/database, and @ : / ? # % in user and password as %40 %3A %2F %3F %23 %25"
    )]
    Unparsable,
}

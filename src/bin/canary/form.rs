//! The form of the answer.

use clap::ValueEnum;

/// The form of the answer on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people.
    Text,
    /// The response of the API, unchanged.
    Json,
}

//! Values that cannot be read.

use std::fmt;
use std::str::FromStr;

use crate::routing::{ServiceName, VersionName};
use crate::store::BrokenSplit;

/// A value that cannot be read, with its table, row and column.
#[derive(Clone, Debug)]
pub(crate) struct Flaw {
    table: &'static str,
    row: String,
    column: &'static str,
    cause: String,
}

impl Flaw {
    /// Creates the flaw of one value. `row` is what identifies the row to an operator: its id, or the words
    /// that describe it.
    pub(crate) fn new(
        table: &'static str,
        row: impl fmt::Display,
        column: &'static str,
        cause: impl fmt::Display,
    ) -> Self {
        Self { table, row: row.to_string(), column, cause: cause.to_string() }
    }

    /// Converts to the report that the split of `service` cannot be read.
    pub(crate) fn into_broken_split(self, service: &str) -> BrokenSplit {
        BrokenSplit::new(service, self.to_string())
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} row {}, column {}: {}", self.table, self.row, self.column, self.cause)
    }
}

/// Returns the value of a row of the history or of the refused changes of `service`. `None`: it cannot be read, which
/// is logged.
pub(crate) fn ok_or_log<T>(service: &ServiceName, parsed: Result<T, Flaw>) -> Option<T> {
    parsed.inspect_err(|flaw| tracing::error!(%service, %flaw, "a row cannot be read and is left out")).ok()
}

/// Parses the `text` in `column` of a row.
pub(crate) fn parse<T>(
    table: &'static str,
    row: impl fmt::Display,
    column: &'static str,
    text: &str,
) -> Result<T, Flaw>
where
    T: FromStr<Err: fmt::Display>,
{
    text.parse().map_err(|error| Flaw::new(table, row, column, error))
}

/// Parses the name of a version in the column `version`, which may be NULL.
pub(crate) fn parse_version(
    table: &'static str,
    row: i64,
    name: Option<&str>,
) -> Result<Option<VersionName>, Flaw> {
    name.map(|name| parse(table, row, "version", name)).transpose()
}

//! Counts as signed numbers: not every database has unsigned ones.

/// Converts a count for the database. One above `i64::MAX` becomes that.
pub(crate) fn to_signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Converts a count from the database. One that was edited to a negative number becomes 0.
pub(crate) fn to_unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

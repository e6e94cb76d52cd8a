//! The number of entries on a page, as a query parameter.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// Reads a number from 1 to `MAX`, or its digits in a query.
///
/// The error names this range. That of a plain number would name the range of its type.
pub(super) fn page_limit<'de, D: Deserializer<'de>, const MAX: u32>(
    deserializer: D,
) -> Result<Option<u32>, D::Error> {
    deserializer.deserialize_any(LimitVisitor::<MAX>).map(Some)
}

struct LimitVisitor<const MAX: u32>;

impl<const MAX: u32> Visitor<'_> for LimitVisitor<MAX> {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from 1 to {MAX}")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u32, E> {
        let limit = u32::try_from(number).ok().filter(|limit| (1..=MAX).contains(limit));
        limit.ok_or_else(|| E::custom(format_args!("give a whole number from 1 to {MAX}")))
    }

    fn visit_str<E: Error>(self, digits: &str) -> Result<u32, E> {
        // 0 is out of range too.
        self.visit_u64(digits.parse().unwrap_or(0))
    }
}

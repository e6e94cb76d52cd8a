//! The `timeout` parameter of requests that wait.

use std::time::Duration;

use super::problem::ApiError;
use crate::api::ProblemKind;

/// Parses a time such as `5s` or `500ms`, and refuses one that is longer than `longest`.
///
/// A longer time is refused and not shortened: a client that counts on ten minutes would take an earlier
/// response for the end of its wait. Zero is allowed: the state is read once.
pub(super) fn parse_wait_limit(text: &str, longest: Duration) -> Result<Duration, ApiError> {
    let limit = humantime::parse_duration(text).ok().filter(|limit| *limit <= longest);
    limit.ok_or_else(|| {
        let detail = format!("timeout must be a time of at most {}s, such as 5s or 500ms", longest.as_secs());
        ApiError::new(ProblemKind::MalformedQuery, detail)
    })
}

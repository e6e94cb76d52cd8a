//! Time limits of calls, and sizes of pools.

use std::time::Duration;

use super::error::ConnectError;

/// Maximum time to connect: short enough for a gateway to report at its start why it cannot.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_millis(2_750);

/// Maximum time of one call, with all its attempts.
pub(super) const CALL_LIMIT: Duration = Duration::from_millis(2_750);

/// Maximum time to load all services.
pub(super) const FULL_LOAD_LIMIT: Duration = Duration::from_secs(30);

/// Maximum time to migrate, including the wait for another process that migrates.
pub(super) const MIGRATION_LIMIT: Duration = Duration::from_secs(60);

/// Maximum time until all calls have ended and all connections are closed: a call, and the commit of a slow disk.
pub(super) const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// Maximum number of connections in a pool of the store's own. The listener has one more.
pub(super) const POOL_SIZE: u32 = 4;

/// Limits `work` to [`CONNECT_LIMIT`].
pub(super) async fn within_connect_limit<T>(
    work: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    let limited = tokio::time::timeout(CONNECT_LIMIT, work).await;
    limited.unwrap_or(Err(ConnectError::TimedOut(CONNECT_LIMIT)))
}

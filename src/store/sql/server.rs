//! Connections to database servers.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::pool::PoolOptions;
use sea_orm::sqlx::{ConnectOptions, Connection, Database};
use tokio::time::timeout;

use super::error::ConnectError;
use super::followed::Followed;
use super::limits::{CONNECT_LIMIT, POOL_SIZE};

/// Maximum time until a server responds on a connection that was not used for a while.
const PING_LIMIT: Duration = Duration::from_secs(1);

/// Connects once and disconnects, to report why a server cannot be used. A pool would retry a refused connection until
/// its time limit and then report only that limit.
pub(super) async fn try_connect<O>(options: &O, database: &str) -> Result<(), ConnectError>
where
    O: ConnectOptions<Connection: Sized>,
{
    let connected = options.connect().await;
    let connection = connected.map_err(|error| ConnectError::from_driver(database, error))?;
    // The connection was only a test: a failure to end it properly does not matter.
    let _ = connection.close().await;
    Ok(())
}

/// Returns the options of a pool that uses no connection that `followed` distrusts, nor one that does not respond.
pub(super) fn pool_options<D: Database>(followed: &Arc<Followed>) -> PoolOptions<D> {
    let before_acquire = Arc::clone(followed);
    let after_release = Arc::clone(followed);
    PoolOptions::new()
        .max_connections(POOL_SIZE)
        .acquire_timeout(CONNECT_LIMIT)
        // The pool's own test has no time limit.
        .test_before_acquire(false)
        .before_acquire(move |connection, metadata| {
            let followed = Arc::clone(&before_acquire);
            Box::pin(
                async move { Ok(followed.is_trusted(metadata.age) && responds(connection, &followed).await) },
            )
        })
        .after_release(move |_, metadata| {
            let is_trusted = after_release.is_trusted(metadata.age);
            Box::pin(async move { Ok(is_trusted) })
        })
}

/// Returns whether the server responds on this connection. After a silence the other connections are distrusted as well,
/// since each of them would cost the same time.
async fn responds<C: Connection>(connection: &mut C, followed: &Followed) -> bool {
    match timeout(PING_LIMIT, connection.ping()).await {
        Ok(pong) => pong.is_ok(),
        Err(_) => {
            followed.distrust(true);
            false
        }
    }
}

/// Returns the IPv6 address in a host of the form `[::1]`. A URL has these brackets, and the drivers keep them. `None`:
/// the host has no brackets.
pub(super) fn without_brackets(host: &str) -> Option<&str> {
    host.strip_prefix('[')?.strip_suffix(']')
}

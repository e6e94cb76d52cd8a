//! The first connection to a database server.

use sea_orm::sqlx::{ConnectOptions, Connection};

use super::database_url::display_name;
use super::error::ConnectError;

/// Connects once and disconnects, to report why a server cannot be used. A pool would retry a refused connection until
/// its time limit and then report only that limit.
pub(super) async fn try_connect<O>(options: &O, url: &str) -> Result<(), ConnectError>
where
    O: ConnectOptions<Connection: Sized>,
{
    let connected = options.connect().await;
    let connection = connected.map_err(|error| ConnectError::from_driver(&display_name(url), error))?;
    // The connection was only a test: a failure to end it properly does not matter.
    let _ = connection.close().await;
    Ok(())
}

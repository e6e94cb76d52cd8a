//! Opening a database by its URL.
//!
//! A database is opened by the steps below, and each has a limit. So a gateway that cannot start says why
//! within seconds:
//!
//! 1. The URL is [parsed](super::database_url), before any driver sees it.
//! 2. One connection is made and closed, on a server: a pool would only report its own time limit.
//! 3. A pool is made. It connects lazily.
//! 4. The tables are [brought up to date](mod@super::migrations), or verified.

use std::sync::Arc;

use sea_orm::{DatabaseConnection, DbBackend};
use tokio::time::timeout;

use super::database_url::DatabaseUrl;
use super::error::ConnectError;
use super::followed::Followed;
use super::limits::{CONNECT_LIMIT, within_connect_limit};
use super::migrations::{Migrations, prepare};

/// Returns how many changes one process makes at the same time.
///
/// SQLite has one writer at a time. A queue here is fair and fast, while SQLite's own lock is polled. On the other
/// databases one connection of the pool is left for reads.
pub(super) fn max_writers(backend: DbBackend) -> usize {
    if backend == DbBackend::Sqlite { 1 } else { 3 }
}

/// Opens the database at `url` and brings its tables up to date. Nothing stays open after a failure.
pub(super) async fn open_prepared(
    url: &DatabaseUrl,
    followed: &Arc<Followed>,
) -> Result<DatabaseConnection, ConnectError> {
    let opened = within_connect_limit(open(url, followed)).await;
    let db = opened.map_err(|error| error.without_secrets(&url.secrets))?;
    if let Err(error) = prepare(&db, Migrations::Auto, &url.name).await {
        // In time, for a server that does not respond.
        let _ = timeout(CONNECT_LIMIT, db.close_by_ref()).await;
        return Err(error.without_secrets(&url.secrets));
    }
    Ok(db)
}

/// Opens the database with the driver of its kind. A kind without a driver in this build was refused when the
/// URL was parsed.
#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql")),
    expect(unused_variables, reason = "SQLite has no server to follow")
)]
async fn open(url: &DatabaseUrl, followed: &Arc<Followed>) -> Result<DatabaseConnection, ConnectError> {
    match url.backend {
        #[cfg(feature = "sqlite")]
        DbBackend::Sqlite => super::sqlite::open(&url.text, &url.name).await,
        #[cfg(feature = "postgres")]
        DbBackend::Postgres => super::postgres::open(&url.text, &url.name, followed).await,
        #[cfg(feature = "mysql")]
        DbBackend::MySql => super::mysql::open(&url.text, &url.name, followed).await,
        _ => Err(ConnectError::NotAUrl),
    }
}

/// Closes the idle connections of a pool of the application, which lead to a wrong server. The application's next call, and
/// the store's, make new ones.
pub(super) fn close_idle(db: &DatabaseConnection) {
    match db.get_database_backend() {
        #[cfg(feature = "postgres")]
        DbBackend::Postgres => super::postgres::close_idle(db),
        #[cfg(feature = "mysql")]
        DbBackend::MySql => super::mysql::close_idle(db),
        _ => {}
    }
}

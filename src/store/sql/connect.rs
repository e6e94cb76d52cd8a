//! Opening a database by its URL.

use sea_orm::{DatabaseConnection, DbBackend};

use super::database_url::{display_name, scheme};
use super::error::ConnectError;
use super::limits::within_connect_limit;
use super::migrations::{Migrations, prepare};

/// Returns the kind of database that `url` names, if this build has a driver for it.
pub(super) fn backend(url: &str) -> Result<DbBackend, ConnectError> {
    match scheme(url) {
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(DbBackend::Sqlite),
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => Ok(DbBackend::Postgres),
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => Ok(DbBackend::MySql),
        "" => Err(ConnectError::NotAUrl),
        scheme => Err(ConnectError::NoDriver { scheme: scheme.into() }),
    }
}

/// Returns how many changes one process makes at the same time.
///
/// SQLite has one writer at a time. A queue here is fair and fast, while SQLite's own lock is polled. On the other
/// databases one connection of the pool is left for reads.
pub(super) fn max_writers(backend: DbBackend) -> usize {
    if backend == DbBackend::Sqlite { 1 } else { 3 }
}

/// Opens the database at `url` and brings its tables up to date.
pub(super) async fn open_prepared(url: &str) -> Result<DatabaseConnection, ConnectError> {
    let db = within_connect_limit(open(url)).await?;
    prepare(&db, Migrations::Auto, &display_name(url)).await?;
    Ok(db)
}

async fn open(url: &str) -> Result<DatabaseConnection, ConnectError> {
    match backend(url)? {
        #[cfg(feature = "sqlite")]
        DbBackend::Sqlite => super::sqlite::open(url).await,
        #[cfg(feature = "postgres")]
        DbBackend::Postgres => super::postgres::open(url).await,
        #[cfg(feature = "mysql")]
        DbBackend::MySql => super::mysql::open(url).await,
        _ => Err(ConnectError::NotAUrl),
    }
}

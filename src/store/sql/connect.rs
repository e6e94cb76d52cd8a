//! Opening a database by its URL.

use std::time::Duration;

use sea_orm::{DatabaseConnection, DbBackend};

use super::error::ConnectError;
use super::migration::{self, Migrations};

/// How long connecting may take in all: short enough for a gateway to say at once what is wrong.
pub(super) const LIMIT: Duration = Duration::from_millis(2_750);

/// How many connections a store of its own has at most, beside the one that listens.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) const CONNECTIONS: u32 = 4;

pub(super) async fn within_limit<T>(
    work: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    tokio::time::timeout(LIMIT, work).await.unwrap_or(Err(ConnectError::TimedOut(LIMIT)))
}

/// Which kind of database the URL is of, if there is a driver for it.
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

/// How many changes a process makes at once. SQLite has one writer at a time, and taking turns here is fair and quick,
/// while its own way is to ask again and again. OtherReplicas one connection is left to read.
pub(super) fn writers(backend: DbBackend) -> usize {
    if backend == DbBackend::Sqlite { 1 } else { 3 }
}

/// The database at `url`, its tables up to date.
pub(super) async fn open_prepared(url: &str) -> Result<DatabaseConnection, ConnectError> {
    let db = within_limit(open(url)).await?;
    migration::prepare(&db, Migrations::Auto, &shown(url)).await?;
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

/// Connects once. A pool that is refused asks on and on; whoever starts a gateway wants to know at once.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) async fn reach<O>(options: &O, url: &str) -> Result<(), ConnectError>
where
    O: sea_orm::sqlx::ConnectOptions<Connection: Sized>,
{
    let connection = options.connect().await.map_err(|error| ConnectError::by_driver(&shown(url), error))?;
    // It goes either way.
    let _ = sea_orm::sqlx::Connection::close(connection).await;
    Ok(())
}

/// What of the URL may be shown: neither user and password nor options.
pub(super) fn shown(url: &str) -> String {
    let (place, options) = url.split_once(['?', '#']).unwrap_or((url, ""));
    // A password may hold any sign but the '@' that ends it, and may also be an option.
    if options.contains('@') {
        return "of that URL".into();
    }
    let place = place.rsplit('@').next().unwrap_or_default();
    let behind_scheme = place.split_once("://").map_or(place, |(_, behind)| behind);
    behind_scheme.trim_start_matches("sqlite:").into()
}

/// The scheme; empty where there is none.
fn scheme(url: &str) -> &str {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    if scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+') { scheme } else { "" }
}

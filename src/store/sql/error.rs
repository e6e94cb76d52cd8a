//! Why a database could not be opened.

use std::error::Error;
use std::time::Duration;

use sea_orm::DbErr;
use thiserror::Error;

use super::codes::{Meaning, is_contention, is_loss, meaning};
use super::remedies::{READ_ONLY, UNSTORABLE};
use super::secrets::Secrets;
use super::url_flaw::UrlFlaw;

/// Why a database could not be opened, and how to fix it. The error of the driver is the [`source`](Error::source).
///
/// No message contains a part of the URL but its scheme, host, port and database.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// use tower_canary::store::sql::SqlStore;
///
/// let error = SqlStore::connect("canary.db").await.unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "that is not a database URL: write it as sqlite://canary.db?mode=rwc or postgres://user:password@host/database"
/// );
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL names no database.
    #[error(
        "that is not a database URL: write it as sqlite://canary.db?mode=rwc or postgres://user:password@host/database"
    )]
    NotAUrl,
    /// The URL has options or values that are not understood. Nothing of the URL is repeated but the name of an option that
    /// is known.
    #[error("the database URL has parts that are not understood: {0}")]
    BadUrl(#[source] Box<dyn Error + Send + Sync>),
    /// This build has no driver for that kind of database.
    #[error("this build has no driver for {scheme}: {}", driver_hint(scheme))]
    NoDriver {
        /// The scheme of the URL.
        scheme: String,
    },
    /// The database cannot be opened or written.
    #[error("cannot open the database {database}: {hint}")]
    Unusable {
        /// The database, without user and password.
        database: String,
        /// How to fix it.
        hint: &'static str,
        /// The error of the driver.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A table that the store has to create exists already, and no migration of the store created it. Nothing was
    /// changed, except on MySQL and MariaDB, where the tables before it may have been created.
    #[error(
        "cannot create the table {table} in the database {database}: a table of that name exists that is not the store's; rename it, or give the store another database or PostgreSQL schema"
    )]
    TableExists {
        /// The table.
        table: String,
        /// The database, without user and password.
        database: String,
        /// The error of the driver.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The database did not respond in time.
    #[error("the database did not respond within {0:?}: check that it runs and can be reached")]
    TimedOut(Duration),
    /// A migration was not run, and [`Migrations::VerifyOnly`](super::Migrations::VerifyOnly) forbids to run it.
    #[error(
        "the database lacks the migration {migration}: run the migrations first, or let the store run them"
    )]
    MissingMigration {
        /// The first migration that is missing.
        migration: String,
    },
}

/// Returns the feature to build with, or the schemes that there are.
fn driver_hint(scheme: &str) -> &'static str {
    match scheme {
        "sqlite" => "build with the feature sqlite",
        "postgres" | "postgresql" => "build with the feature postgres",
        "mysql" | "mariadb" => "build with the feature mysql",
        _ => "use a sqlite, postgres or mysql URL",
    }
}

impl From<UrlFlaw> for ConnectError {
    fn from(flaw: UrlFlaw) -> Self {
        Self::BadUrl(Box::new(flaw))
    }
}

impl ConnectError {
    /// Hides parts of the URL that the server or the driver repeated.
    pub(super) fn without_secrets(self, secrets: &Secrets) -> Self {
        match self {
            Self::Unusable { database, hint, source } => {
                Self::Unusable { database, hint, source: secrets.hide(source) }
            }
            Self::TableExists { table, database, source } => {
                Self::TableExists { table, database, source: secrets.hide(source) }
            }
            other => other,
        }
    }

    /// Creates the error for a server that is reached but cannot be used.
    pub(super) fn from_refused_server(database: &str, refused: RefusedServer) -> Self {
        Self::Unusable { database: database.into(), hint: refused.remedy(), source: refused.into() }
    }

    /// Creates the error for a driver's error about `database`.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(super) fn from_driver(database: &str, error: sea_orm::sqlx::Error) -> Self {
        Self::from_database(database, DbErr::Conn(sea_orm::RuntimeErr::SqlxError(error.into())))
    }

    /// Creates the error for an error about `database`, with a hint by its code.
    pub(super) fn from_database(database: &str, error: DbErr) -> Self {
        let hint = hint(&error);
        Self::Unusable { database: database.into(), hint, source: error.into() }
    }
}

/// Returns a remedy for an error at the start. There an error that would pass by itself needs one too, since
/// the start ends with it.
fn hint(error: &DbErr) -> &'static str {
    match meaning(error) {
        Some(Meaning::Fixable(remedy) | Meaning::Fault(remedy)) => remedy,
        Some(Meaning::Unstorable) => UNSTORABLE,
        None if is_contention(error) => "another process keeps it locked",
        None if is_loss(error) => "check that it runs and can be reached",
        None => "see the cause",
    }
}

/// Why a server that responds cannot be used.
#[derive(Clone, Copy, Debug, Error)]
pub(super) enum RefusedServer {
    #[error("the server accepts no changes")]
    ReadOnly,
    #[error("the encoding of the database is not UTF-8")]
    Encoding,
}

impl RefusedServer {
    /// Returns how to fix it.
    const fn remedy(self) -> &'static str {
        match self {
            Self::ReadOnly => READ_ONLY,
            Self::Encoding => UNSTORABLE,
        }
    }
}

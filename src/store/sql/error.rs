//! Why a database could not be connected to.

use std::error::Error;

use sea_orm::DbErr;
use thiserror::Error;

use super::retry::{database_code, is_contention, is_loss};

/// Why a database could not be connected to, and what to do about it. What the driver said is in
/// [`source`](Error::source).
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
    /// The URL does not say which database.
    #[error(
        "that is not a database URL: write it as sqlite://canary.db?mode=rwc or postgres://user:password@host/database"
    )]
    NotAUrl,
    /// The URL has options that the driver does not know.
    #[error(
        "the database URL has parts that are not understood: write it as sqlite://canary.db?mode=rwc or postgres://user:password@host/database"
    )]
    BadUrl(#[source] Box<dyn Error + Send + Sync>),
    /// This build has no driver for that kind of database.
    #[error("this build has no driver for {scheme}: {}", remedy(scheme))]
    NoDriver {
        /// What the URL starts with.
        scheme: String,
    },
    /// The database cannot be opened or written.
    #[error("cannot open the database {database}: {hint}")]
    Unusable {
        /// Which one, without password.
        database: String,
        /// What to look at.
        hint: &'static str,
        /// What the driver said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The database did not answer in time.
    #[error("the database did not answer within {0:?}: check that it runs and can be reached")]
    TimedOut(std::time::Duration),
    /// A migration was not run, and may not be run here.
    #[error(
        "the database lacks the migration {migration}: run the migrations first, or let the store run them"
    )]
    MissingMigration {
        /// The first that is missing.
        migration: String,
    },
}

fn remedy(scheme: &str) -> &'static str {
    match scheme {
        "sqlite" => "build with the feature sqlite",
        "postgres" | "postgresql" => "build with the feature postgres",
        "mysql" | "mariadb" => "build with the feature mysql",
        _ => "use a sqlite, postgres or mysql URL",
    }
}

impl ConnectError {
    /// What `error` of a driver about the database called `shown` means.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(super) fn by_driver(shown: &str, error: sea_orm::sqlx::Error) -> Self {
        Self::unusable(shown, DbErr::Conn(sea_orm::RuntimeErr::SqlxError(error.into())))
    }

    /// What `error` of the database called `shown` means.
    pub(super) fn unusable(shown: &str, error: DbErr) -> Self {
        let hint = hint(&error);
        Self::Unusable { database: shown.into(), hint, source: error.into() }
    }
}

fn hint(error: &DbErr) -> &'static str {
    match remedy_of(error) {
        Some(remedy) => remedy,
        None if is_contention(error) => "another process keeps it locked",
        None if is_loss(error) => "check that it runs and can be reached",
        None => "see the cause",
    }
}

/// What to do about an error that does not pass by itself, where the database says what it is.
pub(super) fn remedy_of(error: &DbErr) -> Option<&'static str> {
    Some(match database_code(error).as_deref() {
        Some("26" | "11" | "267" | "523" | "779") => {
            "the file is damaged or is no SQLite database; restore it, or name another file"
        }
        Some("14" | "270" | "526" | "782" | "1038" | "1294" | "1550") => {
            "check that its directory exists and can be written, and end the URL in ?mode=rwc to have the file created"
        }
        Some("8" | "264" | "520" | "776" | "1032" | "1288" | "1544") => {
            "it cannot be written; check the permissions of the file and its directory, and that the URL does not say mode=ro"
        }
        Some("13") => "the disk is full",
        Some("28P01" | "28000" | "1045" | "1698") => "check the user and the password",
        Some("3D000" | "1049") => "create the database first, or name another",
        Some("42501" | "1044" | "1142") => {
            "the user may not create or use its tables: grant it, or run the migrations as one who may"
        }
        Some("53300" | "1040") => "it has no connection left: raise its limit, or use a pooler",
        _ => return None,
    })
}

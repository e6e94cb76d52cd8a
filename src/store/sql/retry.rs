//! Which failures pass by themselves, and for how long they are waited out.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use rand::RngExt;
use sea_orm::sqlx::error::{DatabaseError, Error as DriverError};
use sea_orm::{DbErr, RuntimeErr, SqlErr};
use thiserror::Error;

use super::error::{ConnectError, remedy_of};
use crate::routing::ServiceName;
use crate::store::{BrokenSplit, StoreError};

/// How long a call may take in all.
pub(super) const LIMIT: Duration = Duration::from_millis(2_750);

/// How long it may take to load everything.
pub(super) const WHOLE_LIMIT: Duration = Duration::from_secs(30);

/// How often an attempt that collided is made again.
const RETRIES: usize = 5;

/// Why one attempt failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// By decision: another attempt would end the same.
    Decided(StoreError),
    /// By the database.
    Database(DbErr),
}

impl Failure {
    /// What failed to be committed may have been: only what the database says it undid is tried again.
    pub(super) fn of_commit(error: DbErr) -> Self {
        if is_contention(&error) { Self::Database(error) } else { Self::Decided(failed(error)) }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Decided(error)
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self::Decided(unavailable(error))
    }
}

impl From<DbErr> for Failure {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

/// Makes `attempt`, and again if it collides with others, within `limit`.
pub(super) async fn retried<T, F>(limit: Duration, attempt: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, Failure>>,
{
    let attempts = async {
        for _ in 0..RETRIES {
            match attempt().await {
                Err(Failure::Database(error)) if is_contention(&error) || is_loss(&error) => pause().await,
                outcome => return outcome,
            }
        }
        attempt().await
    };
    match tokio::time::timeout(limit, attempts).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(Failure::Decided(error))) => Err(error),
        Ok(Err(Failure::Database(error))) => Err(failed(error)),
        Err(_) => Err(unavailable(TimedOut(limit))),
    }
}

/// Two that create one service collide once. What is in the way of every attempt was put there by hand.
pub(super) fn unless_in_the_way(service: &ServiceName, error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(cause) if cause.downcast_ref().is_some_and(is_duplicate) => {
            let reason = format!("a row that was not made by a change is in the way: {cause}");
            StoreError::Broken(BrokenSplit { service: service.to_string(), reason })
        }
        other => other,
    }
}

fn is_duplicate(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

/// A moment of random length, so that those that collided do not meet again.
pub(super) async fn pause() {
    let millis = rand::rng().random_range(1..=20);
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// Whether the attempt was undone because of what others did at the same time.
pub(super) fn is_contention(error: &DbErr) -> bool {
    // A guard found another generation, or two created one service.
    let overtaken = matches!(error, DbErr::RecordNotUpdated) || is_duplicate(error);
    overtaken || database_code(error).is_some_and(|code| is_transient(&code))
}

/// The code that the database gave an error, as its manual lists it.
pub(super) fn database_code(error: &DbErr) -> Option<String> {
    let error = database_error(error)?;
    #[cfg(feature = "mysql")]
    if let Some(error) = error.try_downcast_ref::<sea_orm::sqlx::mysql::MySqlDatabaseError>() {
        // Finer than its code, which is a SQL state.
        return Some(error.number().to_string());
    }
    error.code().map(Into::into)
}

fn is_transient(code: &str) -> bool {
    match code {
        // SQLite: busy and locked, each with its finer forms.
        "5" | "261" | "517" | "773" | "6" | "262" | "518" => true,
        // PostgreSQL: serialization failure, deadlock.
        "40001" | "40P01" => true,
        // MySQL and MariaDB: deadlock, lock wait timeout, record changed since it was read, undone by the group.
        "1213" | "1205" | "1020" | "3101" => true,
        _ => false,
    }
}

/// Whether the connection broke, as when the database is started anew.
pub(super) fn is_loss(error: &DbErr) -> bool {
    // PostgreSQL: shut down by an administrator, crashed, starting up, idle for too long. MySQL: shutting down, killed;
    // MariaDB: killed.
    let stopped = |code: &str| {
        matches!(code, "57P01" | "57P02" | "57P03" | "25P03" | "1053" | "3169" | "1927" | "1317")
    };
    matches!(driver_error(error), Some(DriverError::Io(_)))
        || database_code(error).as_deref().is_some_and(stopped)
}

fn database_error(error: &DbErr) -> Option<&(dyn DatabaseError + 'static)> {
    driver_error(error)?.as_database_error()
}

fn driver_error(error: &DbErr) -> Option<&DriverError> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error.deref()),
        _ => None,
    }
}

/// The store cannot be used, because of what the database said.
fn failed(error: DbErr) -> StoreError {
    match remedy_of(&error) {
        Some(remedy) => unavailable(Remediable { remedy, cause: error }),
        None => unavailable(error),
    }
}

/// The store cannot be reached, because of `cause`.
pub(super) fn unavailable(cause: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable(Box::new(cause))
}

/// An error that somebody has to do something about.
#[derive(Debug, Error)]
#[error("{remedy}")]
struct Remediable {
    remedy: &'static str,
    #[source]
    cause: DbErr,
}

/// The database did not answer in time.
#[derive(Debug)]
struct TimedOut(Duration);

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the database did not answer within {:?}", self.0)
    }
}

impl std::error::Error for TimedOut {}

//! Why one attempt of a call failed, and the error that its caller gets.
//!
//! | an attempt fails because of | then |
//! | --- | --- |
//! | a rule, a text, another generation, a broken row | the caller gets that error |
//! | a deadlock, a lock that is held, a serialization failure, a lost connection | it is retried |
//! | a commit whose outcome is unknown | the caller gets [`StoreError::Unavailable`] and must read the split again |
//! | every other error of the database | the caller gets [`StoreError::Unavailable`] with the error as its source |

use std::error::Error;
use std::time::Duration;

use sea_orm::DbErr;
use thiserror::Error;

use super::codes::{is_contention, is_duplicate, is_loss, remedy_of};
use super::error::ConnectError;
use crate::routing::ServiceName;
use crate::store::{BrokenSplit, StoreError};

/// Why one attempt failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The outcome is final: another attempt would end the same.
    Final(StoreError),
    /// The database reported an error.
    Database(DbErr),
    /// Another writer changed or deleted the row between its read and its update.
    Overtaken,
    /// The caller stopped waiting before the commit.
    Cancelled,
}

impl Failure {
    /// Creates the failure of a commit. Unless the database reports that it undid the transaction, the change may have
    /// been made, so it is not retried.
    pub(super) fn from_commit(error: DbErr) -> Self {
        if is_contention(&error) { Self::Database(error) } else { Self::Final(from_database(error)) }
    }

    /// Returns whether another attempt may succeed.
    pub(super) fn is_retryable(&self) -> bool {
        match self {
            Self::Database(error) => is_contention(error) || is_loss(error),
            Self::Overtaken => true,
            Self::Final(_) | Self::Cancelled => false,
        }
    }

    /// Converts to the error that the caller gets when there is no further attempt.
    pub(super) fn into_store_error(self) -> StoreError {
        match self {
            Self::Final(error) => error,
            Self::Database(error) => from_database(error),
            Self::Overtaken => unavailable(Overtaken),
            Self::Cancelled => unavailable(Cancelled),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Final(error)
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self::Final(unavailable(error))
    }
}

impl From<DbErr> for Failure {
    fn from(error: DbErr) -> Self {
        match error {
            // The update of one row by its key found no row.
            DbErr::RecordNotUpdated => Self::Overtaken,
            error => Self::Database(error),
        }
    }
}

/// Creates the error of a call that took longer than `limit`.
pub(super) fn timed_out(limit: Duration) -> StoreError {
    unavailable(TimedOut(limit))
}

/// Creates the error of a store that cannot be used because of `cause`.
pub(super) fn unavailable(cause: impl Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable(Box::new(cause))
}

fn from_database(error: DbErr) -> StoreError {
    match remedy_of(&error) {
        Some(remedy) => unavailable(Remediable { remedy, cause: error }),
        None => unavailable(error),
    }
}

/// Reports a row that no change made and that blocks every change of `service`. Two writers that create one service
/// collide once; a key that is still taken after all attempts was inserted by hand.
pub(super) fn report_blocking_row(service: &ServiceName, error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(cause) if cause.downcast_ref().is_some_and(is_duplicate) => {
            let reason = format!("a row that was not made by a change is in the way: {cause}");
            StoreError::Broken(BrokenSplit::new(service.to_string(), reason))
        }
        other => other,
    }
}

/// An error of the database that an operator has to fix.
#[derive(Debug, Error)]
#[error("{remedy}")]
struct Remediable {
    remedy: &'static str,
    #[source]
    cause: DbErr,
}

#[derive(Debug, Error)]
#[error("the database did not respond within {0:?}")]
struct TimedOut(Duration);

#[derive(Debug, Error)]
#[error("other writers changed the split during every attempt")]
struct Overtaken;

#[derive(Debug, Error)]
#[error("the call was cancelled")]
struct Cancelled;

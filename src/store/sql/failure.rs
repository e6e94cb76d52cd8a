//! Why one attempt of a call failed, and the error that its caller gets.
//!
//! | an attempt fails because of | then |
//! | --- | --- |
//! | a rule, a text, another generation, a broken row | the caller gets that error |
//! | a deadlock, a lock that is held, a serialization failure, a lost connection | it is retried |
//! | a server that is not the primary any more | it is retried on a new connection |
//! | a commit whose outcome is unknown | the caller gets [`StoreError::Unavailable`] and must read the split again |
//! | a database that lacks rights, tables or space, or cannot store a text | the caller gets [`StoreError::Unusable`] or [`StoreError::Unstorable`] |
//! | every other error of the database | the caller gets [`StoreError::Unavailable`] with the error as its source |

use std::error::Error;
use std::time::Duration;

use sea_orm::DbErr;
use thiserror::Error;

use super::codes::{Meaning, is_contention, is_duplicate, is_loss, is_read_only, meaning, says_wrong_server};
use super::error::ConnectError;
use super::remedies::READ_ONLY;
use super::secrets::Secrets;
use crate::common::error::BoxError;
use crate::routing::ServiceName;
use crate::store::{BrokenSplit, StoreError};

/// Why one attempt failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The outcome is final: another attempt would end the same.
    Final(StoreError),
    /// The database reported an error.
    Database(DbErr),
    /// The database reported an error to the commit, so the change may have been made.
    Commit(DbErr),
    /// The server accepts no changes: it is not the primary any more.
    ReadOnly,
    /// Another writer changed or deleted a row between its read and its update.
    Overtaken,
    /// The caller stopped waiting before the commit.
    Cancelled,
    /// The call did not end within this time.
    TimedOut(Duration),
    /// The store is closed.
    Closed,
}

impl Failure {
    /// Creates the failure of a commit: [`Database`](Self::Database), which is retried, if the error says that the
    /// transaction was undone. Otherwise [`Commit`](Self::Commit), which is not, since the change may have been made.
    pub(super) fn from_commit(error: DbErr) -> Self {
        if is_contention(&error) || is_read_only(&error) {
            Self::Database(error)
        } else {
            Self::Commit(error)
        }
    }

    /// Returns whether another attempt may succeed.
    pub(super) fn is_retryable(&self) -> bool {
        match self {
            Self::Database(error) => is_contention(error) || is_loss(error) || says_wrong_server(error),
            Self::ReadOnly | Self::Overtaken => true,
            Self::Final(_) | Self::Commit(_) | Self::Cancelled | Self::TimedOut(_) | Self::Closed => false,
        }
    }

    /// Returns whether the server accepts no changes.
    pub(super) fn is_read_only(&self) -> bool {
        match self {
            Self::Database(error) => is_read_only(error),
            Self::ReadOnly => true,
            _ => false,
        }
    }

    /// Returns whether the server is the wrong one or about to stop, so that all connections to it are of no use.
    pub(super) fn says_wrong_server(&self) -> bool {
        match self {
            Self::Database(error) | Self::Commit(error) => says_wrong_server(error),
            Self::ReadOnly => true,
            _ => false,
        }
    }

    /// Converts to the error that the caller gets when there is no further attempt.
    pub(super) fn into_store_error(self, secrets: &Secrets) -> StoreError {
        match self {
            Self::Final(error) => error,
            Self::Database(error) => from_database(error, secrets),
            // Whatever it is, the change may have been made: the caller has to read the split.
            Self::Commit(error) => StoreError::Unavailable(secrets.hide(error.into())),
            Self::ReadOnly => {
                StoreError::Unusable { remedy: READ_ONLY, source: "the server accepts no changes".into() }
            }
            Self::Overtaken => unavailable(Overtaken),
            Self::Cancelled => unavailable(Cancelled),
            Self::TimedOut(limit) => unavailable(TimedOut(limit)),
            Self::Closed => unavailable(Closed),
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

/// Creates the error of a store that cannot be used because of `cause`.
fn unavailable(cause: impl Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable(Box::new(cause))
}

/// Converts an error of the database by the meaning of its code. A fault needs an operator, so it is [`StoreError::Unusable`];
/// an error that may pass is [`StoreError::Unavailable`].
fn from_database(error: DbErr, secrets: &Secrets) -> StoreError {
    let meaning = meaning(&error);
    let source = secrets.hide(error.into());
    match meaning {
        Some(Meaning::Unstorable) => StoreError::Unstorable(source),
        Some(Meaning::Fault(remedy)) => {
            StoreError::Unusable { remedy, source: Box::new(Remediable { remedy, source }) }
        }
        Some(Meaning::Fixable(remedy)) => unavailable(Remediable { remedy, source }),
        None => StoreError::Unavailable(source),
    }
}

/// Converts an error about a key that is still taken after all attempts to [`StoreError::Broken`], since a row that no
/// change of `service` made is in the way: two writers that create one service collide only once. Other errors stay.
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
    source: BoxError,
}

/// The source of [`StoreError::Unavailable`] for a call that took too long. The statement may have been
/// carried out.
#[derive(Debug, Error)]
#[error("the database did not respond within {0:?}")]
struct TimedOut(Duration);

/// The source of [`StoreError::Unavailable`] for a call whose last attempt was overtaken by another writer
/// too.
#[derive(Debug, Error)]
#[error("other writers changed the split during every attempt")]
struct Overtaken;

/// The source of an error that nobody receives, since its caller is gone. It says in a log what rolled the
/// transaction back.
#[derive(Debug, Error)]
#[error("the call was cancelled")]
struct Cancelled;

/// The source of [`StoreError::Unavailable`] after [`SqlStore::close`](super::SqlStore::close).
#[derive(Debug, Error)]
#[error("the store is closed")]
struct Closed;

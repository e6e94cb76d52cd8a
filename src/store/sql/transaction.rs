//! Transactions that write.
//!
//! A transaction that changes a split locks the row of its service first and the row of the revision second.
//! So two of them never wait for each other, and the writers of two services meet only in the second lock, which is
//! held for the last statements and the commit.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, TransactionTrait};

use super::context::WriteContext;
use super::dialect::{self, SessionLimits};
use super::failure::Failure;

/// Runs `work` in a transaction that writes. It is committed if `work` succeeds and the caller still waits.
pub(super) async fn in_transaction<T>(
    context: &WriteContext,
    work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let backend = context.db.get_database_backend();
    let transaction = context.db.begin_with_options(dialect::transaction_options(backend)).await?;
    let limits = dialect::session_limits(backend, context.pool);
    match with_limits(&transaction, limits, work).await {
        Ok(_) if context.cancelled.is_set() => roll_back(transaction, Failure::Cancelled).await,
        Ok(done) => transaction.commit().await.map_err(Failure::from_commit).map(|()| done),
        Err(failure) => roll_back(transaction, failure).await,
    }
}

/// Runs `work` under the time limits of the session, and restores them, also after a failure.
async fn with_limits<T>(
    transaction: &DatabaseTransaction,
    limits: SessionLimits,
    work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let outcome = match execute(transaction, limits.set).await {
        Ok(()) => work(transaction).await,
        Err(error) => Err(error.into()),
    };
    let restored = execute(transaction, limits.restore).await;
    let done = outcome?;
    restored?;
    Ok(done)
}

/// Ends a transaction without an effect, and returns the failure that caused it.
async fn roll_back<T>(transaction: DatabaseTransaction, failure: Failure) -> Result<T, Failure> {
    // The first failure explains more than a failed rollback. The database undoes an uncommitted transaction in any case.
    let _ = transaction.rollback().await;
    Err(failure)
}

/// Executes a statement, or several with `;` between them: a prepared statement could not.
async fn execute(transaction: &DatabaseTransaction, statement: Option<&str>) -> Result<(), DbErr> {
    match statement {
        Some(statement) => transaction.execute_unprepared(statement).await.map(drop),
        None => Ok(()),
    }
}

//! Transactions that write.

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait};

use super::abandoned::GivenUp;
use super::dialect::{self, Guard};
use super::retry::Failure;

/// A transaction that writes, whole or not at all. The connection may be lent by a host, which gets it back as it was.
pub(super) struct Transaction {
    inner: DatabaseTransaction,
    guard: Guard,
}

impl Transaction {
    pub(super) async fn begin(db: &DatabaseConnection, lent: bool) -> Result<Self, DbErr> {
        let backend = db.get_database_backend();
        let inner = db.begin_with_options(dialect::transaction(backend)).await?;
        Ok(Self { inner, guard: dialect::guard(backend, lent) })
    }

    /// Says what is to be said first.
    pub(super) async fn guarded(&self) -> Result<&DatabaseTransaction, DbErr> {
        self.say(self.guard.first).await?;
        Ok(&self.inner)
    }

    /// Commits what was `done` well, unless it was given up before.
    pub(super) async fn end<T>(self, done: Result<T, Failure>, given_up: &GivenUp) -> Result<T, Failure> {
        let restored = self.say(self.guard.last).await;
        match done.and_then(|done| Ok(restored.map(|()| done)?)) {
            Ok(_) if given_up.is_true() => self.undo(DbErr::Custom("given up".into()).into()).await,
            Ok(done) => self.inner.commit().await.map_err(Failure::of_commit).map(|()| done),
            Err(failure) => self.undo(failure).await,
        }
    }

    async fn undo<T>(self, failure: Failure) -> Result<T, Failure> {
        // What failed says more than a rollback that fails too; the database undoes what is not committed.
        let _ = self.inner.rollback().await;
        Err(failure)
    }

    async fn say(&self, statement: Option<&str>) -> Result<(), DbErr> {
        match statement {
            Some(statement) => self.inner.execute_unprepared(statement).await.map(drop),
            None => Ok(()),
        }
    }
}

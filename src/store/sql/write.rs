//! Committing a change of a split.
//!
//! All of it is one transaction:
//!
//! | statement | why here |
//! | --- | --- |
//! | `SELECT … FOR UPDATE` of the service | serializes the writers of the service; other services are not blocked |
//! | `SELECT` of the service with its versions | the split that the rules decide on, in one statement so that it is whole |
//! | `UPDATE gateway_revision` | after the decision, since this row serializes all writers: it is locked as briefly as possible |
//! | `UPDATE` of the service, at the expected generation | finds a writer that did not lock, such as an edit by hand |
//! | `DELETE`, `UPDATE`, `INSERT` of the versions that differ | rows that stay the same are not written |
//! | `INSERT` into the history | unique per generation, so that no change is recorded twice |
//! | `pg_notify` on PostgreSQL | sent with the commit |
//! | `DELETE` of old history, if it is limited | with the change that exceeds the limit |

use sea_orm::sea_query::{Expr, ExprTrait, Query, UpdateStatement};
use sea_orm::{
    ActiveValue, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait,
    QueryFilter, QuerySelect, Statement,
};

use super::context::WriteContext;
use super::entity::{change, revision, service};
use super::failure::Failure;
use super::rows::{ServiceRows, shares_to_json, to_signed, to_unsigned};
use super::transaction::in_transaction;
use super::write_versions::write_versions;
use super::{dialect, history, read};
use crate::common::time::{now, to_millis};
use crate::routing::{ServiceName, Split};
use crate::store::{Applied, ChangeRequest, HistoryEntry, StoreError};

/// Makes one attempt to commit a change. The history of the service keeps its last `history_limit` changes, or all.
pub(super) async fn commit(
    context: &WriteContext,
    service: &ServiceName,
    request: &ChangeRequest,
    history_limit: Option<u32>,
) -> Result<Applied, Failure> {
    let committed = in_transaction(context, async |transaction| {
        let applied = apply(transaction, service, request).await?;
        if let Some(limit) = history_limit {
            trim_history(transaction, &applied, limit).await?;
        }
        Ok(applied)
    });
    committed.await
}

/// Deletes changes beyond `limit`, unless the change added none.
async fn trim_history(transaction: &DatabaseTransaction, applied: &Applied, limit: u32) -> Result<(), DbErr> {
    let generation = applied.after.generation();
    if generation == applied.before.generation() {
        return Ok(());
    }
    let last_deleted = generation.saturating_sub(limit.into());
    history::delete_up_to(transaction, applied.after.service(), last_deleted).await
}

/// Reads the split, applies the rules, and writes the result unless nothing changed.
async fn apply(
    transaction: &DatabaseTransaction,
    service: &ServiceName,
    request: &ChangeRequest,
) -> Result<Applied, Failure> {
    lock_service(transaction, service).await?;
    let stored = read::load_service(transaction, service).await?;
    let before = match &stored {
        Some(stored) => stored.split().map_err(StoreError::Broken)?.0,
        None => request.first_split(service)?,
    };
    let at = now();
    let after = request.decide(&before, at)?;
    let revision = if after.generation() == before.generation() {
        read::current_revision(transaction).await?
    } else {
        let entry = HistoryEntry::new(request, &before, &after, at);
        write(transaction, stored.as_ref(), &after, &entry).await?
    };
    Ok(Applied::new(before, after, revision))
}

/// Blocks other writers of the service until the end of the transaction. On SQLite the transaction itself does.
async fn lock_service(transaction: &DatabaseTransaction, service: &ServiceName) -> Result<(), DbErr> {
    if transaction.get_database_backend() == DbBackend::Sqlite {
        return Ok(());
    }
    let row = service::Entity::find().filter(service::Column::ServiceName.eq(service.as_str()));
    row.lock_exclusive().one(transaction).await.map(drop)
}

/// Writes `after` with its entry in the history, and returns the new revision.
async fn write(
    transaction: &DatabaseTransaction,
    stored: Option<&ServiceRows>,
    after: &Split,
    entry: &HistoryEntry,
) -> Result<u64, Failure> {
    let revision = next_revision(transaction).await?;
    let row = service_row(after, revision, to_millis(entry.at));
    let id = match stored {
        Some(stored) => {
            update_service(transaction, stored.id, row, entry.generation).await?;
            stored.id
        }
        None => create_service(transaction, row).await?,
    };
    let version_rows = stored.map_or(&[][..], ServiceRows::version_rows);
    write_versions(transaction, id, version_rows, after).await?;
    write_history(transaction, id, entry).await?;
    notify_listeners(transaction, revision).await?;
    Ok(revision)
}

/// Notifies listeners of the revision once it is committed. Only PostgreSQL has listeners.
async fn notify_listeners(transaction: &DatabaseTransaction, revision: u64) -> Result<(), DbErr> {
    if transaction.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let values = [dialect::CHANNEL.into(), revision.to_string().into()];
    let notify = Statement::from_sql_and_values(DbBackend::Postgres, "SELECT pg_notify($1, $2)", values);
    transaction.query_one_raw(notify).await.map(drop)
}

/// Increments the revision. Its row stays locked until the commit, so revisions are committed in ascending order.
async fn next_revision(transaction: &DatabaseTransaction) -> Result<u64, DbErr> {
    let mut increment = increment_revision();
    // MySQL has no `RETURNING` for an update.
    if transaction.get_database_backend() == DbBackend::MySql {
        transaction.execute(&increment).await?;
        return read::current_revision(transaction).await;
    }
    increment.returning_col(revision::Column::Revision);
    let row = transaction.query_one(&increment).await?.ok_or_else(read::missing_revision)?;
    Ok(to_unsigned(row.try_get_by_index(0)?))
}

fn increment_revision() -> UpdateStatement {
    let mut update = Query::update();
    update
        .table(revision::Entity)
        .value(revision::Column::Revision, Expr::col(revision::Column::Revision).add(1))
        .and_where(revision::Column::Id.eq(revision::ONLY));
    update
}

/// Creates the columns of a service that every change writes.
fn service_row(after: &Split, revision: u64, at: i64) -> service::ActiveModel {
    service::ActiveModel {
        generation: ActiveValue::Set(to_signed(after.generation())),
        salt: ActiveValue::Set(after.salt().cast_signed()),
        service_name: ActiveValue::Set(after.service().to_string()),
        slots: ActiveValue::Set(after.slots().to_string()),
        epoch: ActiveValue::Set(to_signed(after.pin_epoch())),
        health_path: ActiveValue::Set(after.health_path().map(|path| path.as_str().into())),
        revision: ActiveValue::Set(to_signed(revision)),
        updated_at: ActiveValue::Set(at),
        ..Default::default()
    }
}

/// Inserts a service and returns its id. Two writers that create the same one collide on its unique name, and the second
/// retries.
async fn create_service(
    transaction: &DatabaseTransaction,
    mut row: service::ActiveModel,
) -> Result<i64, DbErr> {
    row.created_at = row.updated_at.clone();
    Ok(service::Entity::insert(row).exec(transaction).await?.last_insert_id)
}

/// Updates a service to `generation`, if it is at the generation before.
async fn update_service(
    transaction: &DatabaseTransaction,
    id: i64,
    mut row: service::ActiveModel,
    generation: u64,
) -> Result<(), Failure> {
    // Both are fixed when the service is created.
    row.service_name = ActiveValue::NotSet;
    row.salt = ActiveValue::NotSet;
    let updated = service::Entity::update_many()
        .set(row)
        .filter(service::Column::Id.eq(id))
        .filter(service::Column::Generation.eq(to_signed(generation.saturating_sub(1))))
        .exec(transaction)
        .await?;
    if updated.rows_affected == 1 { Ok(()) } else { Err(Failure::Overtaken) }
}

/// Inserts the entry of the history.
async fn write_history(
    transaction: &DatabaseTransaction,
    service_id: i64,
    entry: &HistoryEntry,
) -> Result<(), DbErr> {
    let row = change::ActiveModel {
        id: ActiveValue::NotSet,
        service_id: ActiveValue::Set(service_id),
        generation: ActiveValue::Set(to_signed(entry.generation)),
        actor: ActiveValue::Set(entry.actor.clone()),
        reason: ActiveValue::Set(entry.reason.clone()),
        kind: ActiveValue::Set(entry.kind.clone()),
        version: ActiveValue::Set(entry.version.as_ref().map(ToString::to_string)),
        split_before: ActiveValue::Set(shares_to_json(&entry.before)),
        split_after: ActiveValue::Set(shares_to_json(&entry.after)),
        changed_at: ActiveValue::Set(to_millis(entry.at)),
    };
    change::Entity::insert(row).exec_without_returning(transaction).await.map(drop)
}

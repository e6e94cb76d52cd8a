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
//! | `INSERT` into the history, one row per change | unique per generation, so that no change is recorded twice |
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
use super::head::{Head, read_head};
use super::rows::{Details, LastChangeJson, MirrorJson, ServiceRows, shares_to_json, to_signed};
use super::transaction::in_transaction;
use super::write_versions::write_versions;
use super::{dialect, head, history, read};
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
    let begun = context.followed.term();
    let committed = in_transaction(context, async |transaction| {
        let (applied, head) = apply(transaction, service, request).await?;
        if let Some(limit) = history_limit {
            trim_history(transaction, &applied.before, &applied.after, limit).await?;
        }
        Ok((applied, head))
    });
    let (applied, head) = committed.await?;
    Ok(applied.with_term(head.record_answer(&context.followed, begun)))
}

/// Deletes changes beyond the last `limit` of a service that was changed from `before` to `after`.
pub(super) async fn trim_history(
    transaction: &DatabaseTransaction,
    before: &Split,
    after: &Split,
    limit: u32,
) -> Result<(), DbErr> {
    let generation = after.generation();
    if generation == before.generation() {
        return Ok(());
    }
    let last_deleted = generation.saturating_sub(limit.into());
    history::delete_up_to(transaction, after.service(), last_deleted).await
}

/// Reads the split, applies the rules, and writes the result unless nothing changed. Returns the result with the head
/// after it.
async fn apply(
    transaction: &DatabaseTransaction,
    service: &ServiceName,
    request: &ChangeRequest,
) -> Result<(Applied, Head), Failure> {
    lock_service(transaction, service).await?;
    let stored = read::load_service(transaction, service).await?;
    let before = match &stored {
        Some(stored) => stored.split().map_err(StoreError::Broken)?.0,
        None => request.first_split(service)?,
    };
    let at = now();
    let after = request.decide(&before, at)?;
    let head = if after.generation() == before.generation() {
        read_head(transaction).await?
    } else {
        let entry = HistoryEntry::new(request, &before, &after, at);
        write(transaction, stored.as_ref(), &after, &[entry]).await?
    };
    if head.read_only {
        // A user with all rights may write to a read-only MySQL server. Nothing of this is committed.
        return Err(Failure::ReadOnly);
    }
    Ok((Applied::new(before, after, head.revision), head))
}

/// Blocks other writers of the service until the end of the transaction. On SQLite the transaction itself does.
pub(super) async fn lock_service(
    transaction: &DatabaseTransaction,
    service: &ServiceName,
) -> Result<(), DbErr> {
    if transaction.get_database_backend() == DbBackend::Sqlite {
        return Ok(());
    }
    let row = service::Entity::find().filter(service::Column::ServiceName.eq(service.as_str()));
    row.lock_exclusive().one(transaction).await.map(drop)
}

/// Writes the split `after` with the entries of its changes, of which there is at least one, and returns the head with
/// the new revision. `stored` has the rows before. `None`: the service is created.
pub(super) async fn write(
    transaction: &DatabaseTransaction,
    stored: Option<&ServiceRows>,
    after: &Split,
    entries: &[HistoryEntry],
) -> Result<Head, Failure> {
    let head = next_head(transaction, entries.len()).await?;
    let at = entries.last().map_or(0, |entry| to_millis(entry.at));
    let row = service_row(after, head.revision, at);
    let id = match stored {
        Some(stored) => {
            let first_generation =
                entries.first().map_or_else(|| after.generation(), |entry| entry.generation);
            update_service(transaction, stored.id, row, first_generation).await?;
            stored.id
        }
        None => create_service(transaction, row).await?,
    };
    let version_rows = stored.map_or(&[][..], ServiceRows::version_rows);
    write_versions(transaction, id, version_rows, after).await?;
    for entry in entries {
        write_history(transaction, id, entry).await?;
    }
    notify_listeners(transaction, head.revision).await?;
    Ok(head)
}

/// Increments the revision of the store and gives it to a service whose split stays, so that other gateways load the
/// service. Returns the head with the new revision.
pub(super) async fn touch(transaction: &DatabaseTransaction, service_id: i64) -> Result<Head, DbErr> {
    let head = next_head(transaction, 1).await?;
    let mut update = Query::update();
    update.table(service::Entity).value(service::Column::Revision, to_signed(head.revision));
    update.and_where(Expr::col(service::Column::Id).eq(service_id));
    transaction.execute(&update).await?;
    notify_listeners(transaction, head.revision).await?;
    Ok(head)
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

/// Increments the revision by the number of `changes`, and returns the head with it. The row stays locked until the
/// commit, so revisions are committed in ascending order.
async fn next_head(transaction: &DatabaseTransaction, changes: usize) -> Result<Head, DbErr> {
    let backend = transaction.get_database_backend();
    let mut increment = increment_revision(changes);
    // MySQL has no `RETURNING` for an update.
    if backend == DbBackend::MySql {
        transaction.execute(&increment).await?;
        return read_head(transaction).await;
    }
    increment.returning(Query::returning().exprs(head::columns(backend)));
    let row = transaction.query_one(&increment).await?.ok_or_else(head::missing_revision)?;
    Head::from_row(&row)
}

/// Returns the statement that adds the number of `changes` to the revision. Each change of a rollout's write has a
/// revision of its own, like changes that are made one by one.
fn increment_revision(changes: usize) -> UpdateStatement {
    let by = i64::try_from(changes).unwrap_or(1);
    let mut update = Query::update();
    update
        .table(revision::Entity)
        .value(revision::Column::Revision, Expr::col(revision::Column::Revision).add(by))
        .and_where(revision::Column::Id.eq(revision::ONLY));
    update
}

/// Creates the columns of a service that a change at the time `at`, in milliseconds, writes.
fn service_row(after: &Split, revision: u64, at: i64) -> service::ActiveModel {
    service::ActiveModel {
        generation: ActiveValue::Set(to_signed(after.generation())),
        salt: ActiveValue::Set(after.salt().cast_signed()),
        service_name: ActiveValue::Set(after.service().to_string()),
        slots: ActiveValue::Set(after.slots().to_string()),
        epoch: ActiveValue::Set(to_signed(after.pin_epoch())),
        health_path: ActiveValue::Set(after.health_path().map(|path| path.as_str().into())),
        revision: ActiveValue::Set(to_signed(revision)),
        last_change: ActiveValue::Set(Some(LastChangeJson::encode(after))),
        mirror: ActiveValue::Set(MirrorJson::encode(after)),
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

/// Updates a service. It must be at the generation before `first_generation`, which the first change makes. Otherwise a
/// writer that did not lock it changed it, and the attempt is overtaken.
async fn update_service(
    transaction: &DatabaseTransaction,
    id: i64,
    mut row: service::ActiveModel,
    first_generation: u64,
) -> Result<(), Failure> {
    // The name is fixed. The salt changes when a removed service is registered again.
    row.service_name = ActiveValue::NotSet;
    let updated = service::Entity::update_many()
        .set(row)
        .filter(service::Column::Id.eq(id))
        .filter(service::Column::Generation.eq(to_signed(first_generation.saturating_sub(1))))
        .exec(transaction)
        .await?;
    if updated.rows_affected == 1 { Ok(()) } else { Err(Failure::Overtaken) }
}

/// Inserts an entry of the history of the service.
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
        details: ActiveValue::Set(Some(Details::encode_entry(entry))),
    };
    change::Entity::insert(row).exec_without_returning(transaction).await.map(drop)
}

//! Making a change.

use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ActiveValue, ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, Statement,
};

use super::abandoned::GivenUp;
use super::entity::{change, revision, service, version};
use super::retry::Failure;
use super::stored::{Stored, row_of, shares_to_json, signed, unsigned};
use super::transaction::Transaction;
use super::{dialect, history, read};
use crate::common::time::{now, to_millis};
use crate::routing::{Change, ServiceName, Split};
use crate::store::{Applied, ChangeRequest, HistoryEntry, StoreError};

/// One attempt to make a change, whole or not at all; not if it was given up before it could be committed. The
/// connection may be `lent` by a host. Of the history, so much is `kept`.
pub(super) async fn apply(
    db: &DatabaseConnection,
    lent: bool,
    service: &ServiceName,
    request: &ChangeRequest,
    kept: Option<u32>,
    given_up: &GivenUp,
) -> Result<Applied, Failure> {
    let transaction = Transaction::begin(db, lent).await?;
    let changed = guarded(&transaction, service, request, kept).await;
    transaction.end(changed, given_up).await
}

async fn guarded(
    transaction: &Transaction,
    service: &ServiceName,
    request: &ChangeRequest,
    kept: Option<u32>,
) -> Result<Applied, Failure> {
    let transaction = transaction.guarded().await?;
    let applied = change(transaction, service, request).await?;
    let (before, after) = (applied.before.generation(), applied.after.generation());
    if let Some(kept) = kept.filter(|_| before != after) {
        history::forget(transaction, service, after.saturating_sub(kept.into())).await?;
    }
    Ok(applied)
}

async fn change(
    transaction: &DatabaseTransaction,
    service: &ServiceName,
    request: &ChangeRequest,
) -> Result<Applied, Failure> {
    lock(transaction, service).await?;
    let stored = read::one(transaction, service).await?;
    let before = match (&stored, &request.change) {
        (Some(stored), _) => stored.split().map_err(StoreError::Broken)?.0,
        (None, Change::Register(_)) => Split::new(service.clone(), rand::random()),
        (None, _) => return Err(StoreError::UnknownService(service.clone()).into()),
    };
    let at = now();
    let after = request.decide(&before, at)?;
    let revision = if after.generation() == before.generation() {
        read::current_revision(transaction).await?
    } else {
        let entry = HistoryEntry::new(request, &before, &after, at);
        write(transaction, stored.as_ref(), &after, &entry).await?
    };
    Ok(Applied { before, after, revision })
}

/// Makes other writers of the service wait. On SQLite the transaction does so already.
async fn lock(transaction: &DatabaseTransaction, service: &ServiceName) -> Result<(), DbErr> {
    if transaction.get_database_backend() == DbBackend::Sqlite {
        return Ok(());
    }
    let row = service::Entity::find().filter(service::Column::ServiceName.eq(service.as_str()));
    row.lock_exclusive().one(transaction).await.map(drop)
}

/// Writes what is new in `after`, and the revision that it makes.
async fn write(
    transaction: &DatabaseTransaction,
    stored: Option<&Stored>,
    after: &Split,
    entry: &HistoryEntry,
) -> Result<u64, DbErr> {
    let revision = next_revision(transaction).await?;
    let row = service_row(after, revision, to_millis(entry.at));
    let id = match stored {
        Some(stored) => update_service(transaction, stored.id, row, entry.generation).await?,
        None => create_service(transaction, row).await?,
    };
    write_versions(transaction, id, stored.map_or(&[], Stored::version_rows), after).await?;
    write_history(transaction, id, entry).await?;
    tell(transaction, revision).await?;
    Ok(revision)
}

/// Tells those that listen, once it is committed. The others poll.
async fn tell(transaction: &DatabaseTransaction, revision: u64) -> Result<(), DbErr> {
    if transaction.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let values = [dialect::CHANNEL.into(), revision.to_string().into()];
    let notify = Statement::from_sql_and_values(DbBackend::Postgres, "SELECT pg_notify($1, $2)", values);
    transaction.query_one_raw(notify).await.map(drop)
}

/// The row stays locked until the commit, so that revisions are committed in their order.
async fn next_revision(transaction: &DatabaseTransaction) -> Result<u64, DbErr> {
    let mut count_on = Query::update();
    count_on
        .table(revision::Entity)
        .value(revision::Column::Revision, Expr::col(revision::Column::Revision).add(1))
        .and_where(revision::Column::Id.eq(revision::ONLY));
    // MySQL cannot tell what it wrote.
    if transaction.get_database_backend() == DbBackend::MySql {
        transaction.execute(&count_on).await?;
        return read::current_revision(transaction).await;
    }
    count_on.returning_col(revision::Column::Revision);
    let row = transaction.query_one(&count_on).await?.ok_or_else(read::no_revision)?;
    Ok(unsigned(row.try_get_by_index(0)?))
}

/// What every change writes of a service.
fn service_row(after: &Split, revision: u64, at: i64) -> service::ActiveModel {
    service::ActiveModel {
        service_name: ActiveValue::Set(after.service().to_string()),
        generation: ActiveValue::Set(signed(after.generation())),
        salt: ActiveValue::Set(after.salt().cast_signed()),
        slots: ActiveValue::Set(after.slots().to_string()),
        epoch: ActiveValue::Set(signed(after.pin_epoch())),
        health_path: ActiveValue::Set(after.health_path().map(|path| path.as_str().into())),
        revision: ActiveValue::Set(signed(revision)),
        updated_at: ActiveValue::Set(at),
        ..Default::default()
    }
}

async fn create_service(
    transaction: &DatabaseTransaction,
    mut row: service::ActiveModel,
) -> Result<i64, DbErr> {
    row.created_at = row.updated_at.clone();
    Ok(service::Entity::insert(row).exec(transaction).await?.last_insert_id)
}

/// Refused as overtaken where the row is not at the generation that `generation` follows.
async fn update_service(
    transaction: &DatabaseTransaction,
    id: i64,
    mut row: service::ActiveModel,
    generation: u64,
) -> Result<i64, DbErr> {
    (row.service_name, row.salt) = (ActiveValue::NotSet, ActiveValue::NotSet);
    let updated = service::Entity::update_many()
        .set(row)
        .filter(service::Column::Id.eq(id))
        .filter(service::Column::Generation.eq(signed(generation.saturating_sub(1))))
        .exec(transaction)
        .await?;
    if updated.rows_affected == 1 { Ok(id) } else { Err(DbErr::RecordNotUpdated) }
}

/// Deletes, updates and inserts the rows that differ, and leaves the others alone.
async fn write_versions(
    transaction: &DatabaseTransaction,
    service_id: i64,
    before: &[version::Model],
    after: &Split,
) -> Result<(), DbErr> {
    let gone =
        |row: &&version::Model| !after.versions().iter().any(|version| version.id.to_string() == row.id);
    for row in before.iter().filter(gone) {
        version::Entity::delete_by_id(row.id.as_str()).exec(transaction).await?;
    }
    for version in after.versions() {
        let id = version.id.to_string();
        let stored = before.iter().find(|row| row.id == id);
        let position = stored.map_or_else(|| signed(after.generation()), |row| row.position);
        let row = row_of(version, service_id, position);
        match stored {
            Some(stored) if *stored == row => {}
            Some(_) => update_version(transaction, row).await?,
            None => insert_version(transaction, row).await?,
        }
    }
    Ok(())
}

async fn insert_version(transaction: &DatabaseTransaction, row: version::Model) -> Result<(), DbErr> {
    let insert = version::Entity::insert(row.into_active_model());
    insert.exec_without_returning(transaction).await.map(drop)
}

async fn update_version(transaction: &DatabaseTransaction, row: version::Model) -> Result<(), DbErr> {
    let changed = version::ActiveModel {
        id: ActiveValue::Unchanged(row.id),
        url: ActiveValue::Set(row.url),
        weight: ActiveValue::Set(row.weight),
        is_active: ActiveValue::Set(row.is_active),
        updated_at: ActiveValue::Set(row.updated_at),
        ..Default::default()
    };
    version::Entity::update(changed).exec_without_returning(transaction).await.map(drop)
}

async fn write_history(
    transaction: &DatabaseTransaction,
    service_id: i64,
    entry: &HistoryEntry,
) -> Result<(), DbErr> {
    let row = change::ActiveModel {
        id: ActiveValue::NotSet,
        service_id: ActiveValue::Set(service_id),
        generation: ActiveValue::Set(signed(entry.generation)),
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

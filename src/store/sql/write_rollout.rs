//! Starting rollouts, and writing to them.
//!
//! A write is one transaction:
//!
//! | statement | why here |
//! | --- | --- |
//! | `SELECT … FOR UPDATE` of the service | serializes the writers of the service: operators, other gateways, rollouts |
//! | `SELECT` of the service with its versions | the split on which the changes are decided |
//! | `UPDATE` of the rollout at the turn that was read | the fence: it finds no row if another gateway wrote meanwhile, or leads |
//! | `INSERT` of the events | unique per turn, so that none is recorded twice |
//! | the statements of a [change](super::write) | one entry of the history per change |

use std::time::{Duration, SystemTime};

use sea_orm::sea_query::{Cond, Expr, ExprTrait, InsertStatement, Query, SimpleExpr, UpdateStatement};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect,
};

use super::context::WriteContext;
use super::entity::rollout::{Column, Entity};
use super::entity::rollout_event;
use super::failure::Failure;
use super::head::{Head, read_head};
use super::rows::{ServiceRows, to_signed};
use super::transaction::in_transaction;
use super::{dialect, read, rollouts, write};
use crate::common::time::now;
use crate::routing::Split;
use crate::store::{
    Applied, DecidedChange, HistoryEntry, LeaseUse, NewRollout, NewRolloutEvent, RolloutWrite,
    RolloutWritten, StoreError, StoredRollout,
};

/// Makes one attempt to start a rollout.
pub(super) async fn start(context: &WriteContext, new: &NewRollout) -> Result<StoredRollout, Failure> {
    in_transaction(context, async |transaction| {
        let service_id = check_start(transaction, new).await?;
        let inserted = insert_rollout(transaction.get_database_backend(), service_id, new);
        transaction.execute(&inserted).await?;
        insert_events(transaction, &new.id, StoredRollout::FIRST_TURN, &new.events).await?;
        delete_old(transaction, service_id).await?;
        refuse_read_only(&write::touch(transaction, service_id).await?)?;
        // With the times of the database's clock.
        rollouts::find(transaction, &new.id).await?.ok_or(Failure::Overtaken)
    })
    .await
}

/// Locks the service, and returns its id if the rollout may start. Otherwise it fails with the error of
/// [`start_rollout`](crate::store::RolloutStore::start_rollout).
async fn check_start(transaction: &DatabaseTransaction, new: &NewRollout) -> Result<i64, Failure> {
    write::lock_service(transaction, &new.service).await?;
    let Some(stored) = read::load_service(transaction, &new.service).await? else {
        return Err(StoreError::UnknownService(new.service.clone()).into());
    };
    let split = stored_split(&stored)?;
    if split.is_removed() {
        return Err(StoreError::UnknownService(new.service.clone()).into());
    }
    let active = Entity::find().filter(Column::ActiveOf.eq(stored.id)).select_only().column(Column::Id);
    if let Some(id) = active.into_tuple().one(transaction).await? {
        return Err(StoreError::RolloutActive { id }.into());
    }
    new.check_generation(&split)?;
    Ok(stored.id)
}

/// Inserts a rollout that has no leader yet.
fn insert_rollout(backend: DbBackend, service_id: i64, new: &NewRollout) -> InsertStatement {
    let now = dialect::now(backend);
    let columns = &new.columns;
    let values: [(Column, SimpleExpr); 20] = [
        (Column::Id, new.id.as_str().into()),
        (Column::ServiceId, service_id.into()),
        (Column::ActiveOf, service_id.into()),
        (Column::Canary, new.canary.as_str().into()),
        (Column::CanaryId, new.canary_id.to_string().into()),
        (Column::Plan, new.plan.as_str().into()),
        (Column::State, columns.state.as_str().into()),
        (Column::Evidence, columns.evidence.as_deref().into()),
        (Column::Phase, columns.phase.as_str().into()),
        (Column::Step, to_int(columns.step).into()),
        (Column::Why, columns.why.as_deref().into()),
        (Column::Turn, to_signed(StoredRollout::FIRST_TURN).into()),
        (Column::StartGeneration, to_signed(new.expected_generation).into()),
        (Column::Generation, to_signed(new.expected_generation).into()),
        (Column::TickedAt, now.clone()),
        (Column::Held, to_millis(columns.held).into()),
        (Column::Actor, new.actor.as_str().into()),
        (Column::ActorKind, new.actor_kind.as_str().into()),
        (Column::Reason, new.reason.as_deref().into()),
        (Column::CreatedAt, now),
    ];
    let mut insert = Query::insert();
    insert.into_table(Entity).columns(values.iter().map(|(column, _)| *column));
    insert.values_panic(values.into_iter().map(|(_, value)| value)).take()
}

/// Deletes the rollouts of the service beyond the last [`StoredRollout::RETAINED`] that are over, with their events.
async fn delete_old(transaction: &DatabaseTransaction, service_id: i64) -> Result<(), DbErr> {
    let is_over = Column::ServiceId.eq(service_id).and(Column::ActiveOf.is_null());
    let numbers = Entity::find().filter(is_over.clone()).select_only().column(Column::Number);
    let beyond = numbers.order_by_desc(Column::Number).offset(StoredRollout::RETAINED as u64).limit(1);
    let newest_old: Option<i64> = beyond.into_tuple().one(transaction).await?;
    let Some(number) = newest_old else { return Ok(()) };
    let old = Entity::delete_many().filter(is_over).filter(Column::Number.lte(number));
    old.exec(transaction).await.map(drop)
}

/// Makes one attempt to write to a rollout. The history of the service keeps its last `history_limit` changes, or all.
pub(super) async fn write(
    context: &WriteContext,
    write: &RolloutWrite,
    history_limit: Option<u32>,
) -> Result<RolloutWritten, Failure> {
    let begun = context.followed.term();
    let written =
        in_transaction(context, async |transaction| write_fenced(transaction, write, history_limit).await);
    let Some((mut applied, head)) = written.await? else { return Ok(RolloutWritten::Overtaken) };
    let term = head.record_answer(&context.followed, begun);
    applied.iter_mut().for_each(|applied| applied.term = term);
    Ok(RolloutWritten::Written { applied, revision: head.revision })
}

/// Writes all of it, and returns the results of the changes with the head after them. `None`, and nothing is written,
/// if the write is overtaken.
async fn write_fenced(
    transaction: &DatabaseTransaction,
    write: &RolloutWrite,
    history_limit: Option<u32>,
) -> Result<Option<(Vec<Applied>, Head)>, Failure> {
    write::lock_service(transaction, &write.service).await?;
    let Some(stored) = read::load_service(transaction, &write.service).await? else { return Ok(None) };
    let at = now();
    // A refusal is returned after the fence: of an overtaken write it says nothing.
    let decided = decide(write, &stored, at);
    let generation = decided.as_deref().ok().and_then(RolloutWrite::last_generation);
    let fenced = update(transaction.get_database_backend(), stored.id, write, generation);
    if transaction.execute(&fenced).await?.rows_affected() == 0 {
        return Ok(None);
    }
    let decided = decided?;
    insert_events(transaction, &write.id, write.expected_turn.saturating_add(1), &write.events).await?;
    let head = write_changes(transaction, &stored, write, &decided, at).await?;
    refuse_read_only(&head)?;
    if let (Some(limit), Some(first), Some(last)) = (history_limit, decided.first(), decided.last()) {
        write::trim_history(transaction, &first.before, &last.after, limit).await?;
    }
    Ok(Some((into_applied(decided, head.revision), head)))
}

/// Decides the changes of the write at the time `at`, one after the other, each on the split after the one before.
/// Without changes the split is not parsed: a broken split does not stop the turns of its rollout.
fn decide(
    write: &RolloutWrite,
    stored: &ServiceRows,
    at: SystemTime,
) -> Result<Vec<DecidedChange>, StoreError> {
    if write.changes.is_empty() {
        return Ok(Vec::new());
    }
    write.decide(&stored_split(stored)?, at)
}

/// Returns the split of the service, or [`StoreError::Broken`] with the row that cannot be read.
fn stored_split(stored: &ServiceRows) -> Result<Split, StoreError> {
    Ok(stored.split().map_err(StoreError::Broken)?.0)
}

/// Writes the split after the last change, with an entry of the history for each change, and returns the head after it.
/// The entries have the time `at` at which the changes were decided. If no split changed, a write that ends the rollout
/// still increments the revision, so that other gateways learn of the end.
async fn write_changes(
    transaction: &DatabaseTransaction,
    stored: &ServiceRows,
    write: &RolloutWrite,
    decided: &[DecidedChange],
    at: SystemTime,
) -> Result<Head, Failure> {
    let changes = decided.iter().filter(|change| change.is_change());
    let entries = changes.map(|change| HistoryEntry::new(&change.request, &change.before, &change.after, at));
    let entries: Vec<HistoryEntry> = entries.collect();
    match decided.last() {
        Some(last) if !entries.is_empty() => {
            write::write(transaction, Some(stored), &last.after, &entries).await
        }
        _ if write.columns.outcome.is_some() => Ok(write::touch(transaction, stored.id).await?),
        _ => Ok(read_head(transaction).await?),
    }
}

/// Converts the changes to their results. The last of those that changed something left the store at `revision`.
fn into_applied(decided: Vec<DecidedChange>, revision: u64) -> Vec<Applied> {
    let mut later = decided.iter().filter(|change| change.is_change()).count() as u64;
    let mut applied = Vec::with_capacity(decided.len());
    for change in decided {
        later -= u64::from(change.is_change());
        applied.push(Applied::new(change.before, change.after, revision.saturating_sub(later)));
    }
    applied
}

/// Returns the fence: the update of the rollout, which finds no row if the write is overtaken. The split has the
/// `generation` after the last change of the write. `None`: no split changes.
fn update(
    backend: DbBackend,
    service_id: i64,
    write: &RolloutWrite,
    generation: Option<u64>,
) -> UpdateStatement {
    let columns = &write.columns;
    let mut update = Query::update();
    update
        .table(Entity)
        .value(Column::Turn, Expr::col(Column::Turn).add(1))
        .value(Column::State, columns.state.as_str())
        .value(Column::Phase, columns.phase.as_str())
        .value(Column::Step, to_int(columns.step))
        .value(Column::Held, to_millis(columns.held))
        .value(Column::Outcome, columns.outcome.as_deref())
        .value(Column::Why, columns.why.as_deref())
        .and_where(Column::Id.eq(write.id.as_str()))
        .and_where(Column::ServiceId.eq(service_id))
        .and_where(Column::Turn.eq(to_signed(write.expected_turn)))
        .and_where(Column::OverAt.is_null());
    if let Some(evidence) = &columns.evidence {
        update.value(Column::Evidence, evidence.as_str());
    }
    if let Some(generation) = generation {
        update.value(Column::Generation, to_signed(generation));
    }
    if columns.outcome.is_some() {
        update.value(Column::ActiveOf, Expr::cust("NULL")).value(Column::OverAt, dialect::now(backend));
    }
    claim(&mut update, backend, &write.lease);
    update
}

/// Adds the claim of a lease to `update`, which then finds no row unless the lease is the replica's own or free: see
/// [`StoredRollout::may_be_led_by`].
fn claim(update: &mut UpdateStatement, backend: DbBackend, lease: &LeaseUse) {
    let LeaseUse::Claim { replica, length } = lease else { return };
    let now = dialect::now(backend);
    let end = now.clone().add(to_millis(*length));
    let is_free = Cond::any()
        .add(Column::Leader.eq(replica.as_str()))
        .add(Column::Leader.is_null())
        .add(Column::LeaseUntil.is_null())
        .add(Expr::col(Column::LeaseUntil).lt(now.clone()))
        .add(Expr::col(Column::LeaseUntil).gt(end.clone()));
    update.value(Column::Leader, replica.as_str()).value(Column::LeaseUntil, end);
    update.value(Column::TickedAt, now).cond_where(is_free);
}

/// The columns of an event that are inserted.
const EVENT_COLUMNS: [rollout_event::Column; 8] = [
    rollout_event::Column::Rollout,
    rollout_event::Column::Turn,
    rollout_event::Column::Position,
    rollout_event::Column::At,
    rollout_event::Column::Kind,
    rollout_event::Column::Step,
    rollout_event::Column::Actor,
    rollout_event::Column::Text,
];

/// Inserts the events of one turn, in their order. All have the time of the database.
async fn insert_events(
    transaction: &DatabaseTransaction,
    id: &str,
    turn: u64,
    events: &[NewRolloutEvent],
) -> Result<(), DbErr> {
    if events.is_empty() {
        return Ok(());
    }
    let number = rollouts::number(transaction, id).await?.ok_or(DbErr::RecordNotUpdated)?;
    let at = dialect::now(transaction.get_database_backend());
    let mut insert = Query::insert();
    insert.into_table(rollout_event::Entity).columns(EVENT_COLUMNS);
    for (event, position) in events.iter().zip(0_i32..) {
        insert.values_panic([
            number.into(),
            to_signed(turn).into(),
            position.into(),
            at.clone(),
            event.kind.as_str().into(),
            to_int(event.step).into(),
            event.actor.as_deref().into(),
            event.text.as_str().into(),
        ]);
    }
    transaction.execute(&insert).await.map(drop)
}

/// Fails if the server is read-only, so that nothing is committed: a user with all rights may write to such a MySQL
/// server.
fn refuse_read_only(head: &Head) -> Result<(), Failure> {
    if head.read_only { Err(Failure::ReadOnly) } else { Ok(()) }
}

/// Converts the number of a step. One above `i32::MAX`, which no plan has, becomes that.
fn to_int(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Converts a duration. One beyond 292 million years becomes that.
fn to_millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

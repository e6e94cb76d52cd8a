//! Reading the history, and forgetting the oldest of it.

use sea_orm::{
    ColumnTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Select,
};

use super::entity::{change, service};
use super::retry::Failure;
use super::stored::{CHANGE, Flaw, named, shares_of, signed, unsigned};
use crate::common::time::from_millis;
use crate::routing::ServiceName;
use crate::store::{HistoryEntry, StoreError};

pub(super) async fn read(
    db: &DatabaseConnection,
    service: &ServiceName,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<HistoryEntry>, Failure> {
    let id: Option<i64> = id_of(service).into_tuple().one(db).await?;
    let id = id.ok_or_else(|| StoreError::UnknownService(service.clone()))?;
    let mut changes = change::Entity::find().filter(change::Column::ServiceId.eq(id));
    if let Some(before) = before {
        changes = changes.filter(change::Column::Generation.lt(signed(before)));
    }
    let latest = changes.order_by_desc(change::Column::Generation).limit(u64::from(limit));
    let rows = latest.all(db).await?;
    let entries: Result<_, Flaw> = rows.into_iter().map(entry).collect();
    Ok(entries.map_err(|flaw| StoreError::Broken(flaw.of(service.as_str())))?)
}

/// Forgets the changes of `service` up to a generation.
pub(super) async fn forget(
    transaction: &DatabaseTransaction,
    service: &ServiceName,
    up_to: u64,
) -> Result<(), DbErr> {
    let old = change::Entity::delete_many()
        .filter(change::Column::ServiceId.in_subquery(id_of(service).into_query()))
        .filter(change::Column::Generation.lte(signed(up_to)));
    old.exec(transaction).await.map(drop)
}

fn id_of(service: &ServiceName) -> Select<service::Entity> {
    let by_name = service::Entity::find().filter(service::Column::ServiceName.eq(service.as_str()));
    by_name.select_only().column(service::Column::Id)
}

fn entry(row: change::Model) -> Result<HistoryEntry, Flaw> {
    Ok(HistoryEntry {
        generation: unsigned(row.generation),
        version: named(CHANGE, row.id, row.version.as_deref())?,
        before: shares_of(CHANGE, row.id, "split_before", &row.split_before)?,
        after: shares_of(CHANGE, row.id, "split_after", &row.split_after)?,
        at: from_millis(row.changed_at),
        actor: row.actor,
        reason: row.reason,
        kind: row.kind,
    })
}

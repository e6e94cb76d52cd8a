//! The history of changes.
//!
//! The entry of a change is written in the transaction of the change, by [`write`](mod@super::write). So the
//! history has an entry exactly for the changes that were made, and an entry is never updated. Reading it
//! needs no lock: a page that is read during a change has the entry or does not have it yet.

use sea_orm::{
    ColumnTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QuerySelect,
    QueryTrait, Select,
};

use super::entity::{change, service};
use super::failure::Failure;
use super::page::Pages;
use super::rows::{Details, Flaw, ok_or_log, parse_shares, parse_version, to_signed, to_unsigned};
use crate::common::time::from_millis;
use crate::routing::ServiceName;
use crate::store::{HistoryEntry, StoreError};

/// The table, as errors name it.
const TABLE: &str = "gateway_split_change";

/// Reads up to `limit` changes of `service` before the generation `before`, latest first. Rows that cannot be read are left
/// out, and earlier ones take their places: a page with fewer changes is the last one.
pub(super) async fn read(
    db: &DatabaseConnection,
    service: &ServiceName,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<HistoryEntry>, Failure> {
    let id: Option<i64> = select_id(service).into_tuple().one(db).await?;
    let id = id.ok_or_else(|| StoreError::UnknownService(service.clone()))?;
    let pages = Pages {
        rows: change::Entity::find().filter(change::Column::ServiceId.eq(id)),
        column: change::Column::Generation,
        number: |row| row.generation,
    };
    let read = pages.read(db, before, limit, |row| ok_or_log(service, parse_entry(row)));
    Ok(read.await?)
}

/// Deletes the changes of `service` up to the generation `last`.
pub(super) async fn delete_up_to(
    transaction: &DatabaseTransaction,
    service: &ServiceName,
    last: u64,
) -> Result<(), DbErr> {
    let old = change::Entity::delete_many()
        .filter(change::Column::ServiceId.in_subquery(select_id(service).into_query()))
        .filter(change::Column::Generation.lte(to_signed(last)));
    old.exec(transaction).await.map(drop)
}

/// Selects the id of `service`.
fn select_id(service: &ServiceName) -> Select<service::Entity> {
    let by_name = service::Entity::find().filter(service::Column::ServiceName.eq(service.as_str()));
    by_name.select_only().column(service::Column::Id)
}

/// Interprets a row.
fn parse_entry(row: change::Model) -> Result<HistoryEntry, Flaw> {
    let before = parse_shares(TABLE, row.id, "split_before", &row.split_before)?;
    let after = parse_shares(TABLE, row.id, "split_after", &row.split_after)?;
    let version = parse_version(TABLE, row.id, row.version.as_deref())?;
    let details = Details::parse(TABLE, row.id, row.details.as_deref())?;
    let (settings_before, settings_after) = details.settings(TABLE, row.id)?;
    let at = from_millis(row.changed_at);
    let entry = HistoryEntry::from_stored(to_unsigned(row.generation), row.actor, row.kind, at);
    Ok(entry
        .with_reason(row.reason)
        .with_version(version)
        .with_shares(before, after)
        .with_settings(settings_before, settings_after)
        .with_sender(details.actor_kind(), details.request_id()))
}

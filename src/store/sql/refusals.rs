//! Changes that were refused.
//!
//! A refused change is recorded after its own transaction was rolled back, in another one. So a gateway that
//! ends in between records nothing, and a refusal that cannot be recorded does not hide the reason for the
//! refusal.

use sea_orm::{
    ActiveValue, ColumnTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect,
};

use super::context::WriteContext;
use super::entity::refusal::{ActiveModel, Column, Entity, Model};
use super::failure::Failure;
use super::page::Pages;
use super::rows::{
    Details, Flaw, ok_or_log, parse_shares, parse_version, shares_to_json, to_signed, to_unsigned,
};
use super::transaction::in_transaction;
use crate::common::time::{from_millis, to_millis};
use crate::routing::ServiceName;
use crate::store::Refusal;

/// The table, as errors name it.
const TABLE: &str = "gateway_refused_change";

/// Makes one attempt to record `refusal`, and deletes those beyond the last [`Refusal::RETAINED`].
pub(super) async fn record(context: &WriteContext, refusal: &Refusal) -> Result<(), Failure> {
    let recorded = in_transaction(context, async |transaction| {
        Entity::insert(new_row(refusal)).exec_without_returning(transaction).await?;
        Ok(delete_old(transaction).await?)
    });
    recorded.await
}

/// Deletes the refused changes beyond the last [`Refusal::RETAINED`]. Their ids ascend with time.
async fn delete_old(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    let ids = Entity::find().select_only().column(Column::Id).order_by_desc(Column::Id);
    let beyond_limit = ids.offset(Refusal::RETAINED as u64).limit(1);
    let newest_old: Option<i64> = beyond_limit.into_tuple().one(transaction).await?;
    match newest_old {
        Some(id) => Entity::delete_many().filter(Column::Id.lte(id)).exec(transaction).await.map(drop),
        None => Ok(()),
    }
}

/// Reads up to `limit` refused changes of `service` before the id `before`, latest first. Rows that cannot
/// be read are left out, and earlier ones take their places: a page with fewer refusals is the last one.
pub(super) async fn read(
    db: &DatabaseConnection,
    service: &ServiceName,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<Refusal>, Failure> {
    let pages = Pages {
        rows: Entity::find().filter(Column::ServiceName.eq(service.as_str())),
        column: Column::Id,
        number: |row| row.id,
    };
    let read = pages.read(db, before, limit, |row| ok_or_log(service, parse_refusal(service, row)));
    Ok(read.await?)
}

/// Creates the row of `refusal`. The database assigns the id.
fn new_row(refusal: &Refusal) -> ActiveModel {
    ActiveModel {
        id: ActiveValue::NotSet,
        service_name: ActiveValue::Set(refusal.service.to_string()),
        actor: ActiveValue::Set(refusal.actor.clone()),
        reason: ActiveValue::Set(refusal.reason.clone()),
        kind: ActiveValue::Set(refusal.kind.clone()),
        version: ActiveValue::Set(refusal.version.as_ref().map(ToString::to_string)),
        asked: ActiveValue::Set(refusal.asked.clone()),
        generation: ActiveValue::Set(refusal.generation.map(to_signed)),
        split: ActiveValue::Set(shares_to_json(&refusal.shares)),
        why: ActiveValue::Set(refusal.why.clone()),
        refused_at: ActiveValue::Set(to_millis(refusal.at)),
        details: ActiveValue::Set(Some(Details::encode_refusal(refusal))),
    }
}

/// Interprets a row.
fn parse_refusal(service: &ServiceName, row: Model) -> Result<Refusal, Flaw> {
    let version = parse_version(TABLE, row.id, row.version.as_deref())?;
    let shares = parse_shares(TABLE, row.id, "split", &row.split)?;
    let details = Details::parse(TABLE, row.id, row.details.as_deref())?;
    let at = from_millis(row.refused_at);
    let refusal = Refusal::from_stored(service.clone(), row.actor, row.kind, at);
    Ok(refusal
        .with_id(to_unsigned(row.id))
        .with_sender(details.actor_kind(), details.request_id())
        .with_reason(row.reason)
        .with_version(version)
        .with_texts(row.asked, row.why)
        .with_split(row.generation.map(to_unsigned), shares))
}

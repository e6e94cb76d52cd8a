//! Changes that were refused.

use sea_orm::{
    ActiveValue, ColumnTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect,
};

use super::abandoned::GivenUp;
use super::entity::refusal::{ActiveModel, Column, Entity, Model};
use super::retry::Failure;
use super::stored::{Flaw, REFUSAL, named, shares_of, shares_to_json, signed, unsigned};
use super::transaction::Transaction;
use crate::common::time::{from_millis, to_millis};
use crate::routing::ServiceName;
use crate::store::refusals::MAX_REFUSALS;
use crate::store::{Refusal, StoreError};

/// One attempt to keep `refusal`, and to forget what is older than the last ones.
pub(super) async fn note(
    db: &DatabaseConnection,
    lent: bool,
    refusal: &Refusal,
    given_up: &GivenUp,
) -> Result<(), Failure> {
    let transaction = Transaction::begin(db, lent).await?;
    let noted = guarded(&transaction, refusal).await;
    transaction.end(noted, given_up).await
}

async fn guarded(transaction: &Transaction, refusal: &Refusal) -> Result<(), Failure> {
    let transaction = transaction.guarded().await?;
    Entity::insert(row_of(refusal)).exec_without_returning(transaction).await?;
    Ok(forget(transaction).await?)
}

async fn forget(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    let ids = Entity::find().select_only().column(Column::Id).order_by_desc(Column::Id);
    let too_old: Option<i64> = ids.offset(MAX_REFUSALS as u64).limit(1).into_tuple().one(transaction).await?;
    match too_old {
        Some(id) => Entity::delete_many().filter(Column::Id.lte(id)).exec(transaction).await.map(drop),
        None => Ok(()),
    }
}

pub(super) async fn read(
    db: &DatabaseConnection,
    service: &ServiceName,
    limit: u32,
) -> Result<Vec<Refusal>, Failure> {
    let of_service = Entity::find().filter(Column::ServiceName.eq(service.as_str()));
    let rows = of_service.order_by_desc(Column::Id).limit(u64::from(limit)).all(db).await?;
    let refusals: Result<_, Flaw> = rows.into_iter().map(|row| refusal(service, row)).collect();
    Ok(refusals.map_err(|flaw| StoreError::Broken(flaw.of(service.as_str())))?)
}

fn row_of(refusal: &Refusal) -> ActiveModel {
    ActiveModel {
        id: ActiveValue::NotSet,
        service_name: ActiveValue::Set(refusal.service.to_string()),
        actor: ActiveValue::Set(refusal.actor.clone()),
        reason: ActiveValue::Set(refusal.reason.clone()),
        kind: ActiveValue::Set(refusal.kind.clone()),
        version: ActiveValue::Set(refusal.version.as_ref().map(ToString::to_string)),
        asked: ActiveValue::Set(refusal.asked.clone()),
        generation: ActiveValue::Set(refusal.generation.map(signed)),
        split: ActiveValue::Set(shares_to_json(&refusal.shares)),
        why: ActiveValue::Set(refusal.why.clone()),
        refused_at: ActiveValue::Set(to_millis(refusal.at)),
    }
}

fn refusal(service: &ServiceName, row: Model) -> Result<Refusal, Flaw> {
    Ok(Refusal {
        service: service.clone(),
        version: named(REFUSAL, row.id, row.version.as_deref())?,
        generation: row.generation.map(unsigned),
        shares: shares_of(REFUSAL, row.id, "split", &row.split)?,
        at: from_millis(row.refused_at),
        actor: row.actor,
        reason: row.reason,
        kind: row.kind,
        asked: row.asked,
        why: row.why,
    })
}

//! The gateways that share the database.

use std::time::Duration;

use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Order, Query};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, EntityTrait};

use super::dialect;
use super::entity::replica::{Column, Entity};
use super::stored::{signed, unsigned};
use crate::store::Replica;

/// Notes what a replica serves, and forgets those that are long gone.
pub(super) async fn report(
    db: &DatabaseConnection,
    id: &str,
    name: &str,
    revision: u64,
) -> Result<(), DbErr> {
    let now = || dialect::now(db.get_database_backend());
    let mut upsert = Query::insert();
    upsert
        .into_table(Entity)
        .columns([Column::Id, Column::Name, Column::Revision, Column::SeenAt])
        .values_panic([id.into(), name.into(), signed(revision).into(), now()])
        .on_conflict(
            OnConflict::column(Column::Id).update_columns([Column::Revision, Column::SeenAt]).to_owned(),
        );
    db.execute(&upsert).await?;
    let mut gone = Query::delete();
    gone.from_table(Entity).and_where(Expr::col(Column::SeenAt).lt(now().sub(expiry())));
    db.execute(&gone).await.map(drop)
}

pub(super) async fn withdraw(db: &DatabaseConnection, id: &str) -> Result<(), DbErr> {
    Entity::delete_by_id(id).exec(db).await.map(drop)
}

pub(super) async fn all(db: &DatabaseConnection) -> Result<Vec<Replica>, DbErr> {
    let ago = dialect::now(db.get_database_backend()).sub(Expr::col(Column::SeenAt));
    let mut select = Query::select();
    select.columns([Column::Id, Column::Name, Column::Revision]).expr(ago.clone()).from(Entity);
    select.and_where(ago.lt(expiry())).order_by(Column::Name, Order::Asc).order_by(Column::Id, Order::Asc);
    let rows = db.query_all(&select).await?;
    let replica = |row: &sea_orm::QueryResult| {
        Ok(Replica {
            id: row.try_get_by_index(0)?,
            name: row.try_get_by_index(1)?,
            revision: unsigned(row.try_get_by_index(2)?),
            seen: Duration::from_millis(unsigned(row.try_get_by_index(3)?)),
        })
    };
    rows.iter().map(replica).collect()
}

fn expiry() -> i64 {
    i64::try_from(Replica::EXPIRY.as_millis()).unwrap_or(i64::MAX)
}

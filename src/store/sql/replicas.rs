//! The gateways that share the database.

use std::collections::BTreeMap;
use std::time::Duration;

use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Order, Query};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, EntityTrait};

use super::dialect;
use super::entity::replica::{Column, Entity};
use super::stored::{signed, unsigned};
use crate::store::{Draining, Replica, Report};

/// Notes what a replica says of itself, and forgets those that are long gone.
pub(super) async fn report(db: &DatabaseConnection, report: &Report) -> Result<(), DbErr> {
    let now = || dialect::now(db.get_database_backend());
    let Report { id, name, revision, draining } = report;
    let values =
        [id.as_str().into(), name.as_str().into(), signed(*revision).into(), to_json(draining).into(), now()];
    let again = [Column::Revision, Column::Draining, Column::SeenAt];
    let mut upsert = Query::insert();
    upsert
        .into_table(Entity)
        .columns([Column::Id, Column::Name, Column::Revision, Column::Draining, Column::SeenAt])
        .values_panic(values)
        .on_conflict(OnConflict::column(Column::Id).update_columns(again).to_owned());
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
    select.columns([Column::Id, Column::Name, Column::Revision, Column::Draining]);
    select.expr(ago.clone()).from(Entity);
    select.and_where(ago.lt(expiry())).order_by(Column::Name, Order::Asc).order_by(Column::Id, Order::Asc);
    let rows = db.query_all(&select).await?;
    let replica = |row: &sea_orm::QueryResult| {
        Ok(Replica {
            id: row.try_get_by_index(0)?,
            name: row.try_get_by_index(1)?,
            revision: unsigned(row.try_get_by_index(2)?),
            draining: of_json(row.try_get_by_index(3)?)?,
            seen: Duration::from_millis(unsigned(row.try_get_by_index(4)?)),
        })
    };
    rows.iter().map(replica).collect()
}

fn expiry() -> i64 {
    i64::try_from(Replica::EXPIRY.as_millis()).unwrap_or(i64::MAX)
}

/// The names of versions by that of their service.
fn to_json(draining: &[Draining]) -> String {
    let mut by_service: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Draining { service, version } in draining {
        by_service.entry(service.as_str()).or_default().push(version.as_str());
    }
    serde_json::json!(by_service).to_string()
}

/// Gateways that do not tell of it leave it out.
fn of_json(json: Option<String>) -> Result<Vec<Draining>, DbErr> {
    let Some(json) = json else { return Ok(Vec::new()) };
    let flaw =
        |cause: &dyn std::fmt::Display| DbErr::Type(format!("gateway_replica, column draining: {cause}"));
    let by_service: BTreeMap<&str, Vec<&str>> = serde_json::from_str(&json).map_err(|error| flaw(&error))?;
    let pairs = by_service
        .into_iter()
        .flat_map(|(service, versions)| versions.into_iter().map(move |v| (service, v)));
    let draining = |(service, version): (&str, &str)| {
        let service = service.parse().map_err(|error| flaw(&error))?;
        Ok(Draining { service, version: version.parse().map_err(|error| flaw(&error))? })
    };
    pairs.map(draining).collect()
}

//! The gateways that share the database.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use sea_orm::sea_query::{
    DeleteStatement, Expr, ExprTrait, InsertStatement, OnConflict, Order, Query, SelectStatement,
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait, QueryResult};

use super::dialect;
use super::entity::replica::{Column, Entity};
use super::rows::{to_signed, to_unsigned};
use crate::store::{Draining, Replica, Report};

/// The name of the column with the time since a report, in milliseconds.
const AGE: &str = "age";

/// Records a report, and deletes replicas that expired.
pub(super) async fn report(db: &DatabaseConnection, report: &Report) -> Result<(), DbErr> {
    let backend = db.get_database_backend();
    db.execute(&upsert(backend, report)).await?;
    db.execute(&delete_expired(backend)).await.map(drop)
}

/// Removes the replica `id`.
pub(super) async fn withdraw(db: &DatabaseConnection, id: &str) -> Result<(), DbErr> {
    Entity::delete_by_id(id).exec(db).await.map(drop)
}

/// Reads the replicas that have not expired, by name.
pub(super) async fn read(db: &DatabaseConnection) -> Result<Vec<Replica>, DbErr> {
    let rows = db.query_all(&select(db.get_database_backend())).await?;
    rows.iter().map(parse_replica).collect()
}

/// Inserts the replica, or updates its row. The time is the database's.
fn upsert(backend: DbBackend, report: &Report) -> InsertStatement {
    let values = [
        report.id.as_str().into(),
        report.name.as_str().into(),
        to_signed(report.revision).into(),
        draining_to_json(&report.draining).into(),
        dialect::now(backend),
    ];
    let updated = [Column::Revision, Column::Draining, Column::SeenAt];
    let mut upsert = Query::insert();
    upsert
        .into_table(Entity)
        .columns([Column::Id, Column::Name, Column::Revision, Column::Draining, Column::SeenAt])
        .values_panic(values)
        .on_conflict(OnConflict::column(Column::Id).update_columns(updated).to_owned());
    upsert
}

/// Deletes replicas that expired, so that the table does not grow with each restart of a gateway.
fn delete_expired(backend: DbBackend) -> DeleteStatement {
    let oldest = dialect::now(backend).sub(expiry());
    let mut delete = Query::delete();
    delete.from_table(Entity).and_where(Expr::col(Column::SeenAt).lt(oldest));
    delete
}

/// Selects the replicas that have not expired, by name and then by id.
fn select(backend: DbBackend) -> SelectStatement {
    let age = dialect::now(backend).sub(Expr::col(Column::SeenAt));
    let mut select = Query::select();
    select.columns([Column::Id, Column::Name, Column::Revision, Column::Draining]);
    select.expr_as(age.clone(), AGE).from(Entity).and_where(age.lt(expiry()));
    select.order_by(Column::Name, Order::Asc).order_by(Column::Id, Order::Asc);
    select
}

/// Reads a replica from a row of [`select`].
fn parse_replica(row: &QueryResult) -> Result<Replica, DbErr> {
    let id: String = row.try_get_by("id")?;
    let name: String = row.try_get_by("name")?;
    let revision = to_unsigned(row.try_get_by("revision")?);
    let draining = parse_draining(row.try_get_by("draining")?)?;
    let seen = Duration::from_millis(to_unsigned(row.try_get_by(AGE)?));
    Ok(Replica::new(Report::new(id, name, revision).with_draining(draining), seen))
}

/// Returns [`Replica::EXPIRY`] in milliseconds.
fn expiry() -> i64 {
    i64::try_from(Replica::EXPIRY.as_millis()).unwrap_or(i64::MAX)
}

/// Converts to a JSON object with the names of versions by the name of their service.
fn draining_to_json(draining: &[Draining]) -> String {
    let mut by_service: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Draining { service, version } in draining {
        by_service.entry(service.as_str()).or_default().push(version.as_str());
    }
    serde_json::json!(by_service).to_string()
}

/// Parses the column `draining`. Gateways of a release without that column leave it empty.
fn parse_draining(json: Option<String>) -> Result<Vec<Draining>, DbErr> {
    let Some(json) = json else { return Ok(Vec::new()) };
    let by_service: BTreeMap<&str, Vec<&str>> = serde_json::from_str(&json).map_err(bad_draining)?;
    let mut draining = Vec::new();
    for (service, versions) in by_service {
        for version in versions {
            let service = service.parse().map_err(bad_draining)?;
            draining.push(Draining::new(service, version.parse().map_err(bad_draining)?));
        }
    }
    Ok(draining)
}

fn bad_draining(cause: impl fmt::Display) -> DbErr {
    DbErr::Type(format!("gateway_replica, column draining: {cause}"))
}

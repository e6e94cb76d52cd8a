//! The gateways that share the database.
//!
//! A report is one row that its gateway overwrites. All times are from the clock of the database, since the
//! clocks of gateways differ: a replica expires if its row is older than [`Replica::EXPIRY`] by that clock. A
//! clock that is set back leaves rows from the future, which would not expire. They are dated now when they
//! are found.

use std::time::Duration;

use sea_orm::sea_query::{
    DeleteStatement, Expr, ExprTrait, InsertStatement, OnConflict, Order, Query, SelectStatement,
    UpdateStatement,
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait, QueryResult};

use super::dialect;
use super::entity::replica::{Column, Entity};
use super::rows::{draining_urls, draining_versions, parse_draining, to_signed, to_unsigned};
use crate::store::{Replica, ReplicaFigures, Report};

/// The name of the column with the time since a report, in milliseconds.
const AGE: &str = "age";

/// Records a report, lets earlier processes expire that it replaces, and deletes replicas that expired. An attempt that
/// fails between two statements can be repeated as a whole.
pub(super) async fn report(db: &DatabaseConnection, report: &Report) -> Result<(), DbErr> {
    let backend = db.get_database_backend();
    db.execute(&upsert(backend, report)).await?;
    if report.starts {
        db.execute(&succeed(backend, report)).await?;
    }
    db.execute(&date_back(backend)).await?;
    db.execute(&delete_expired(backend)).await.map(drop)
}

/// Removes the replica `id`.
pub(super) async fn withdraw(db: &DatabaseConnection, id: &str) -> Result<(), DbErr> {
    Entity::delete_by_id(id).exec(db).await.map(drop)
}

/// Reads the replicas that have not expired, by name and then by id.
///
/// One row that cannot be read fails the read: without it, a version would be taken for drained that the replica
/// drains.
pub(super) async fn read(db: &DatabaseConnection) -> Result<Vec<Replica>, DbErr> {
    let backend = db.get_database_backend();
    let rows = db.query_all(&select(backend)).await?;
    let ages: Vec<i64> = rows.iter().map(|row| row.try_get_by(AGE)).collect::<Result<_, _>>()?;
    if ages.iter().any(|age| *age < 0) {
        // Each report does the same. This is for replicas of which none is left, and for a user who may not write it is
        // left out.
        let _ = db.execute(&date_back(backend)).await;
    }
    rows.iter().map(parse_replica).collect()
}

/// Reads the figures of the replicas that have not expired, by id.
pub(super) async fn read_figures(db: &DatabaseConnection) -> Result<Vec<ReplicaFigures>, DbErr> {
    let age = dialect::now(db.get_database_backend()).sub(Expr::col(Column::SeenAt));
    let mut select = Query::select();
    select.columns([Column::Id, Column::Name, Column::Figures]).from(Entity);
    select.and_where(Expr::col(Column::Figures).is_not_null()).and_where(age.lt(expiry()));
    select.order_by(Column::Id, Order::Asc);
    db.query_all(&select).await?.iter().map(parse_figures).collect()
}

/// Interprets the columns of [`read_figures`]. The figures themselves stay a text: the store does not know
/// their form.
fn parse_figures(row: &QueryResult) -> Result<ReplicaFigures, DbErr> {
    let id: String = row.try_get_by("id")?;
    let name: String = row.try_get_by("name")?;
    let figures: String = row.try_get_by("figures")?;
    Ok(ReplicaFigures::new(id, name, figures))
}

/// Inserts the replica, or updates its row, which keeps the name. The time is the database's.
fn upsert(backend: DbBackend, report: &Report) -> InsertStatement {
    let values = [
        report.id.as_str().into(),
        report.name.as_str().into(),
        to_signed(report.revision).into(),
        draining_versions(&report.draining).into(),
        draining_urls(&report.draining).into(),
        report.admin_url.as_deref().into(),
        report.figures.as_deref().into(),
        dialect::now(backend),
    ];
    let updated = [
        Column::Revision,
        Column::Draining,
        Column::DrainingUrls,
        Column::AdminUrl,
        Column::Figures,
        Column::SeenAt,
    ];
    let columns = [Column::Id, Column::Name].into_iter().chain(updated);
    let mut upsert = Query::insert();
    upsert
        .into_table(Entity)
        .columns(columns)
        .values_panic(values)
        .on_conflict(OnConflict::column(Column::Id).update_columns(updated).to_owned());
    upsert
}

/// Dates reports of the future now, so that they expire: the clock of the database was set back. They are not omitted at
/// once, since most of these replicas live and report soon.
fn date_back(backend: DbBackend) -> UpdateStatement {
    let seen_at = Expr::col(Column::SeenAt);
    let mut update = Query::update();
    update
        .table(Entity)
        .value(Column::SeenAt, dialect::now(backend))
        .and_where(seen_at.gt(dialect::now(backend)));
    update
}

/// Lets earlier processes of the same name expire after [`Replica::SUCCESSION`], unless they report again. Their rows
/// have one time only, so they are dated back, and the age that is read is greater than the time since the report.
fn succeed(backend: DbBackend, successor: &Report) -> UpdateStatement {
    let rest = millis(Replica::EXPIRY.saturating_sub(Replica::SUCCESSION));
    let aged = dialect::now(backend).sub(rest);
    let mut update = Query::update();
    update
        .table(Entity)
        .value(Column::SeenAt, aged.clone())
        .and_where(Expr::col(Column::Name).eq(successor.name.as_str()))
        .and_where(Expr::col(Column::Id).ne(successor.id.as_str()))
        .and_where(Expr::col(Column::SeenAt).gt(aged));
    update
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
    select.columns([Column::Id, Column::Name, Column::Revision]);
    select.columns([Column::Draining, Column::DrainingUrls, Column::AdminUrl]);
    select.expr_as(age.clone(), AGE).from(Entity).and_where(age.lt(expiry()));
    select.order_by(Column::Name, Order::Asc).order_by(Column::Id, Order::Asc);
    select
}

/// Reads a replica from a row of [`select`].
fn parse_replica(row: &QueryResult) -> Result<Replica, DbErr> {
    let id: String = row.try_get_by("id")?;
    let name: String = row.try_get_by("name")?;
    let revision = to_unsigned(row.try_get_by("revision")?);
    let urls: Option<String> = row.try_get_by("draining_urls")?;
    let draining = parse_draining(row.try_get_by("draining")?, urls.as_deref())?;
    let seen = Duration::from_millis(to_unsigned(row.try_get_by(AGE)?));
    let report = Report::new(id, name, revision).with_draining(draining);
    let replica = Replica::new(report.with_admin_url(row.try_get_by("admin_url")?), seen);
    Ok(replica.with_reports_urls(urls.is_some()))
}

/// Returns [`Replica::EXPIRY`] in milliseconds.
fn expiry() -> i64 {
    millis(Replica::EXPIRY)
}

/// Returns whole milliseconds, as the columns have them.
fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

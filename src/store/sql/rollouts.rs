//! Reading rollouts.

use sea_orm::sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, Iterable, QueryFilter, QueryOrder, QueryResult,
    QuerySelect,
};

use super::dialect;
use super::entity::{revision, rollout, rollout_event, service};
use super::rows::{SERVICE_REVISION, parse_event, parse_rollout, to_signed};
use crate::common::time::from_millis;
use crate::routing::ServiceName;
use crate::store::{LiveRollouts, StoredRollout, StoredRolloutEvent};

/// The name of the column with the number of a rollout.
const NUMBER: &str = "number";

/// The name of the column with the clock of the database.
const NOW: &str = "now_millis";

/// Reads the rollouts that are not over, by their numbers, with the clock of the database. One row has the clock
/// also without a rollout. Rollouts that cannot be read are logged and left out.
pub(super) async fn live(db: &impl ConnectionTrait) -> Result<LiveRollouts, DbErr> {
    let mut select = select_columns();
    select.expr_as(dialect::now(db.get_database_backend()), NOW).from(revision::Entity);
    let is_live = Expr::col((rollout::Entity, rollout::Column::ActiveOf)).is_not_null();
    select.left_join(rollout::Entity, is_live).left_join(service::Entity, is_of_service());
    select.and_where(Expr::col((revision::Entity, revision::Column::Id)).eq(revision::ONLY));
    select.order_by((rollout::Entity, rollout::Column::Number), Order::Asc);
    let rows = db.query_all(&select).await?;
    let now = rows.first().map(|row| row.try_get_by::<i64, _>(NOW)).transpose()?;
    let now = now.ok_or_else(super::head::missing_revision)?;
    let rollouts = rows.iter().filter(|row| has_rollout(row)).filter_map(parse_or_log);
    Ok(LiveRollouts::new(from_millis(now), rollouts.collect()))
}

/// Reads the rollout `id`. `None`: it does not exist, or it cannot be read, which is logged.
pub(super) async fn find(db: &impl ConnectionTrait, id: &str) -> Result<Option<StoredRollout>, DbErr> {
    let mut select = select_rollouts();
    select.and_where(Expr::col((rollout::Entity, rollout::Column::Id)).eq(id));
    Ok(db.query_one(&select).await?.as_ref().and_then(parse_or_log))
}

/// Reads up to `limit` rollouts of `service` before the number `before`, latest first.
///
/// Rows that cannot be read are left out, and earlier ones take their places, as in [`Pages`](super::page::Pages): a
/// page with fewer rollouts is the last one.
pub(super) async fn list(
    db: &impl ConnectionTrait,
    service: &ServiceName,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<StoredRollout>, DbErr> {
    let limit = limit as usize;
    let mut before = before.map(to_signed);
    let mut page = Vec::new();
    loop {
        let missing = limit - page.len();
        let rows = db.query_all(&select_page(service, before, missing)).await?;
        let is_last = rows.len() < missing;
        if let Some(last) = rows.last() {
            before = Some(last.try_get_by(NUMBER)?);
        }
        page.extend(rows.iter().filter_map(parse_or_log));
        if is_last || page.len() == limit {
            return Ok(page);
        }
    }
}

/// Selects the next rollouts of `service` in descending order of their number.
fn select_page(service: &ServiceName, before: Option<i64>, limit: usize) -> SelectStatement {
    let number = (rollout::Entity, rollout::Column::Number);
    let mut select = select_rollouts();
    select.and_where(Expr::col((service::Entity, service::Column::ServiceName)).eq(service.as_str()));
    if let Some(before) = before {
        select.and_where(Expr::col(number).lt(before));
    }
    select.order_by(number, Order::Desc).limit(limit as u64).take()
}

/// Reads the first `limit` events of the rollout `id`, oldest first. Empty if it does not exist.
pub(super) async fn events(
    db: &impl ConnectionTrait,
    id: &str,
    limit: u32,
) -> Result<Vec<StoredRolloutEvent>, DbErr> {
    let Some(number) = number(db, id).await? else { return Ok(Vec::new()) };
    let events = rollout_event::Entity::find()
        .filter(rollout_event::Column::Rollout.eq(number))
        .order_by_asc(rollout_event::Column::Turn)
        .order_by_asc(rollout_event::Column::Position)
        .limit(u64::from(limit));
    Ok(events.all(db).await?.into_iter().map(parse_event).collect())
}

/// Returns the number of the rollout `id`, if it exists.
pub(super) async fn number(db: &impl ConnectionTrait, id: &str) -> Result<Option<i64>, DbErr> {
    let by_id = rollout::Entity::find().filter(rollout::Column::Id.eq(id));
    by_id.select_only().column(rollout::Column::Number).into_tuple().one(db).await
}

/// Reads the services with a rollout that is not over, ordered by name. Names that cannot be read are left out, like their
/// splits.
pub(super) async fn services(db: &impl ConnectionTrait) -> Result<Vec<ServiceName>, DbErr> {
    let mut select = Query::select();
    let is_active = Expr::col((rollout::Entity, rollout::Column::ActiveOf))
        .equals((service::Entity, service::Column::Id));
    select.column((service::Entity, service::Column::ServiceName)).from(rollout::Entity);
    select.inner_join(service::Entity, is_active);
    let rows = db.query_all(&select).await?;
    let names: Vec<String> = rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?;
    let mut services: Vec<ServiceName> = names.iter().filter_map(|name| name.parse().ok()).collect();
    services.sort();
    Ok(services)
}

/// Selects rollouts with their services.
fn select_rollouts() -> SelectStatement {
    let mut select = select_columns();
    select.from(rollout::Entity).inner_join(service::Entity, is_of_service()).take()
}

/// Selects the columns of a rollout, with the name and the revision of its service. The caller adds the
/// tables.
fn select_columns() -> SelectStatement {
    let mut select = Query::select();
    select.columns(rollout::Column::iter().map(|column| (rollout::Entity, column)));
    select.column((service::Entity, service::Column::ServiceName));
    select.expr_as(Expr::col((service::Entity, service::Column::Revision)), SERVICE_REVISION).take()
}

/// Returns the condition that joins a rollout with its service. The column `active_of` would join only those that are
/// not over.
fn is_of_service() -> sea_orm::sea_query::SimpleExpr {
    Expr::col((rollout::Entity, rollout::Column::ServiceId)).equals((service::Entity, service::Column::Id))
}

/// Returns whether the row has a rollout beside the clock.
fn has_rollout(row: &QueryResult) -> bool {
    !matches!(row.try_get_by::<Option<i64>, _>(NUMBER), Ok(None))
}

/// Returns the rollout in a row. `None`: it cannot be read, which is logged.
fn parse_or_log(row: &QueryResult) -> Option<StoredRollout> {
    parse_rollout(row)
        .inspect_err(|flaw| tracing::error!(%flaw, "a rollout cannot be read and is left out"))
        .ok()
}

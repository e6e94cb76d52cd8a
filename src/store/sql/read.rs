//! Reading splits.

use sea_orm::sea_query::{Expr, ExprTrait, Iden, Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityName, EntityTrait};

use super::dialect;
use super::entity::{revision, service, version};
use super::retry::Failure;
use super::stored::{Stored, signed, unsigned};
use crate::routing::{ServiceName, Split};
use crate::store::{BrokenSplit, Snapshot};

/// The splits that changed after the revision `after`.
///
/// The revision is read before the splits: what changes between the two is read again next time, and never missed.
pub(super) async fn load(db: &DatabaseConnection, after: u64) -> Result<Snapshot, Failure> {
    let revision = current_revision(db).await?;
    if after > 0 && revision <= after {
        return Ok(Snapshot { revision, ..Snapshot::default() });
    }
    let mut stored = match after {
        0 => all(db).await?,
        _ => changed(db, after).await?,
    };
    stored.sort_by(|a, b| a.name.cmp(&b.name));
    let mut snapshot = Snapshot { revision, ..Snapshot::default() };
    for service in stored {
        match readable(&service) {
            Ok(split) => snapshot.splits.push(split),
            Err(broken) => snapshot.broken.push(broken),
        }
    }
    Ok(snapshot)
}

fn readable(service: &Stored) -> Result<Split, BrokenSplit> {
    let (split, repaired) = service.split()?;
    if repaired {
        tracing::warn!(service = %split.service(), "the stored weights do not total 100 percent and are scaled, or the slots do not follow them");
    }
    Ok(split)
}

/// The rows of one service.
pub(super) async fn one(db: &impl ConnectionTrait, service: &ServiceName) -> Result<Option<Stored>, DbErr> {
    let mut statement = select(db.get_database_backend());
    statement.and_where(Expr::col(service::Column::ServiceName).eq(service.as_str()));
    db.query_one(&statement).await?.as_ref().map(Stored::of).transpose()
}

/// How many changes the store has seen.
pub(super) async fn current_revision(db: &impl ConnectionTrait) -> Result<u64, DbErr> {
    let row = revision::Entity::find_by_id(revision::ONLY).one(db).await?;
    let row = row.ok_or_else(no_revision)?;
    Ok(unsigned(row.revision))
}

/// Somebody deleted the row that counts changes.
pub(super) fn no_revision() -> DbErr {
    DbErr::RecordNotFound("the row of gateway_revision".into())
}

/// All services. What cannot be read many at once is read one by one, to find out what is wrong with which.
async fn all(db: &DatabaseConnection) -> Result<Vec<Stored>, DbErr> {
    match many(db).await? {
        Some(stored) => Ok(stored),
        None => changed(db, 0).await,
    }
}

/// All services, page by page: the database works at the next while one is taken apart. `None` where the database is
/// quicker otherwise, or one of them cannot be read so.
async fn many(db: &DatabaseConnection) -> Result<Option<Vec<Stored>>, DbErr> {
    let (mut stored, mut from) = (Vec::new(), i64::MIN);
    let Some(first) = page(db.get_database_backend(), from) else { return Ok(None) };
    let mut rows = db.query_all(&first).await?;
    while let Some(last) = rows.last() {
        from = (last.try_get_by_index::<i64>(1)? + 1) << BITS;
        let Some(next) = page(db.get_database_backend(), from) else { return Ok(None) };
        let taken_apart = async move { rows.iter().map(Stored::many_of).collect::<Option<Vec<_>>>() };
        // Asks before it takes apart.
        let (next, taken_apart) = tokio::join!(db.query_all(&next), taken_apart);
        let Some(services) = taken_apart else { return Ok(None) };
        stored.extend(services.into_iter().flatten());
        rows = next?;
    }
    Ok(Some(stored))
}

async fn changed(db: &DatabaseConnection, after: u64) -> Result<Vec<Stored>, DbErr> {
    let mut statement = select(db.get_database_backend());
    if after > 0 {
        statement.and_where(Expr::col(service::Column::Revision).gt(signed(after)));
    }
    db.query_all(&statement).await?.iter().map(Stored::of).collect()
}

/// What is read of a service, in the order of [`Stored::of`] and [`Stored::many_of`]; its versions come last.
const SERVICE: [service::Column; 7] = {
    use service::Column as S;
    [S::Id, S::ServiceName, S::Generation, S::Salt, S::Slots, S::HealthPath, S::Epoch]
};

/// Services, each with its versions, in one statement, so that no split is torn.
fn select(backend: DbBackend) -> SelectStatement {
    Query::select().columns(SERVICE).expr(Expr::cust(versions(backend))).from(service::Entity).take()
}

/// A row has the services whose ids are alike but for so many bits. And how many rows are in a page.
const BITS: u32 = 6;
const PER_PAGE: u64 = 16;

/// The same from the id `from` on, many to a row, each with its number.
fn page(backend: DbBackend, from: i64) -> Option<SelectStatement> {
    let columns: Vec<_> = SERVICE.iter().map(Iden::unquoted).collect();
    let many = dialect::many_as_text(backend, &columns, &versions(backend))?;
    let number = Expr::cust(format!("id >> {BITS}"));
    let mut select = Query::select();
    select.expr(many).expr(number.clone()).from(service::Entity);
    select.and_where(Expr::col(service::Column::Id).gte(from)).add_group_by([number.clone()]);
    Some(select.order_by_expr(number, Order::Asc).limit(PER_PAGE).take())
}

fn versions(backend: DbBackend) -> String {
    use version::Column as V;
    let columns =
        [V::Id, V::Version, V::Url, V::Weight, V::IsActive, V::Position, V::CreatedAt, V::UpdatedAt];
    let columns: Vec<_> = columns.iter().map(Iden::unquoted).collect();
    let table = version::Entity.table_name();
    dialect::rows_as_text(backend, table, &columns, "service_id", "gateway_service_config.id")
}

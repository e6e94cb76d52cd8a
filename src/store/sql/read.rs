//! Reading splits.

use sea_orm::sea_query::{Expr, ExprTrait, Iden, Query, SelectStatement};
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
    if let Some(many) = many(db.get_database_backend()) {
        let rows = db.query_all(&many).await?;
        let stored: Option<Vec<_>> = rows.iter().map(Stored::many_of).collect();
        if let Some(stored) = stored {
            return Ok(stored.into_iter().flatten().collect());
        }
    }
    changed(db, 0).await
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

/// The same, many to a row.
fn many(backend: DbBackend) -> Option<SelectStatement> {
    let columns: Vec<_> = SERVICE.iter().map(Iden::unquoted).collect();
    let many = dialect::many_as_text(backend, &columns, &versions(backend))?;
    Some(Query::select().expr(many).from(service::Entity).add_group_by([Expr::cust("id / 64")]).take())
}

fn versions(backend: DbBackend) -> String {
    use version::Column as V;
    let columns =
        [V::Id, V::Version, V::Url, V::Weight, V::IsActive, V::Position, V::CreatedAt, V::UpdatedAt];
    let columns: Vec<_> = columns.iter().map(Iden::unquoted).collect();
    let table = version::Entity.table_name();
    dialect::rows_as_text(backend, table, &columns, "service_id", "gateway_service_config.id")
}

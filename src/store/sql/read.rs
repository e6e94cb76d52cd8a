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
    let mut statement = select(db.get_database_backend());
    if after > 0 {
        statement.and_where(Expr::col(service::Column::Revision).gt(signed(after)));
    }
    let rows = db.query_all(&statement).await?;
    let mut stored = rows.iter().map(Stored::of).collect::<Result<Vec<_>, _>>()?;
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

/// Services, each with its versions, in one statement, so that no split is torn. The columns are in the order that
/// [`Stored::of`] reads them.
fn select(backend: DbBackend) -> SelectStatement {
    use service::Column as S;
    use version::Column as V;
    let versions =
        [V::Id, V::Version, V::Url, V::Weight, V::IsActive, V::Position, V::CreatedAt, V::UpdatedAt];
    let versions: Vec<_> = versions.iter().map(Iden::unquoted).collect();
    Query::select()
        .columns([S::Id, S::ServiceName, S::Generation, S::Salt, S::Slots, S::HealthPath, S::Epoch])
        .expr(dialect::rows_as_text(
            backend,
            version::Entity.table_name(),
            &versions,
            "service_id",
            "gateway_service_config.id",
        ))
        .from(service::Entity)
        .take()
}

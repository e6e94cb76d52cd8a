//! Reading splits.

use sea_orm::sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, EntityTrait};

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
    let mut statement = select();
    if after > 0 {
        statement.and_where(Expr::col((service::Entity, service::Column::Revision)).gt(signed(after)));
    }
    let mut stored = Stored::group(&db.query_all(&statement).await?)?;
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
    let mut statement = select();
    statement.and_where(Expr::col((service::Entity, service::Column::ServiceName)).eq(service.as_str()));
    Ok(Stored::group(&db.query_all(&statement).await?)?.pop())
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
/// [`Stored::group`] reads them.
fn select() -> SelectStatement {
    use service::Column as S;
    use version::Column as V;
    let services = [S::Id, S::ServiceName, S::Generation, S::Salt, S::Slots, S::HealthPath];
    let versions =
        [V::Id, V::Version, V::Url, V::Weight, V::IsActive, V::Position, V::CreatedAt, V::UpdatedAt];
    let (service_id, of) = ((service::Entity, S::Id), (version::Entity, V::ServiceId));
    Query::select()
        .columns(services.map(|column| (service::Entity, column)))
        .columns(versions.map(|column| (version::Entity, column)))
        .from(service::Entity)
        .left_join(version::Entity, Expr::col(of).equals(service_id))
        .order_by(service_id, Order::Asc)
        .take()
}

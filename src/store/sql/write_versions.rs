//! Writing the versions of a changed split.

use sea_orm::{ActiveValue, DatabaseTransaction, DbErr, EntityTrait, IntoActiveModel};

use super::entity::version::{ActiveModel, Entity, Model};
use super::rows::{to_signed, version_row};
use crate::routing::Split;

/// Deletes, updates and inserts the rows that differ from `after`. Other rows are not written.
pub(super) async fn write_versions(
    transaction: &DatabaseTransaction,
    service_id: i64,
    before: &[Model],
    after: &Split,
) -> Result<(), DbErr> {
    delete_removed(transaction, before, after).await?;
    for version in after.versions() {
        let id = version.id.to_string();
        let stored = before.iter().find(|row| row.id == id);
        // A new version is last in the order. No two are registered in one generation.
        let position = stored.map_or_else(|| to_signed(after.generation()), |row| row.position);
        let row = version_row(version, service_id, position);
        match stored {
            Some(stored) if *stored == row => {}
            Some(_) => update(transaction, row).await?,
            None => insert(transaction, row).await?,
        }
    }
    Ok(())
}

/// Deletes the versions that `after` does not have. Rows are compared by id, since a version that was registered again has
/// the same name and another id.
async fn delete_removed(
    transaction: &DatabaseTransaction,
    before: &[Model],
    after: &Split,
) -> Result<(), DbErr> {
    for row in before {
        let remains = after.versions().iter().any(|version| version.id.to_string() == row.id);
        if !remains {
            Entity::delete_by_id(row.id.as_str()).exec(transaction).await?;
        }
    }
    Ok(())
}

/// Inserts a version that was registered.
async fn insert(transaction: &DatabaseTransaction, row: Model) -> Result<(), DbErr> {
    Entity::insert(row.into_active_model()).exec_without_returning(transaction).await.map(drop)
}

/// Updates the columns that a change may write. Id, name, position and creation never change.
async fn update(transaction: &DatabaseTransaction, row: Model) -> Result<(), DbErr> {
    let changed = ActiveModel {
        id: ActiveValue::Unchanged(row.id),
        url: ActiveValue::Set(row.url),
        more_urls: ActiveValue::Set(row.more_urls),
        weight: ActiveValue::Set(row.weight),
        is_active: ActiveValue::Set(row.is_active),
        updated_at: ActiveValue::Set(row.updated_at),
        ..Default::default()
    };
    Entity::update(changed).exec_without_returning(transaction).await.map(drop)
}

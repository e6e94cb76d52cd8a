//! Writing the versions of a changed split.

use sea_orm::{ActiveValue, DatabaseTransaction, DbErr, EntityTrait, IntoActiveModel};

use super::entity::version::{ActiveModel, Entity, Model};
use super::rows::{to_signed, version_row};
use crate::routing::{Split, Version};

/// Deletes, updates and inserts the rows that differ from `after`. Other rows are not written.
pub(super) async fn write_versions(
    transaction: &DatabaseTransaction,
    service_id: i64,
    before: &[Model],
    after: &Split,
) -> Result<(), DbErr> {
    delete_removed(transaction, before, after).await?;
    let mut next_position = first_new_position(before, after);
    for version in after.versions() {
        match stored_row(before, version) {
            Some(stored) => {
                let row = version_row(version, service_id, stored.position);
                if *stored != row {
                    update(transaction, row).await?;
                }
            }
            None => {
                insert(transaction, version_row(version, service_id, next_position)).await?;
                next_position = next_position.saturating_add(1);
            }
        }
    }
    Ok(())
}

/// Returns the position of the first new version. Those after it have the next ones.
///
/// The last new version has the generation of the split. Each registration is a generation of its own, also in a write
/// of several changes, so all new positions are above the earlier ones.
fn first_new_position(before: &[Model], after: &Split) -> i64 {
    let new = after.versions().iter().filter(|version| stored_row(before, version).is_none());
    to_signed(after.generation().saturating_sub(new.count() as u64).saturating_add(1))
}

/// Returns the stored row of `version`. `None`: it is new.
fn stored_row<'a>(before: &'a [Model], version: &Version) -> Option<&'a Model> {
    let id = version.id.to_string();
    before.iter().find(|row| row.id == id)
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

/// Updates the columns of a version that a change may write. Id, service, name, position and creation never change.
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

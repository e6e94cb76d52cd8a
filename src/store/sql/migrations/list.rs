//! The migrations in order.

use sea_orm_migration::MigrationTrait;

use super::step::{Action, Step};
use super::tables;

/// Returns the migrations of the store's tables in order, for an application that runs them among its own.
///
/// ```
/// use sea_orm_migration::{MigrationTrait, MigratorTrait};
/// use tower_canary::store::sql::{Migrations, SqlStore, migrations};
///
/// struct Migrator;
///
/// impl MigratorTrait for Migrator {
///     fn migrations() -> Vec<Box<dyn MigrationTrait>> {
///         let mut all: Vec<Box<dyn MigrationTrait>> = Vec::new(); // the application's own
///         all.extend(migrations());
///         all
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let db = sea_orm::Database::connect("sqlite::memory:").await?;
/// Migrator::up(&db, None).await?;
/// let store = SqlStore::with_connection(db, Migrations::Manual).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    steps().into_iter().map(|step| Box::new(step) as Box<dyn MigrationTrait>).collect()
}

/// Returns the steps in order. A released step never changes: the databases that ran it do not run it again.
pub(super) fn steps() -> [Step; 19] {
    [
        Step { name: "gateway_0001_create_service_config", action: Action::CreateTable(tables::services) },
        Step { name: "gateway_0002_create_service_version", action: Action::CreateTable(tables::versions) },
        Step { name: "gateway_0003_create_split_change", action: Action::CreateTable(tables::changes) },
        Step { name: "gateway_0004_create_revision", action: Action::CreateTable(tables::revision) },
        Step { name: "gateway_0005_insert_revision", action: Action::InsertRevision },
        Step { name: "gateway_0006_index_service_revision", action: Action::IndexRevision },
        Step { name: "gateway_0007_create_replica", action: Action::CreateTable(tables::replicas) },
        Step { name: "gateway_0008_create_refused_change", action: Action::CreateTable(tables::refusals) },
        Step { name: "gateway_0009_add_replica_draining", action: Action::AddColumn(tables::DRAINING) },
        Step { name: "gateway_0010_add_change_details", action: Action::AddColumn(tables::CHANGE_DETAILS) },
        Step { name: "gateway_0011_add_refusal_details", action: Action::AddColumn(tables::REFUSAL_DETAILS) },
        Step { name: "gateway_0012_add_last_change", action: Action::AddColumn(tables::LAST_CHANGE) },
        Step { name: "gateway_0013_add_replica_admin_url", action: Action::AddColumn(tables::ADMIN_URL) },
        Step { name: "gateway_0014_add_version_more_urls", action: Action::AddColumn(tables::MORE_URLS) },
        Step {
            name: "gateway_0015_add_replica_draining_urls",
            action: Action::AddColumn(tables::DRAINING_URLS),
        },
        Step { name: "gateway_0016_create_rollout", action: Action::CreateTable(tables::rollouts) },
        Step {
            name: "gateway_0017_create_rollout_event",
            action: Action::CreateTable(tables::rollout_events),
        },
        Step { name: "gateway_0018_add_replica_figures", action: Action::AddColumn(tables::FIGURES) },
        Step { name: "gateway_0019_add_service_mirror", action: Action::AddColumn(tables::MIRROR) },
    ]
}

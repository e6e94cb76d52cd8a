//! One migration: one statement, and a check whether it was executed.

use async_trait::async_trait;
use sea_orm::sea_query::{Index, OnConflict, Query, Table, TableCreateStatement, TableName, TableRef};
use sea_orm::{DbBackend, DbErr, EntityName};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::super::entity::{revision, service};
use super::columns::long_text;
use super::tables::AddedColumn;

/// The index by which a replica finds what changed.
const REVISION_INDEX: &str = "gateway_service_config_revision";

/// One migration. The database records its name.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) action: Action,
}

/// The one statement of a migration.
pub(super) enum Action {
    CreateTable(fn(DbBackend) -> TableCreateStatement),
    InsertRevision,
    IndexRevision,
    AddColumn(AddedColumn),
}

impl Step {
    /// Returns the name of the table that this step creates. `None`: it creates none.
    pub(super) fn created_table(&self, backend: DbBackend) -> Option<String> {
        let Action::CreateTable(table) = self.action else { return None };
        table_name(&table(backend))
    }

    /// Returns the name of the table that this step has to create, if that table exists and this step did not create
    /// it. For a step that is not recorded as run.
    pub(super) async fn foreign_table(&self, manager: &SchemaManager<'_>) -> Result<Option<String>, DbErr> {
        let Some(name) = self.created_table(manager.get_database_backend()) else { return Ok(None) };
        // Elsewhere a table is committed with the record of its step, so a table without a record is not ours.
        let is_ours = is_mysql(manager) && self.is_done(manager).await?;
        let is_foreign = !is_ours && manager.has_table(&name).await?;
        Ok(is_foreign.then_some(name))
    }

    /// Runs the step unless it is done already. Only MySQL needs that, since it commits a definition and the record of its
    /// migration apart: an earlier process may have ended between the two.
    async fn run_unless_done(&self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        if self.is_done(manager).await? {
            return Ok(());
        }
        match self.run(manager).await {
            // The server completes the statement of a start that was cancelled, possibly after the check above.
            Err(_) if self.is_done(manager).await? => Ok(()),
            outcome => outcome,
        }
    }

    /// Runs the statement of this step. It fails if its table, column or index exists.
    async fn run(&self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        match self.action {
            Action::CreateTable(table) => manager.create_table(table(manager.get_database_backend())).await,
            Action::InsertRevision => insert_revision(manager).await,
            Action::IndexRevision => index_revision(manager).await,
            Action::AddColumn(added) => add_column(manager, added).await,
        }
    }

    /// Returns whether the table, index or column of this step exists. A step that inserts a row is never done, since
    /// it can be repeated.
    async fn is_done(&self, manager: &SchemaManager<'_>) -> Result<bool, DbErr> {
        match self.action {
            Action::CreateTable(table) => {
                has_all_columns(manager, &table(manager.get_database_backend())).await
            }
            Action::InsertRevision => Ok(false),
            Action::IndexRevision => manager.has_index(service::Entity.table_name(), REVISION_INDEX).await,
            Action::AddColumn(added) => manager.has_column(added.table, added.column).await,
        }
    }
}

impl MigrationName for Step {
    fn name(&self) -> &str {
        self.name
    }
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "the trait is written so, and another form is another signature"
)]
#[async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if is_mysql(manager) { self.run_unless_done(manager).await } else { self.run(manager).await }
    }
}

/// Inserts the only row of `gateway_revision`, unless it exists.
async fn insert_revision(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut insert = Query::insert();
    insert.into_table(revision::Entity).columns(["id", "revision"]);
    insert.values_panic([revision::ONLY.into(), 0.into()]);
    insert.on_conflict(OnConflict::column("id").do_nothing_on(["id"]).to_owned());
    manager.execute(insert).await
}

/// Creates the index by which a refresh finds the services that changed.
async fn index_revision(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut index = Index::create();
    index.name(REVISION_INDEX).table(service::Entity).col("revision");
    manager.create_index(index).await
}

/// Adds a column that gateways of an earlier release leave empty.
async fn add_column(manager: &SchemaManager<'_>, added: AddedColumn) -> Result<(), DbErr> {
    let mut alter = Table::alter();
    alter.table(added.table).add_column(long_text(added.column, manager.get_database_backend()));
    manager.alter_table(alter).await
}

/// Returns whether the table exists with all its columns. A table of the same name with others was not created here.
async fn has_all_columns(manager: &SchemaManager<'_>, table: &TableCreateStatement) -> Result<bool, DbErr> {
    let Some(name) = table_name(table) else { return Ok(false) };
    if !manager.has_table(&name).await? {
        return Ok(false);
    }
    for column in table.get_columns() {
        if !manager.has_column(&name, column.get_column_name()).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns the name of the table that the statement creates.
fn table_name(table: &TableCreateStatement) -> Option<String> {
    match table.get_table_name() {
        Some(TableRef::Table(TableName(_, name), _)) => Some(name.to_string()),
        _ => None,
    }
}

/// Returns whether the database is MySQL or MariaDB. There each statement that defines something commits by itself, so
/// a step may have run without its record.
fn is_mysql(manager: &SchemaManager<'_>) -> bool {
    manager.get_database_backend() == DbBackend::MySql
}

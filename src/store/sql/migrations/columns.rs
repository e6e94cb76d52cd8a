//! Types of columns, and the options of a table.
//!
//! The three databases differ in what a plain `TEXT` or a plain table is, so all tables are made from these
//! parts. A limit of a column is enforced before the database sees a value, by the types of `routing` and by
//! `store::check_text`: SQLite would not enforce it.

use sea_orm::sea_query::{
    ColumnDef, ForeignKey, ForeignKeyAction, ForeignKeyCreateStatement, IntoIden, Table, TableCreateStatement,
};
use sea_orm::{DbBackend, EntityName};

use super::super::entity::service;

/// Begins a table. On MySQL it says what the server's settings would decide otherwise: rows that can be locked, and texts
/// of all characters that are compared byte by byte.
pub(super) fn new_table(backend: DbBackend) -> TableCreateStatement {
    let mut table = Table::create();
    if backend == DbBackend::MySql {
        table.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_bin");
    }
    table
}

/// The key `id`, with which the database numbers the rows.
pub(super) fn row_id() -> ColumnDef {
    ColumnDef::new("id").big_integer().not_null().auto_increment().primary_key().take()
}

/// The name of a service or version: at most 63 characters.
pub(super) fn name(column: &'static str) -> ColumnDef {
    ColumnDef::new(column).string_len(63).take()
}

/// A 64-bit number.
pub(super) fn number(column: &'static str) -> ColumnDef {
    ColumnDef::new(column).big_integer().not_null().take()
}

/// A 64-bit number that is 0 unless it is given.
pub(super) fn count(column: &'static str) -> ColumnDef {
    number(column).default(0).take()
}

/// A text of up to 16 MiB. MySQL's `TEXT` ends at 64 KiB, which a split of many versions exceeds.
pub(super) fn long_text(column: &'static str, backend: DbBackend) -> ColumnDef {
    match backend {
        DbBackend::MySql => ColumnDef::new(column).custom("MEDIUMTEXT").take(),
        _ => ColumnDef::new(column).text().take(),
    }
}

/// A reference from `service_id` of `table` to a service. The rows are deleted with it.
pub(super) fn service_reference(
    name: &str,
    table: impl EntityName + IntoIden + 'static,
) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(name)
        .from(table, "service_id")
        .to(service::Entity, "id")
        .on_delete(ForeignKeyAction::Cascade)
        .take()
}

//! The tables as the first migrations create them.
//!
//! A released table never changes here: a later migration alters it. The columns are documented at the
//! [entities](super::super::entity).

use sea_orm::DbBackend;
use sea_orm::sea_query::{ColumnDef, Expr, ExprTrait, Index, IndexCreateStatement, TableCreateStatement};

use super::super::entity::{change, refusal, replica, revision, service, version};
use super::columns::{count, long_text, name, new_table, number, row_id, service_reference};

/// `gateway_service_config`: one row per service.
pub(super) fn services(backend: DbBackend) -> TableCreateStatement {
    new_table(backend)
        .table(service::Entity)
        .col(row_id())
        .col(name("service_name").not_null().unique_key())
        .col(count("generation"))
        .col(number("salt"))
        .col(long_text("slots", backend).not_null())
        .col(ColumnDef::new("health_path").text())
        .col(count("revision"))
        .col(number("created_at"))
        .col(number("updated_at"))
        .col(count("epoch"))
        .take()
}

/// `gateway_service_version`: one row per version. The database refuses weights that are out of range.
pub(super) fn versions(backend: DbBackend) -> TableCreateStatement {
    let is_weight = Expr::col("weight").between(0, i32::from(crate::routing::SLOTS));
    new_table(backend)
        .table(version::Entity)
        .col(ColumnDef::new("id").string_len(36).not_null().primary_key())
        .col(number("service_id"))
        .col(name("version").not_null())
        .col(ColumnDef::new("url").text().not_null())
        .col(ColumnDef::new("weight").integer().not_null().check(is_weight))
        .col(ColumnDef::new("is_active").boolean().not_null())
        .col(count("position"))
        .col(number("created_at"))
        .col(number("updated_at"))
        .index(&mut unique_per_service("gateway_service_version_name", "version"))
        .foreign_key(&mut service_reference("gateway_service_version_service", version::Entity))
        .take()
}

/// `gateway_split_change`: the history. A generation of a service occurs once.
pub(super) fn changes(backend: DbBackend) -> TableCreateStatement {
    new_table(backend)
        .table(change::Entity)
        .col(row_id())
        .col(number("service_id"))
        .col(number("generation"))
        .col(ColumnDef::new("actor").text().not_null())
        .col(ColumnDef::new("reason").text())
        .col(ColumnDef::new("kind").string_len(32).not_null())
        .col(name("version"))
        .col(long_text("split_before", backend).not_null())
        .col(long_text("split_after", backend).not_null())
        .col(number("changed_at"))
        .index(&mut unique_per_service("gateway_split_change_generation", "generation"))
        .foreign_key(&mut service_reference("gateway_split_change_service", change::Entity))
        .take()
}

/// `gateway_revision`: one row, which a later migration inserts.
pub(super) fn revision(backend: DbBackend) -> TableCreateStatement {
    new_table(backend)
        .table(revision::Entity)
        .col(ColumnDef::new("id").integer().not_null().primary_key())
        .col(number("revision"))
        .take()
}

/// `gateway_replica`: one row per gateway process.
pub(super) fn replicas(backend: DbBackend) -> TableCreateStatement {
    new_table(backend)
        .table(replica::Entity)
        .col(ColumnDef::new("id").string_len(36).not_null().primary_key())
        .col(ColumnDef::new("name").text().not_null())
        .col(number("revision"))
        .col(number("seen_at"))
        .take()
}

/// `gateway_refused_change`: refused changes. There is no foreign key, since the service need not exist.
pub(super) fn refusals(backend: DbBackend) -> TableCreateStatement {
    new_table(backend)
        .table(refusal::Entity)
        .col(row_id())
        .col(name("service_name").not_null())
        .col(ColumnDef::new("actor").text().not_null())
        .col(ColumnDef::new("reason").text())
        .col(ColumnDef::new("kind").string_len(32).not_null())
        .col(name("version"))
        .col(ColumnDef::new("asked").text().not_null())
        .col(ColumnDef::new("generation").big_integer())
        .col(long_text("split", backend).not_null())
        .col(ColumnDef::new("why").text().not_null())
        .col(number("refused_at"))
        .take()
}

/// A unique index of a column within a service.
fn unique_per_service(name: &str, column: &'static str) -> IndexCreateStatement {
    Index::create().unique().name(name).col("service_id").col(column).take()
}

//! The tables as the first migrations create them.
//!
//! A released table never changes here: a later migration alters it. The columns are documented at the
//! [entities](super::super::entity).

use sea_orm::DbBackend;
use sea_orm::sea_query::{
    ColumnDef, Expr, ExprTrait, ForeignKey, ForeignKeyAction, Index, IndexCreateStatement,
    TableCreateStatement,
};

use super::super::entity::{change, refusal, replica, revision, rollout, rollout_event, service, version};
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

/// `gateway_rollout`: one row per rollout. A service has at most one that is not over.
pub(super) fn rollouts(backend: DbBackend) -> TableCreateStatement {
    new_table(backend)
        .table(rollout::Entity)
        .col(ColumnDef::new("number").big_integer().not_null().auto_increment().primary_key())
        .col(ColumnDef::new("id").string_len(36).not_null().unique_key())
        .col(number("service_id"))
        .col(ColumnDef::new("active_of").big_integer().unique_key())
        .col(name("canary").not_null())
        .col(ColumnDef::new("canary_id").string_len(36).not_null())
        .col(long_text("plan", backend).not_null())
        .col(long_text("state", backend).not_null())
        .col(long_text("evidence", backend))
        .col(ColumnDef::new("phase").string_len(16).not_null())
        .col(ColumnDef::new("step").integer().not_null())
        .col(ColumnDef::new("outcome").string_len(16))
        .col(ColumnDef::new("why").text())
        .col(number("turn"))
        .col(number("start_generation"))
        .col(number("generation"))
        .col(ColumnDef::new("leader").string_len(36))
        .col(ColumnDef::new("lease_until").big_integer())
        .col(number("ticked_at"))
        .col(number("held"))
        .col(ColumnDef::new("actor").text().not_null())
        .col(ColumnDef::new("actor_kind").string_len(16))
        .col(ColumnDef::new("reason").text())
        .col(number("created_at"))
        .col(ColumnDef::new("over_at").big_integer())
        .index(&mut unique_per_service("gateway_rollout_service_number", "number"))
        .foreign_key(&mut service_reference("gateway_rollout_service", rollout::Entity))
        .take()
}

/// `gateway_rollout_event`: the events of rollouts. The unique index also finds them.
pub(super) fn rollout_events(backend: DbBackend) -> TableCreateStatement {
    let mut place = Index::create();
    place.unique().name("gateway_rollout_event_place").col("rollout").col("turn").col("position");
    let mut reference = ForeignKey::create();
    reference.name("gateway_rollout_event_rollout").from(rollout_event::Entity, "rollout");
    reference.to(rollout::Entity, "number").on_delete(ForeignKeyAction::Cascade);
    new_table(backend)
        .table(rollout_event::Entity)
        .col(row_id())
        .col(number("rollout"))
        .col(number("turn"))
        .col(ColumnDef::new("position").integer().not_null())
        .col(number("at"))
        .col(ColumnDef::new("kind").string_len(16).not_null())
        .col(ColumnDef::new("step").integer().not_null())
        .col(ColumnDef::new("actor").text())
        .col(ColumnDef::new("text").text().not_null())
        .index(&mut place)
        .foreign_key(&mut reference)
        .take()
}

/// A column for a text of up to 16 MiB that a later migration adds. Gateways of an earlier release leave it empty.
#[derive(Clone, Copy)]
pub(super) struct AddedColumn {
    pub(super) table: &'static str,
    pub(super) column: &'static str,
}

/// The versions that a replica still has requests for.
pub(super) const DRAINING: AddedColumn = AddedColumn { table: "gateway_replica", column: "draining" };

/// The base URL of a replica's admin API.
pub(super) const ADMIN_URL: AddedColumn = AddedColumn { table: "gateway_replica", column: "admin_url" };

/// What an entry of the history has beside its columns.
pub(super) const CHANGE_DETAILS: AddedColumn =
    AddedColumn { table: "gateway_split_change", column: "details" };

/// What a refused change has beside its columns.
pub(super) const REFUSAL_DETAILS: AddedColumn =
    AddedColumn { table: "gateway_refused_change", column: "details" };

/// Who changed a service last, and whether that removed it.
pub(super) const LAST_CHANGE: AddedColumn =
    AddedColumn { table: "gateway_service_config", column: "last_change" };

/// The base URLs of a version after the first.
pub(super) const MORE_URLS: AddedColumn =
    AddedColumn { table: "gateway_service_version", column: "more_urls" };

/// The removed base URLs that a replica still has requests for.
pub(super) const DRAINING_URLS: AddedColumn =
    AddedColumn { table: "gateway_replica", column: "draining_urls" };

/// The figures that a replica reported.
pub(super) const FIGURES: AddedColumn = AddedColumn { table: "gateway_replica", column: "figures" };

/// Which version of a service gets copies of requests.
pub(super) const MIRROR: AddedColumn = AddedColumn { table: "gateway_service_config", column: "mirror" };

/// A unique index of a column within a service.
fn unique_per_service(name: &str, column: &'static str) -> IndexCreateStatement {
    Index::create().unique().name(name).col("service_id").col(column).take()
}

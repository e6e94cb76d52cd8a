//! Reading splits.
//!
//! Three reads share the code that interprets rows, [`rows`](super::rows):
//!
//! | read | when | statements |
//! | --- | --- | --- |
//! | [`load`] after a revision | every second | one that finds nothing new, or three in a transaction |
//! | [`load`] after 0 | at the start, after a lost server, every ten minutes | pages of packed services on SQLite, otherwise one |
//! | [`load_service`] | in each change | one, under the lock of the service |
//!
//! A service that cannot be read is reported in [`Snapshot::broken`], with the row and the column, and hides
//! no other. An error of the database fails the whole read.

use sea_orm::sea_query::{Expr, ExprTrait, Iden, Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityName, TransactionTrait};

use super::dialect;
use super::entity::{service, version};
use super::failure::Failure;
use super::followed::Followed;
use super::head::{Head, read_head};
use super::rollouts;
use super::rows::{SERVICE_COLUMNS, ServiceRows, VERSION_COLUMNS, VERSIONS, to_signed};
use crate::routing::{ServiceName, Split};
use crate::store::{BrokenSplit, Snapshot};

/// Loads the splits that changed after the revision `after`, and the services with a rollout. If nothing changed, no
/// rollouts are read.
///
/// The revision is read before the splits: a change between the two reads is loaded again next time and never missed. Both
/// are read from one connection, so from one [server](super::followed).
pub(super) async fn load(
    db: &DatabaseConnection,
    followed: &Followed,
    after: u64,
) -> Result<Snapshot, Failure> {
    let begun = followed.term();
    let head = read_writable_head(db).await?;
    if after > 0 && head.revision <= after {
        return Ok(Snapshot::new(head.revision, Vec::new()).with_term(head.record_answer(followed, begun)));
    }
    if db.get_database_backend() == DbBackend::Sqlite {
        let services = load_services(db, after).await?;
        return Ok(new_snapshot(head.revision, &services).with_rollouts(rollouts::services(db).await?));
    }
    let transaction = db.begin().await?;
    let head = read_writable_head(&transaction).await?;
    let services = load_services(&transaction, after).await?;
    let rolled_out = rollouts::services(&transaction).await?;
    transaction.commit().await?;
    let snapshot = new_snapshot(head.revision, &services).with_rollouts(rolled_out);
    Ok(snapshot.with_term(head.record_answer(followed, begun)))
}

/// Reads the head, or fails with [`Failure::ReadOnly`] if the server accepts no changes.
async fn read_writable_head(db: &impl ConnectionTrait) -> Result<Head, Failure> {
    let head = read_head(db).await?;
    if head.read_only { Err(Failure::ReadOnly) } else { Ok(head) }
}

/// Loads the services in the order of their names, in which a snapshot lists them.
async fn load_services(db: &impl ConnectionTrait, after: u64) -> Result<Vec<ServiceRows>, DbErr> {
    let mut services = match after {
        0 => load_all(db).await?,
        _ => load_changed(db, after).await?,
    };
    services.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(services)
}

/// Creates the snapshot of the services. Those that cannot be read are reported beside the others.
fn new_snapshot(revision: u64, services: &[ServiceRows]) -> Snapshot {
    let mut snapshot = Snapshot::new(revision, Vec::with_capacity(services.len()));
    for service in services {
        match parse_split(service) {
            Ok(split) => snapshot.splits.push(split),
            Err(broken) => snapshot.broken.push(broken),
        }
    }
    snapshot
}

/// Parses the split of a service, and logs if it had to be repaired.
fn parse_split(service: &ServiceRows) -> Result<Split, BrokenSplit> {
    let (split, repaired) = service.split()?;
    if repaired {
        tracing::warn!(
            service = %split.service(),
            "the stored weights do not total 100 percent and are scaled, or the slots do not follow them"
        );
    }
    Ok(split)
}

/// Loads the rows of one service. `None`: it does not exist.
pub(super) async fn load_service(
    db: &impl ConnectionTrait,
    service: &ServiceName,
) -> Result<Option<ServiceRows>, DbErr> {
    let mut statement = select_services(db.get_database_backend());
    statement.and_where(Expr::col(service::Column::ServiceName).eq(service.as_str()));
    db.query_one(&statement).await?.as_ref().map(ServiceRows::from_row).transpose()
}

/// Loads all services. If the packed form cannot be read, the services are read one by one, which finds the broken one.
async fn load_all(db: &impl ConnectionTrait) -> Result<Vec<ServiceRows>, DbErr> {
    match load_packed(db).await? {
        Some(services) => Ok(services),
        None => load_changed(db, 0).await,
    }
}

/// Loads all services in pages of packed rows. `None` if the database has no packed form, or a service cannot be read in
/// it.
async fn load_packed(db: &impl ConnectionTrait) -> Result<Option<Vec<ServiceRows>>, DbErr> {
    let backend = db.get_database_backend();
    let mut services = Vec::new();
    let Some(first) = select_page(backend, None) else { return Ok(None) };
    let mut rows = db.query_all(&first).await?;
    while let Some(last) = rows.last() {
        let last_group: i64 = last.try_get_by(GROUP)?;
        let Some(next) = select_page(backend, Some(last_group)) else { return Ok(None) };
        // The query is polled first, so the driver's thread reads the next page while this one is parsed.
        let (next, unpacked) = tokio::join!(db.query_all(&next), async move { unpack(&rows) });
        let Some(unpacked) = unpacked else { return Ok(None) };
        services.extend(unpacked);
        rows = next?;
    }
    Ok(Some(services))
}

/// Parses a page of packed rows. `None` if one of them cannot be read in this form.
fn unpack(rows: &[sea_orm::QueryResult]) -> Option<Vec<ServiceRows>> {
    let groups: Option<Vec<_>> = rows.iter().map(ServiceRows::from_packed_row).collect();
    Some(groups?.into_iter().flatten().collect())
}

/// Loads the services that changed after the revision `after`, one row per service. After 0: all of them.
async fn load_changed(db: &impl ConnectionTrait, after: u64) -> Result<Vec<ServiceRows>, DbErr> {
    let mut statement = select_services(db.get_database_backend());
    if after > 0 {
        statement.and_where(Expr::col(service::Column::Revision).gt(to_signed(after)));
    }
    db.query_all(&statement).await?.iter().map(ServiceRows::from_row).collect()
}

/// Selects services, each with its versions. One statement reads both, so no split is read between two changes.
fn select_services(backend: DbBackend) -> SelectStatement {
    let mut select = Query::select();
    select.columns(SERVICE_COLUMNS).expr_as(Expr::cust(versions_json(backend)), VERSIONS);
    select.from(service::Entity).take()
}

/// The driver of SQLite hands rows from thread to thread, so 64 services travel as one row: those whose ids share all
/// but the low 6 bits.
const PACKED_BITS: u32 = 6;

/// Number of packed rows in a page.
const PAGE_ROWS: u64 = 16;

/// The name of the column with the number that the ids of a packed row share.
const GROUP: &str = "id_group";

/// Selects packed services: those after the packed row with the number `last_group`, or the first ones. `None` if the
/// database has no packed form.
fn select_page(backend: DbBackend, last_group: Option<i64>) -> Option<SelectStatement> {
    let columns: Vec<_> = SERVICE_COLUMNS.iter().map(Iden::unquoted).collect();
    let packed = dialect::packed_rows(backend, &columns, &versions_json(backend))?;
    let group = Expr::cust(format!("id >> {PACKED_BITS}"));
    let mut select = Query::select();
    select.expr(packed).expr_as(group.clone(), GROUP).from(service::Entity);
    if let Some(last_group) = last_group {
        // By the id and not by the group, so that the key of the table finds the page. The greatest id of the last
        // group fits, also where the first id of the next one does not.
        let last_id = (last_group << PACKED_BITS) | ((1 << PACKED_BITS) - 1);
        select.and_where(Expr::col(service::Column::Id).gt(last_id));
    }
    select.add_group_by([group.clone()]);
    Some(select.order_by_expr(group, Order::Asc).limit(PAGE_ROWS).take())
}

/// Returns the expression for all versions of the service in the row: a JSON array of arrays with [`VERSION_COLUMNS`].
fn versions_json(backend: DbBackend) -> String {
    let columns: Vec<_> = VERSION_COLUMNS.iter().map(Iden::unquoted).collect();
    let table = version::Entity.table_name();
    dialect::rows_as_json(backend, table, &columns, "service_id = gateway_service_config.id")
}

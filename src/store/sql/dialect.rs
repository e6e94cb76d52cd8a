//! What each kind of database is told in words of its own.

use sea_orm::sea_query::Expr;
use sea_orm::sea_query::SimpleExpr;
use sea_orm::{DbBackend, IsolationLevel, SqliteTransactionMode, TransactionOptions};

/// Where PostgreSQL tells those that listen of changes.
pub(super) const CHANNEL: &str = "gateway_revision";

/// How a transaction that writes begins.
pub(super) fn transaction(backend: DbBackend) -> TransactionOptions {
    let none = TransactionOptions::default();
    match backend {
        // Takes the lock for writing at once: one that read first would be refused it.
        DbBackend::Sqlite => {
            TransactionOptions { sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate), ..none }
        }
        // At a higher level it would read what was there before it had the lock, or be refused for it.
        DbBackend::MySql | DbBackend::Postgres => {
            TransactionOptions { isolation_level: Some(IsolationLevel::ReadCommitted), ..none }
        }
        _ => none,
    }
}

/// What a transaction that writes says first, and last where the connection has to be as it was.
#[derive(Default)]
pub(super) struct Guard {
    pub(super) first: Option<&'static str>,
    pub(super) last: Option<&'static str>,
}

/// The database gives up before the call does, and lets go of the locks of a gateway that vanished. Said in the
/// transaction, because a connection may be `lent` by the host, or shared through a pooler. MySQL cannot say it of a
/// transaction alone; connections of the store's own have it said already.
pub(super) fn guard(backend: DbBackend, lent: bool) -> Guard {
    match backend {
        DbBackend::Postgres => Guard {
            first: Some(
                "SET LOCAL statement_timeout = 2500; SET LOCAL idle_in_transaction_session_timeout = 5000",
            ),
            last: None,
        },
        DbBackend::MySql if lent => Guard {
            first: Some(
                "SET @gateway_lock_wait = @@innodb_lock_wait_timeout, SESSION innodb_lock_wait_timeout = 2",
            ),
            last: Some("SET SESSION innodb_lock_wait_timeout = @gateway_lock_wait"),
        },
        _ => Guard::default(),
    }
}

/// The database's clock in milliseconds since 1970: those of the gateways may differ.
pub(super) fn now(backend: DbBackend) -> SimpleExpr {
    Expr::cust(match backend {
        DbBackend::Postgres => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
        DbBackend::MySql => "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
        _ => "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    })
}

/// All rows of `table` whose `of` is `is`, as one text: a JSON array of arrays, of `columns` as strings. One text is read
/// several times faster than its rows are.
pub(super) fn rows_as_text(backend: DbBackend, table: &str, columns: &[&str], of: &str, is: &str) -> String {
    let (rows, row, text) = match backend {
        DbBackend::Postgres => ("json_agg", "json_build_array", "TEXT"),
        DbBackend::MySql => ("JSON_ARRAYAGG", "JSON_ARRAY", "CHAR"),
        _ => ("json_group_array", "json_array", "TEXT"),
    };
    let columns: Vec<_> = columns.iter().map(|column| format!("CAST({column} AS {text})")).collect();
    let columns = columns.join(", ");
    format!("(SELECT CAST({rows}({row}({columns})) AS {text}) FROM {table} WHERE {of} = {is})")
}

/// `rows` as texts of many, where that is quicker yet: SQLite's driver hands over one row at a time, from thread to thread.
/// Each is a JSON array of arrays: of `columns` as strings, and of what `last` gives.
pub(super) fn many_as_text(backend: DbBackend, columns: &[&str], last: &str) -> Option<SimpleExpr> {
    let columns: Vec<_> = columns.iter().map(|column| format!("CAST({column} AS TEXT)")).collect();
    let columns = columns.join(", ");
    let many = || Expr::cust(format!("json_group_array(json_array({columns}, json({last})))"));
    (backend == DbBackend::Sqlite).then(many)
}

//! Statements and expressions that differ between the databases.
//!
//! Other statements are written with sea-query, which knows the dialects.

use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{DbBackend, IsolationLevel, SqliteTransactionMode, TransactionOptions};

use super::context::Pool;

/// The channel on which PostgreSQL notifies listeners of changes.
pub(super) const CHANNEL: &str = "gateway_revision";

/// Returns how a transaction that writes begins.
pub(super) fn transaction_options(backend: DbBackend) -> TransactionOptions {
    let default = TransactionOptions::default();
    match backend {
        // Locks the file for writing immediately. SQLite refuses the lock to a transaction that has already read while
        // another one wrote.
        DbBackend::Sqlite => {
            TransactionOptions { sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate), ..default }
        }
        // At a higher level the transaction would read a snapshot from before it got the lock, or fail for it.
        DbBackend::MySql | DbBackend::Postgres => {
            TransactionOptions { isolation_level: Some(IsolationLevel::ReadCommitted), ..default }
        }
        _ => default,
    }
}

/// Statements that set time limits at the start of a transaction, and restore the connection at its end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SessionLimits {
    pub(super) set: Option<&'static str>,
    pub(super) restore: Option<&'static str>,
}

/// Returns the time limits of a transaction that writes. The database ends it before the call times out, and releases
/// the locks of a gateway that vanished.
///
/// They are set in the transaction because the connection may be lent by the application or shared through a pooler. On
/// MySQL they can only be set for a session: connections of the store's own are set up when they are made, and a lent one
/// is restored.
pub(super) const fn session_limits(backend: DbBackend, pool: Pool) -> SessionLimits {
    match (backend, pool) {
        (DbBackend::Postgres, _) => SessionLimits {
            set: Some(
                "SET LOCAL statement_timeout = 2500; SET LOCAL idle_in_transaction_session_timeout = 5000",
            ),
            restore: None,
        },
        (DbBackend::MySql, Pool::Lent) => SessionLimits {
            set: Some(
                "SET @gateway_lock_wait = @@innodb_lock_wait_timeout, SESSION innodb_lock_wait_timeout = 2",
            ),
            restore: Some("SET SESSION innodb_lock_wait_timeout = @gateway_lock_wait"),
        },
        _ => SessionLimits { set: None, restore: None },
    }
}

/// Returns the database's clock in milliseconds since 1970. The clocks of the gateways may differ.
pub(super) fn now(backend: DbBackend) -> SimpleExpr {
    Expr::cust(match backend {
        DbBackend::Postgres => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
        DbBackend::MySql => "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
        _ => "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    })
}

/// Returns 1 if the server accepts no changes, as a standby does and an old primary after a fail-over.
pub(super) fn is_read_only(backend: DbBackend) -> SimpleExpr {
    Expr::cust(match backend {
        // It is also set while a standby recovers.
        DbBackend::Postgres => "CASE WHEN current_setting('transaction_read_only') = 'on' THEN 1 ELSE 0 END",
        // A word in releases of MariaDB that have more than two states.
        DbBackend::MySql => {
            "CASE WHEN CAST(@@global.read_only AS CHAR) IN ('0', 'OFF') AND @@global.innodb_read_only = 0 THEN 0 ELSE 1 END"
        }
        _ => "0",
    })
}

/// Returns the identity of the server as a text. A standby has another one than its primary.
pub(super) fn server(backend: DbBackend) -> SimpleExpr {
    Expr::cust(match backend {
        // In microseconds, so no two servers have the same.
        DbBackend::Postgres => {
            "CAST(CAST(EXTRACT(EPOCH FROM pg_postmaster_start_time()) * 1000000 AS BIGINT) AS TEXT)"
        }
        DbBackend::MySql => "CAST(CONCAT_WS(':', @@hostname, @@port, @@server_id) AS CHAR)",
        _ => "''",
    })
}

/// Returns whether the database stores only some characters: 1 or 0.
pub(super) fn is_lossy(backend: DbBackend) -> SimpleExpr {
    Expr::cust(match backend {
        // SQL_ASCII stores the bytes as they are.
        DbBackend::Postgres => {
            "CASE WHEN current_setting('server_encoding') IN ('UTF8', 'SQL_ASCII') THEN 0 ELSE 1 END"
        }
        // The tables have a character set of their own.
        _ => "0",
    })
}

/// Returns an expression for the rows of `table` that meet `condition`: a JSON array of arrays with `columns` as
/// strings. One text is read several times faster than its rows.
pub(super) fn rows_as_json(backend: DbBackend, table: &str, columns: &[&str], condition: &str) -> String {
    let JsonFunctions { aggregate, array, text } = JsonFunctions::new(backend);
    let columns = cast_columns(text, columns);
    format!("(SELECT CAST({aggregate}({array}({columns})) AS {text}) FROM {table} WHERE {condition})")
}

/// Returns an expression that packs the rows of a group into one text: a JSON array of arrays with `columns` as strings
/// and, last, the JSON that `nested` gives. `None` unless this is faster than single rows: the driver of SQLite hands
/// over one row at a time, from thread to thread.
pub(super) fn packed_rows(backend: DbBackend, columns: &[&str], nested: &str) -> Option<SimpleExpr> {
    if backend != DbBackend::Sqlite {
        return None;
    }
    let JsonFunctions { aggregate, array, text } = JsonFunctions::new(backend);
    let columns = cast_columns(text, columns);
    Some(Expr::cust(format!("{aggregate}({array}({columns}, json({nested})))")))
}

/// The names of a database's JSON functions and of its type for texts.
struct JsonFunctions {
    aggregate: &'static str,
    array: &'static str,
    text: &'static str,
}

impl JsonFunctions {
    /// Returns the names in the dialect of `backend`.
    const fn new(backend: DbBackend) -> Self {
        match backend {
            DbBackend::Postgres => Self { aggregate: "json_agg", array: "json_build_array", text: "TEXT" },
            DbBackend::MySql => Self { aggregate: "JSON_ARRAYAGG", array: "JSON_ARRAY", text: "CHAR" },
            _ => Self { aggregate: "json_group_array", array: "json_array", text: "TEXT" },
        }
    }
}

/// Returns the columns, cast to the type for texts. Numbers become texts too: in JSON, a database may round a
/// number beyond 2^53.
fn cast_columns(text: &str, columns: &[&str]) -> String {
    let cast: Vec<_> = columns.iter().map(|column| format!("CAST({column} AS {text})")).collect();
    cast.join(", ")
}

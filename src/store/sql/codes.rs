//! What the error codes of the databases mean.
//!
//! A code answers four questions, each with a function of its own, since one code may be in several groups:
//!
//! | question | function | the store |
//! | --- | --- | --- |
//! | may another attempt on the same connection succeed? | [`is_contention`] | tries again after a pause |
//! | is the connection of no use? | [`is_loss`] | tries again on another connection |
//! | are all connections of no use? | [`says_wrong_server`] | makes them all again |
//! | what else is known of it: a remedy, or a character that is not stored? | [`meaning`] | reports it |
//!
//! Every other code becomes [`StoreError::Unavailable`](crate::store::StoreError::Unavailable), with the
//! error of the driver as its source.

use std::ops::Deref;

use sea_orm::sqlx::error::{DatabaseError, Error as DriverError};
use sea_orm::{DbErr, RuntimeErr, SqlErr};

use super::remedies::{DISK_FULL, READ_ONLY, TABLES, TLS, TLS_FILES};

/// The code of an error, as the manual of its database lists it. The numbers of SQLite and of MySQL overlap,
/// so a code without its database means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// Of SQLite: an extended result code, as a number.
    #[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "only SQLite reports it"))]
    Sqlite(String),
    /// Of PostgreSQL, MySQL or MariaDB: five characters, or a number.
    Server(String),
}

/// Returns whether the database undid the statement because of concurrent ones, so that another attempt may succeed.
pub(super) fn is_contention(error: &DbErr) -> bool {
    // Two writers that create the same service collide on its unique name.
    is_duplicate(error) || database_code(error).is_some_and(|code| is_transient(&code))
}

/// Returns whether a row with the same unique key exists.
pub(super) fn is_duplicate(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

/// Returns whether the statement met another one and was undone, so that nothing of it is left in the
/// database.
fn is_transient(code: &Code) -> bool {
    match code {
        // Busy and locked, with their extended codes.
        Code::Sqlite(code) => matches!(&**code, "5" | "261" | "517" | "773" | "6" | "262" | "518"),
        // PostgreSQL: serialization failure, deadlock, lock wait timeout. MySQL and MariaDB: deadlock, lock wait timeout, record
        // changed since it was read, rolled back by the group.
        Code::Server(code) => {
            matches!(&**code, "40001" | "40P01" | "55P03" | "1213" | "1205" | "1020" | "3101")
        }
    }
}

/// Returns whether the connection was lost, for example because the database restarts.
pub(super) fn is_loss(error: &DbErr) -> bool {
    let connection_failed = matches!(driver_error(error), Some(DriverError::Io(_)));
    connection_failed || server_code(error).is_some_and(|code| is_shutdown(&code))
}

/// Returns whether the server ended this connection, or is about to end all of them.
fn is_shutdown(code: &str) -> bool {
    match code {
        // PostgreSQL: ended by an administrator, crashed, starting up, idle for too long, also in a transaction.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => true,
        // A pooler whose server is lost.
        "08P01" | "08000" | "08001" | "08003" | "08006" => true,
        // MySQL: shutting down, offline, killed, idle for too long. MariaDB: killed, no part of the Galera cluster.
        "1053" | "3032" | "3169" | "4031" | "1927" | "1317" | "1047" => true,
        _ => false,
    }
}

/// Returns whether the server is the wrong one or about to stop, so that all connections to it are of no use.
pub(super) fn says_wrong_server(error: &DbErr) -> bool {
    server_code(error).is_some_and(|code| is_wrong_server(&code))
}

/// Returns whether the server says that it is no primary. What ends one connection alone, such as an idle
/// limit, is not among these codes.
fn is_wrong_server(code: &str) -> bool {
    match code {
        // PostgreSQL: read-only; ended by an administrator, crashed, starting up.
        "25006" | "57P01" | "57P02" | "57P03" => true,
        // MySQL and MariaDB: read-only server, session, InnoDB; shutting down, offline; replication has not started or
        // stopped, no part of the Galera cluster, no majority of the group.
        "1290" | "1792" | "1836" | "1053" | "3032" | "1047" | "3100" | "3796" => true,
        _ => false,
    }
}

/// Returns whether the server accepts no changes.
pub(super) fn is_read_only(error: &DbErr) -> bool {
    matches!(server_code(error).as_deref(), Some("25006" | "1290" | "1792" | "1836"))
}

/// What the code of an error says about its cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The database does not store a character of a text.
    Unstorable,
    /// The database works, but not with this store as it is. It does not pass by itself. How to fix it.
    Fault(&'static str),
    /// The database cannot be opened or is overloaded, which may pass. How to fix it.
    Fixable(&'static str),
}

/// Returns what the code of an error says about its cause. `None`: nothing beyond the text of the error.
pub(super) fn meaning(error: &DbErr) -> Option<Meaning> {
    match driver_error(error) {
        Some(DriverError::Tls(_)) => return Some(Meaning::Fixable(TLS)),
        // A certificate that rustls refuses: the driver reports it as invalid data.
        Some(DriverError::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
            return Some(Meaning::Fixable(TLS));
        }
        Some(DriverError::Configuration(_)) => return Some(Meaning::Fixable(TLS_FILES)),
        // A file that the URL names. A missing socket is no such file: nothing listens there.
        Some(DriverError::Io(error)) if is_about_a_file(error) => {
            return Some(Meaning::Fixable(TLS_FILES));
        }
        _ => {}
    }
    // A pooler gives all its errors the same code, so the message decides. No other one of them lasts.
    if database_error(error)?.message().contains("unsupported startup parameter") {
        return Some(Meaning::Fault(
            "the pooler refuses a setting: add it to its ignore_startup_parameters, or leave `options` out of the URL",
        ));
    }
    match database_code(error)? {
        Code::Sqlite(code) => meaning_in_sqlite(&code),
        Code::Server(code) => meaning_on_server(&code),
    }
}

/// Returns whether a file that the URL names cannot be read. A server that refuses connections has other
/// kinds of errors.
fn is_about_a_file(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{IsADirectory, NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | PermissionDenied | IsADirectory)
}

/// Returns the meaning of an extended result code of SQLite, if it has one. Each primary code is listed with its
/// extended ones, since the driver reports the extended code.
fn meaning_in_sqlite(code: &str) -> Option<Meaning> {
    use Meaning::{Fault, Fixable};

    Some(match code {
        "26" | "11" | "267" | "523" | "779" => {
            Fault("the file is damaged or is no SQLite database; restore it, or name another file")
        }
        "14" | "270" | "526" | "782" | "1038" | "1294" | "1550" => Fixable(
            "check that its directory exists and is writable, and end the URL in ?mode=rwc to create the file",
        ),
        "8" | "264" | "520" | "776" | "1032" | "1288" | "1544" => Fault(
            "it cannot be written; check the permissions of the file and its directory, and that the URL does not say mode=ro",
        ),
        "13" => Fault(DISK_FULL),
        "1" => Fault(TABLES),
        _ => return None,
    })
}

/// Returns the meaning of an SQLSTATE of PostgreSQL (five characters) or of an error number of MySQL and MariaDB (four
/// digits), if it has one. No number is also an SQLSTATE, so one list serves both.
fn meaning_on_server(code: &str) -> Option<Meaning> {
    use Meaning::{Fault, Fixable, Unstorable};

    Some(match code {
        "25006" | "1290" | "1792" | "1836" => Fault(READ_ONLY),
        "53100" | "1021" | "1114" => Fault(DISK_FULL),
        "22P05" | "22021" | "1366" | "3988" => Unstorable,
        "28P01" | "28000" | "1045" | "1698" => Fault(
            "check the user and the password; in the URL, write @ : / ? # % in them as %40 %3A %2F %3F %23 %25",
        ),
        "3D000" | "1049" => Fault("create the database first, or name another"),
        "42501" | "1044" | "1142" | "1143" => Fault(
            "the user may not create or use the tables: grant the rights, or run the migrations as a privileged user",
        ),
        "42P01" | "42703" | "3F000" | "1146" | "1054" => Fault(TABLES),
        "42P05" | "26000" => Fault(
            "a pooler gives each transaction another connection: use session mode, or PgBouncer 1.21 or later with max_prepared_statements above 0",
        ),
        "1665" => Fault("set binlog_format to ROW or MIXED"),
        "53300" | "1040" | "1203" => Fixable("it has no connection left: raise its limit, or use a pooler"),
        _ => return None,
    })
}

/// Returns the code of an error that the database reported.
pub(super) fn database_code(error: &DbErr) -> Option<Code> {
    let error = database_error(error)?;
    #[cfg(feature = "mysql")]
    if let Some(error) = error.try_downcast_ref::<sea_orm::sqlx::mysql::MySqlDatabaseError>() {
        // Its `code` is an SQLSTATE, which is coarser than the number.
        return Some(Code::Server(error.number().to_string()));
    }
    #[cfg(feature = "sqlite")]
    if error.try_downcast_ref::<sea_orm::sqlx::sqlite::SqliteError>().is_some() {
        return error.code().map(|code| Code::Sqlite(code.into()));
    }
    error.code().map(|code| Code::Server(code.into()))
}

/// Returns the code of an error that a database server reported.
fn server_code(error: &DbErr) -> Option<String> {
    match database_code(error)? {
        Code::Server(code) => Some(code),
        Code::Sqlite(_) => None,
    }
}

/// Returns the error if the database reported it, and not the driver or the network.
fn database_error(error: &DbErr) -> Option<&(dyn DatabaseError + 'static)> {
    driver_error(error)?.as_database_error()
}

/// Returns the error of the driver inside of sea-orm's. An error of sea-orm itself, such as a column of
/// another type, is not one.
fn driver_error(error: &DbErr) -> Option<&DriverError> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error.deref()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The codes of SQLite that are numbers of MySQL too, such as a failed write to a directory and a read-only server.
    #[test]
    fn codes_of_sqlite_say_nothing_of_mysql() {
        for code in ["1032", "1038", "1288", "1294", "1544", "1550"] {
            assert!(meaning_in_sqlite(code).is_some() && meaning_on_server(code).is_none(), "{code}");
        }
        assert!(meaning_in_sqlite("1290").is_none());
        assert_eq!(meaning_on_server("1290"), Some(Meaning::Fault(READ_ONLY)));
    }
}

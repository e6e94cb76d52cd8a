//! What the error codes of the databases mean.

use std::ops::Deref;

use sea_orm::sqlx::error::{DatabaseError, Error as DriverError};
use sea_orm::{DbErr, RuntimeErr, SqlErr};

/// Returns whether the database undid the statement because of concurrent ones, so that another attempt may succeed.
pub(super) fn is_contention(error: &DbErr) -> bool {
    // Two writers that create the same service collide on its unique name.
    is_duplicate(error) || database_code(error).is_some_and(|code| is_transient(&code))
}

/// Returns whether a row with the same unique key exists.
pub(super) fn is_duplicate(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

fn is_transient(code: &str) -> bool {
    match code {
        // SQLite: busy and locked, with their extended codes.
        "5" | "261" | "517" | "773" | "6" | "262" | "518" => true,
        // PostgreSQL: serialization failure, deadlock.
        "40001" | "40P01" => true,
        // MySQL and MariaDB: deadlock, lock wait timeout, record changed since it was read, rolled back by the group.
        "1213" | "1205" | "1020" | "3101" => true,
        _ => false,
    }
}

/// Returns whether the connection was lost, for example because the database restarts.
pub(super) fn is_loss(error: &DbErr) -> bool {
    let connection_failed = matches!(driver_error(error), Some(DriverError::Io(_)));
    connection_failed || database_code(error).is_some_and(|code| is_shutdown(&code))
}

fn is_shutdown(code: &str) -> bool {
    match code {
        // PostgreSQL: ended by an administrator, crashed, starting up, idle for too long in a transaction.
        "57P01" | "57P02" | "57P03" | "25P03" => true,
        // MySQL: shutting down, killed. MariaDB: killed.
        "1053" | "3169" | "1927" | "1317" => true,
        _ => false,
    }
}

/// Returns how to fix an error that does not pass by itself, if its code says so.
pub(super) fn remedy_of(error: &DbErr) -> Option<&'static str> {
    Some(match database_code(error).as_deref()? {
        "26" | "11" | "267" | "523" | "779" => {
            "the file is damaged or is no SQLite database; restore it, or name another file"
        }
        "14" | "270" | "526" | "782" | "1038" | "1294" | "1550" => {
            "check that its directory exists and is writable, and end the URL in ?mode=rwc to create the file"
        }
        "8" | "264" | "520" | "776" | "1032" | "1288" | "1544" => {
            "it cannot be written; check the permissions of the file and its directory, and that the URL does not say mode=ro"
        }
        "13" => "the disk is full",
        "28P01" | "28000" | "1045" | "1698" => "check the user and the password",
        "3D000" | "1049" => "create the database first, or name another",
        "42501" | "1044" | "1142" => {
            "the user may not create or use the tables: grant the rights, or run the migrations as a privileged user"
        }
        "53300" | "1040" => "it has no connection left: raise its limit, or use a pooler",
        _ => return None,
    })
}

/// Returns the code of an error that the database reported, as its manual lists it.
pub(super) fn database_code(error: &DbErr) -> Option<String> {
    let error = database_error(error)?;
    #[cfg(feature = "mysql")]
    if let Some(error) = error.try_downcast_ref::<sea_orm::sqlx::mysql::MySqlDatabaseError>() {
        // Its `code` is an SQLSTATE, which is coarser than the number.
        return Some(error.number().to_string());
    }
    error.code().map(Into::into)
}

fn database_error(error: &DbErr) -> Option<&(dyn DatabaseError + 'static)> {
    driver_error(error)?.as_database_error()
}

fn driver_error(error: &DbErr) -> Option<&DriverError> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error.deref()),
        _ => None,
    }
}

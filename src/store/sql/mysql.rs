//! Connections to MySQL and MariaDB, and the lock of their migrations.

use std::sync::Arc;

use sea_orm::sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sea_orm::sqlx::{ConnectOptions, Error, Executor, query_scalar};
use sea_orm::{DatabaseConnection, DbErr, RuntimeErr, SqlxMySqlConnector};

use super::error::ConnectError;
use super::followed::Followed;
use super::server::{pool_options, try_connect, without_brackets};
use super::url_flaw::UrlFlaw;

/// Settings of a connection, whatever the server's own are.
///
/// - A wait for a row or a table ends before the call does. MariaDB releases the locks of a gateway that vanished after 5 s.
/// - MariaDB cuts off the result of `JSON_ARRAYAGG`, by which the versions of a service are read, at 1 MB by default.
/// - The others have their defaults, with which the statements of the store and its transactions do what they say.
const SESSION_SETTINGS: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE;
    SET SESSION innodb_lock_wait_timeout = 2, lock_wait_timeout = 1, group_concat_max_len = 16777216, wait_timeout = 120,
    autocommit = 1, completion_type = NO_CHAIN, sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION',
    sql_safe_updates = 0, sql_auto_is_null = 0, sql_select_limit = 18446744073709551615, sql_big_selects = 1,
    foreign_key_checks = 1, unique_checks = 1
    /*M! , idle_transaction_timeout = 5, max_statement_time = 0 */";

/// Locks are named per server, so the name contains the database. It has at most 64 characters, hence the hash.
const ACQUIRE_LOCK: &str = "SELECT GET_LOCK(MD5(CONCAT(DATABASE(), '.gateway_migrations')), 10)";

/// Parses `url`. `None` if the driver does not understand it.
pub(super) fn options(url: &str) -> Option<MySqlConnectOptions> {
    let options: MySqlConnectOptions = url.parse().ok()?;
    let address = without_brackets(options.get_host()).map(str::to_owned);
    Some(match address {
        Some(address) => options.host(&address),
        None => options,
    })
}

/// Opens the database at `url`, which errors call `name`. A URL without a database is refused.
pub(super) async fn open(
    url: &str,
    name: &str,
    followed: &Arc<Followed>,
) -> Result<DatabaseConnection, ConnectError> {
    let options = options(url).ok_or(UrlFlaw::Unparsable)?;
    if options.get_database().is_none() {
        return Err(ConnectError::NotAUrl);
    }
    let options = options.disable_statement_logging();
    try_connect(&options, name).await?;
    let pool = pool_options(followed).after_connect(|connection, _| Box::pin(set_up(connection)));
    Ok(SqlxMySqlConnector::from_sqlx_mysql_pool(pool.connect_lazy_with(options)))
}

/// Closes the connections of a pool that are idle now.
pub(super) fn close_idle(db: &DatabaseConnection) {
    let pool = db.get_mysql_connection_pool();
    while let Some(mut connection) = pool.try_acquire() {
        connection.close_on_drop();
    }
}

/// Applies [`SESSION_SETTINGS`] to a new connection. One that cannot be set up is not used.
async fn set_up(connection: &mut MySqlConnection) -> Result<(), Error> {
    connection.execute(SESSION_SETTINGS).await.map(drop)
}

/// Locks the migrations of this database. The lock is held until the returned connection is closed, which is therefore
/// taken out of the pool. `None`: another process held it for 10 s.
pub(super) async fn migration_lock(db: &DatabaseConnection) -> Result<Option<MySqlConnection>, DbErr> {
    let pooled = db.get_mysql_connection_pool().acquire().await.map_err(connection_error)?;
    let mut connection = pooled.detach();
    let acquired: Option<i64> =
        query_scalar(ACQUIRE_LOCK).fetch_one(&mut connection).await.map_err(connection_error)?;
    Ok((acquired == Some(1)).then_some(connection))
}

/// Wraps an error of the driver as sea-orm does, so that its code is found.
fn connection_error(error: Error) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(error.into()))
}

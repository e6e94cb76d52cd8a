//! Connections to MySQL and MariaDB, and the lock of their migrations.

use sea_orm::sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPoolOptions};
use sea_orm::sqlx::{ConnectOptions, Error, Executor, query_scalar};
use sea_orm::{DatabaseConnection, DbErr, RuntimeErr, SqlxMySqlConnector};

use super::error::ConnectError;
use super::limits::{CONNECT_LIMIT, POOL_SIZE};
use super::server::try_connect;

/// Settings of a connection. A lock wait ends before the call does. MariaDB releases the locks of a gateway that vanished
/// after 5 s. It also cuts off the result of `JSON_ARRAYAGG`, by which the versions of a service are read, at 1 MB by
/// default.
const SESSION_SETTINGS: &str =
    "SET SESSION innodb_lock_wait_timeout = 2, group_concat_max_len = 16777216, wait_timeout = 120
    /*M! , idle_transaction_timeout = 5 */";

/// Locks are named per server, so the name contains the database. It has at most 64 characters, hence the hash.
const ACQUIRE_LOCK: &str = "SELECT GET_LOCK(MD5(CONCAT(DATABASE(), '.gateway_migrations')), 10)";

/// Opens the database at `url`.
pub(super) async fn open(url: &str) -> Result<DatabaseConnection, ConnectError> {
    let options: MySqlConnectOptions = url.parse().map_err(|error| ConnectError::BadUrl(Box::new(error)))?;
    if options.get_database().is_none() {
        return Err(ConnectError::NotAUrl);
    }
    let options = options.disable_statement_logging();
    try_connect(&options, url).await?;
    let pool = MySqlPoolOptions::new()
        .max_connections(POOL_SIZE)
        .acquire_timeout(CONNECT_LIMIT)
        .after_connect(|connection, _| Box::pin(set_up(connection)));
    Ok(SqlxMySqlConnector::from_sqlx_mysql_pool(pool.connect_lazy_with(options)))
}

async fn set_up(connection: &mut MySqlConnection) -> Result<(), Error> {
    connection.execute(SESSION_SETTINGS).await.map(drop)
}

/// Locks the migrations of this database. The lock is held until the returned connection is closed, which is therefore
/// taken out of the pool. `None`: another process holds it.
pub(super) async fn migration_lock(db: &DatabaseConnection) -> Result<Option<MySqlConnection>, DbErr> {
    let pooled = db.get_mysql_connection_pool().acquire().await.map_err(connection_error)?;
    let mut connection = pooled.detach();
    let acquired: Option<i64> =
        query_scalar(ACQUIRE_LOCK).fetch_one(&mut connection).await.map_err(connection_error)?;
    Ok((acquired == Some(1)).then_some(connection))
}

fn connection_error(error: Error) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(error.into()))
}

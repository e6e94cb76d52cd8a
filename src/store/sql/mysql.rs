//! MySQL and MariaDB: connections, and the lock that migrations are run under.

use sea_orm::sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPoolOptions};
use sea_orm::sqlx::{ConnectOptions, Error, Executor, query_scalar};
use sea_orm::{DatabaseConnection, DbErr, RuntimeErr, SqlxMySqlConnector};

use super::connect::{CONNECTIONS, LIMIT, reach};
use super::error::ConnectError;

/// The database gives up before the call does; MariaDB also lets go of the locks of a gateway that vanished, and does not
/// cut off the versions of a service, read as one text, at the megabyte that it allows by default.
const SESSION: &str =
    "SET SESSION innodb_lock_wait_timeout = 2, group_concat_max_len = 16777216, wait_timeout = 120
    /*M! , idle_transaction_timeout = 5 */";

/// Other databases of one server migrate by themselves; the name of a lock has at most 64 characters.
const LOCK: &str = "SELECT GET_LOCK(MD5(CONCAT(DATABASE(), '.gateway_migrations')), 10)";

pub(super) async fn open(url: &str) -> Result<DatabaseConnection, ConnectError> {
    let options: MySqlConnectOptions = url.parse().map_err(|error| ConnectError::BadUrl(Box::new(error)))?;
    if options.get_database().is_none() {
        return Err(ConnectError::NotAUrl);
    }
    let options = options.disable_statement_logging();
    reach(&options, url).await?;
    let pool = MySqlPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(LIMIT);
    let pool = pool
        .after_connect(|connection, _| Box::pin(async move { connection.execute(SESSION).await.map(drop) }));
    Ok(SqlxMySqlConnector::from_sqlx_mysql_pool(pool.connect_lazy_with(options)))
}

/// A connection that holds the lock, and the lock goes with it: it is the pool's no longer. `None` while another has it.
pub(super) async fn migration_lock(db: &DatabaseConnection) -> Result<Option<MySqlConnection>, DbErr> {
    let failed = |error: Error| DbErr::Conn(RuntimeErr::SqlxError(error.into()));
    let mut connection = db.get_mysql_connection_pool().acquire().await.map_err(failed)?.detach();
    let got: Option<i64> = query_scalar(LOCK).fetch_one(&mut connection).await.map_err(failed)?;
    Ok((got == Some(1)).then_some(connection))
}

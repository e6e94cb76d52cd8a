//! MySQL and MariaDB: connections, and the lock that migrations are run under.

use std::time::Duration;

use sea_orm::sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPoolOptions};
use sea_orm::sqlx::{AssertSqlSafe, ConnectOptions, Connection, Error, Executor, Row, query_scalar, raw_sql};
use sea_orm::{DatabaseConnection, DbErr, RuntimeErr, SqlxMySqlConnector};
use tokio::time::timeout;

use super::connect::{CONNECTIONS, LIMIT, shown};
use super::error::ConnectError;

/// The database gives up before the call does; MariaDB also lets go of the locks of a gateway that vanished.
const SESSION: &str = "SET SESSION innodb_lock_wait_timeout = 2 /*M! , idle_transaction_timeout = 5 */";

/// How long a connection that was given back may take to show that it is clean.
const CLEANING: Duration = Duration::from_secs(1);

/// Other databases of one server migrate by themselves; the name of a lock has at most 64 characters.
const LOCK: &str = "SELECT GET_LOCK(MD5(CONCAT(DATABASE(), '.gateway_migrations')), 10)";

pub(super) async fn open(url: &str) -> Result<DatabaseConnection, ConnectError> {
    let options: MySqlConnectOptions = url.parse().map_err(|error| ConnectError::BadUrl(Box::new(error)))?;
    let options = options.disable_statement_logging();
    // A pool that is refused asks on and on; whoever starts a gateway wants to know at once.
    let first = options.connect().await.map_err(|error| ConnectError::by_driver(&shown(url), error))?;
    // It goes either way.
    let _ = first.close().await;
    let pool = MySqlPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(LIMIT);
    let pool = pool
        .after_connect(|connection, _| Box::pin(async move { connection.execute(SESSION).await.map(drop) }))
        .after_release(|connection, _| {
            Box::pin(async move { Ok(matches!(timeout(CLEANING, is_clean(connection)).await, Ok(Ok(true)))) })
        });
    Ok(SqlxMySqlConnector::from_sqlx_mysql_pool(pool.connect_lazy_with(options)))
}

/// Whether a connection that was given back may be given out again: it is in no transaction, and its next answer is to
/// its next question. Who went away while it waited for a BEGIN left a transaction that the driver does not know of, in
/// which the next reader would find what was there before; while it waited for a statement to be prepared, an answer
/// that the next one would take for its own.
async fn is_clean(connection: &mut MySqlConnection) -> Result<bool, Error> {
    let number: u32 = rand::random();
    let question = AssertSqlSafe(format!("ROLLBACK; SELECT CAST({number} AS CHAR)"));
    let row = raw_sql(question).fetch_one(connection).await?;
    Ok(row.try_get::<String, _>(0)? == number.to_string())
}

/// A connection that holds the lock, and the lock goes with it: it is the pool's no longer. `None` while another has it.
pub(super) async fn migration_lock(db: &DatabaseConnection) -> Result<Option<MySqlConnection>, DbErr> {
    let failed = |error: Error| DbErr::Conn(RuntimeErr::SqlxError(error.into()));
    let mut connection = db.get_mysql_connection_pool().acquire().await.map_err(failed)?.detach();
    let got: Option<i64> = query_scalar(LOCK).fetch_one(&mut connection).await.map_err(failed)?;
    Ok((got == Some(1)).then_some(connection))
}

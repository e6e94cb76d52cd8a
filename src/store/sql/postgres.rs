//! Connections to PostgreSQL.

use sea_orm::sqlx::ConnectOptions;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::{DatabaseConnection, SqlxPostgresConnector};

use super::error::ConnectError;
use super::limits::{CONNECT_LIMIT, POOL_SIZE};
use super::server::try_connect;

/// Opens the database at `url`.
pub(super) async fn open(url: &str) -> Result<DatabaseConnection, ConnectError> {
    let mut options: PgConnectOptions = url.parse().map_err(|error| ConnectError::BadUrl(Box::new(error)))?;
    // Poolers refuse `extra_float_digits`, and no column here is a floating-point number.
    options = options.disable_statement_logging().extra_float_digits(None);
    if options.get_application_name().is_none() {
        options = options.application_name("tower-canary");
    }
    try_connect(&options, url).await?;
    let pool = PgPoolOptions::new().max_connections(POOL_SIZE).acquire_timeout(CONNECT_LIMIT);
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool.connect_lazy_with(options)))
}

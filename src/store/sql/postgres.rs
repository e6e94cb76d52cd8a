//! PostgreSQL: its connections.

use sea_orm::sqlx::ConnectOptions;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::{DatabaseConnection, SqlxPostgresConnector};

use super::connect::{CONNECTIONS, LIMIT, reach};
use super::error::ConnectError;

pub(super) async fn open(url: &str) -> Result<DatabaseConnection, ConnectError> {
    let mut options: PgConnectOptions = url.parse().map_err(|error| ConnectError::BadUrl(Box::new(error)))?;
    // Poolers refuse that setting, and no column here is of the kind that it concerns.
    options = options.disable_statement_logging().extra_float_digits(None);
    if options.get_application_name().is_none() {
        options = options.application_name("tower-canary");
    }
    reach(&options, url).await?;
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(LIMIT);
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool.connect_lazy_with(options)))
}

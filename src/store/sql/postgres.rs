//! Connections to PostgreSQL.

use std::sync::Arc;

use sea_orm::sqlx::ConnectOptions;
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::{DatabaseConnection, SqlxPostgresConnector};

use super::error::ConnectError;
use super::followed::Followed;
use super::server::{pool_options, try_connect, without_brackets};
use super::url_flaw::UrlFlaw;

/// Parses `url`. `None` if the driver does not understand it.
pub(super) fn options(url: &str) -> Option<PgConnectOptions> {
    let options: PgConnectOptions = url.parse().ok()?;
    let address = without_brackets(options.get_host()).map(str::to_owned);
    Some(match address {
        Some(address) => options.host(&address),
        None => options,
    })
}

/// Opens the database at `url`, which errors call `name`.
pub(super) async fn open(
    url: &str,
    name: &str,
    followed: &Arc<Followed>,
) -> Result<DatabaseConnection, ConnectError> {
    let options = options(url).ok_or(UrlFlaw::Unparsable)?;
    // Poolers refuse `extra_float_digits`, and no column here is a floating-point number.
    let mut options = options.disable_statement_logging().extra_float_digits(None);
    if options.get_application_name().is_none() {
        options = options.application_name("tower-canary");
    }
    try_connect(&options, name).await?;
    let pool = pool_options(followed).connect_lazy_with(options);
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}

/// Closes the connections of a pool that are idle now.
pub(super) fn close_idle(db: &DatabaseConnection) {
    let pool = db.get_postgres_connection_pool();
    while let Some(mut connection) = pool.try_acquire() {
        connection.close_on_drop();
    }
}

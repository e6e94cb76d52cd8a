//! Opening a database by its URL.

use std::time::Duration;

use sea_orm::DatabaseConnection;

use super::error::ConnectError;

/// How long connecting may take in all: short enough for a gateway to say at once what is wrong.
pub(super) const LIMIT: Duration = Duration::from_secs(3);

pub(super) async fn within_limit<T>(
    work: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    tokio::time::timeout(LIMIT, work).await.unwrap_or(Err(ConnectError::TimedOut(LIMIT)))
}

pub(super) async fn open(url: &str) -> Result<DatabaseConnection, ConnectError> {
    match scheme(url) {
        #[cfg(feature = "sqlite")]
        "sqlite" => super::sqlite::open(url).await,
        "" => Err(ConnectError::NotAUrl),
        scheme => Err(ConnectError::NoDriver { scheme: scheme.into() }),
    }
}

/// What of the URL may be shown: neither user and password nor options.
pub(super) fn shown(url: &str) -> String {
    // A password may hold any sign but the '@' that ends it.
    let place = url.rsplit('@').next().unwrap_or_default();
    place
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .trim_start_matches("sqlite:")
        .trim_start_matches("//")
        .into()
}

/// The scheme; empty where there is none.
fn scheme(url: &str) -> &str {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    if scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+') { scheme } else { "" }
}

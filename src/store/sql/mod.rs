//! The store in a SQL database.
//!
//! [`SqlStore::connect`] opens a database of its own, [`SqlStore::with_connection`] uses the pool of a host. Both see to
//! the tables, which live beside those of the host, with a migration table of their own.
//!
//! Every change is one transaction: lock the service, read its split, let the rules decide, write the rows that differ
//! and the history, count the service's generation and the store's revision on, commit. Writers of one service take
//! turns by that lock; a reader sees a split before a change or after it. What collides is tried again, up to five
//! times. No call takes longer than three seconds, whatever state the database is in.
//!
//! | table | holds |
//! | --- | --- |
//! | `gateway_service_config` | a service: its generation, its slots, the revision it changed at |
//! | `gateway_service_version` | a version: its URL, its weight in hundredths of a percent, whether it is active |
//! | `gateway_split_change` | the history: who changed what, why, and the weights before and after |
//! | `gateway_revision` | how many changes the whole store has seen, in one row |
//! | `gateway_migrations` | which migrations of these tables were run |
//!
//! Rows may be edited by hand. Weights that do not total 100 percent are scaled when read, and a row that cannot be read
//! takes only its own service out of what is loaded. Running gateways see the edit of a service after
//!
//! ```sql
//! UPDATE gateway_revision SET revision = revision + 1;
//! UPDATE gateway_service_config SET revision = (SELECT revision FROM gateway_revision) WHERE service_name = 'auth';
//! ```
//!
//! A service that is deleted by hand is served until the gateways start again.

mod connect;
mod entity;
mod error;
mod history;
mod migration;
mod read;
mod retry;
#[cfg(feature = "sqlite")]
mod sqlite;
mod stored;
mod write;

use std::fmt;

use async_trait::async_trait;
use sea_orm::{DatabaseConnection, DbBackend};
use tokio::sync::Mutex;

pub use self::error::ConnectError;
pub use self::migration::{Migrations, migrations};
use self::retry::Failure;
use super::{Applied, ChangeRequest, HistoryEntry, RouteStore, Snapshot, StoreError};
use crate::routing::ServiceName;

/// Keeps splits in a SQL database.
///
/// ```
/// use tower_canary::routing::Change;
/// use tower_canary::store::sql::SqlStore;
/// use tower_canary::store::{ChangeRequest, RouteStore};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let store = SqlStore::connect("sqlite::memory:").await?;
/// let register = Change::register("v1.0".parse()?, "http://10.0.0.1:8080".parse()?);
/// store.apply(&"auth".parse()?, &ChangeRequest::new(register, "alice")).await?;
/// assert_eq!(store.load(0).await?.splits.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SqlStore {
    db: DatabaseConnection,
    /// SQLite has one writer at a time. Taking turns here is fair and quick; its own way is to ask again and again.
    turns: Option<Mutex<()>>,
}

impl SqlStore {
    /// Opens the database at `url` with connections of its own, and creates the tables or brings them up to date.
    ///
    /// `sqlite://canary.db?mode=rwc` is a file that is created when missing; `sqlite::memory:` lasts as long as the store.
    /// A SQLite file is set to write-ahead logging, and every change is on disk when it is answered.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says what to mend, within about 3 seconds. It never holds a password.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        connect::within_limit(async {
            let db = connect::open(url).await?;
            Self::prepared(db, Migrations::Auto, &connect::shown(url)).await
        })
        .await
    }

    /// Keeps splits in a database that the host has connected to.
    ///
    /// ```
    /// use tower_canary::store::sql::{Migrations, SqlStore};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let db = sea_orm::Database::connect("sqlite::memory:").await?;
    /// let store = SqlStore::with_connection(db.clone(), Migrations::Auto).await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConnectError`], when the tables are not as they should be and may not be or cannot be mended.
    pub async fn with_connection(
        db: DatabaseConnection,
        migrations: Migrations,
    ) -> Result<Self, ConnectError> {
        connect::within_limit(Self::prepared(db, migrations, "given")).await
    }

    async fn prepared(
        db: DatabaseConnection,
        migrations: Migrations,
        shown: &str,
    ) -> Result<Self, ConnectError> {
        migration::prepare(&db, migrations).await.map_err(|unprepared| unprepared.of(shown))?;
        let turns = (db.get_database_backend() == DbBackend::Sqlite).then(|| Mutex::new(()));
        Ok(Self { db, turns })
    }

    async fn attempt(&self, service: &ServiceName, request: &ChangeRequest) -> Result<Applied, Failure> {
        let _turn = match &self.turns {
            Some(turns) => Some(turns.lock().await),
            None => None,
        };
        write::apply(&self.db, service, request).await
    }
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The connection's own form may hold its URL.
        f.debug_struct("SqlStore").field("backend", &self.db.get_database_backend()).finish_non_exhaustive()
    }
}

#[async_trait]
impl RouteStore for SqlStore {
    async fn load(&self, after: u64) -> Result<Snapshot, StoreError> {
        retry::retried(|| read::load(&self.db, after)).await
    }

    async fn apply(&self, service: &ServiceName, request: &ChangeRequest) -> Result<Applied, StoreError> {
        retry::retried(|| self.attempt(service, request)).await
    }

    async fn history(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        retry::retried(|| history::read(&self.db, service, before, limit)).await
    }
}

//! The store in a SQL database.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::DatabaseConnection;

use super::database::Database;
use super::error::ConnectError;
use super::failure::report_blocking_row;
use super::limits::{CALL_LIMIT, FULL_LOAD_LIMIT};
use super::migrations::{Migrations, prepare};
use super::signals::Signals;
use super::{history, read, refusals, replicas, write};
use crate::routing::ServiceName;
use crate::store::{
    Applied, ChangeRequest, HistoryEntry, Refusal, RefusalLog, Replica, ReplicaFigures, ReplicaRegistry,
    Report, RolloutStore, RouteStore, Signal, Snapshot, StoreError,
};

/// Stores splits in a SQL database. See the [module docs](super).
///
/// A clone uses the same connections, and receives every [signal](RouteStore::changed) for itself.
///
/// ```
/// use tower_canary::routing::Change;
/// use tower_canary::store::sql::SqlStore;
/// use tower_canary::store::{ChangeRequest, RouteStore};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let store = SqlStore::connect("sqlite::memory:").await?;
/// let register = Change::register("v1.0".parse()?, "http://10.0.0.1:8080".parse()?);
/// store.commit(&"auth".parse()?, &ChangeRequest::new(register, "alice")).await?;
/// assert_eq!(store.load(0).await?.splits.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SqlStore {
    pub(super) database: Arc<Database>,
    signals: Signals,
    /// Maximum number of changes in the history of a service. `None`: unlimited.
    pub(super) history_limit: Option<u32>,
}

impl SqlStore {
    /// Opens the database at `url` with a pool of its own, and creates the tables or brings them up to date.
    ///
    /// | URL | database | feature |
    /// | --- | --- | --- |
    /// | `sqlite://canary.db?mode=rwc` | a file, created if it is missing; a change is on disk before it is confirmed | `sqlite` |
    /// | `sqlite::memory:` | lasts as long as the store | `sqlite` |
    /// | `postgres://user:password@host/database` | PostgreSQL 12 or later; TLS with `?sslmode=verify-full` | `postgres` |
    /// | `mysql://user:password@host/database` | MySQL 8.0.16 or MariaDB 10.6, or later; TLS with `?ssl-mode=VERIFY_IDENTITY` | `mysql` |
    ///
    /// User and password are percent-encoded (`@` is `%40`). An option that the driver does not know is refused, since it
    /// may be meant to request TLS. The scheme may have any letter case, and a newline at the end is left out.
    ///
    /// Parts that a PostgreSQL URL leaves out are taken from libpq's environment variables and password file. TLS also
    /// needs the feature `tls-rustls`. MySQL's default authentication, `caching_sha2_password`, needs TLS or a socket.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] within about 3 s if the database cannot be opened, or within 60 s if it cannot be migrated. It
    /// names the fix, and contains no part of the URL but its scheme, host, port and database.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        let store = Self::connect_lazy(url)?;
        store.database.connect().await?;
        Ok(store)
    }

    /// Like [`connect`](Self::connect), but connects on first use, and retries with each call until it succeeds. For an
    /// application that starts without its database, from a [cache](crate::deployments::SnapshotCache).
    ///
    /// ```no_run
    /// use tower_canary::deployments::SnapshotCache;
    /// use tower_canary::store::sql::SqlStore;
    /// use tower_canary::{Deployments, NoVersionCheck};
    ///
    /// # async fn start(file_cache: impl SnapshotCache) -> Result<(), Box<dyn std::error::Error>> {
    /// let store = SqlStore::connect_lazy("postgres://gateway@db/canary")?;
    /// let deployments = Deployments::builder(store, NoVersionCheck).with_cache(file_cache).start().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConnectError::NotAUrl`], [`ConnectError::BadUrl`] or [`ConnectError::NoDriver`]. Other errors come with the first
    /// call.
    pub fn connect_lazy(url: &str) -> Result<Self, ConnectError> {
        Ok(Self::new(Database::from_url(url)?))
    }

    /// Uses a pool of the application. Each connection is returned with the settings that it had.
    ///
    /// On MariaDB the connections' `group_concat_max_len`, 1 MB by default, limits the total size of one service's
    /// versions.
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
    /// - [`ConnectError::MissingMigration`] with [`Migrations::VerifyOnly`].
    /// - [`ConnectError::TableExists`] if a table of the application has the name of one of the store's.
    /// - [`ConnectError::Unusable`] or [`ConnectError::TimedOut`] if the migrations fail.
    pub async fn with_connection(
        db: DatabaseConnection,
        migrations: Migrations,
    ) -> Result<Self, ConnectError> {
        prepare(&db, migrations, "given").await?;
        Ok(Self::new(Database::from_connections(db)))
    }

    /// Does not listen for changes on PostgreSQL: changes of other gateways are found by polling only. Needed behind a
    /// pooler in transaction mode, which cannot listen. See
    /// [`docs::databases`](crate::docs::databases#postgresql).
    ///
    /// ```
    /// # use tower_canary::store::sql::SqlStore;
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let store = SqlStore::connect("sqlite::memory:").await?.with_polling_only();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_polling_only(self) -> Self {
        Self { signals: self.database.new_signals(false), ..self }
    }

    /// Limits the history to the last `changes` of each service. The default is unlimited. Older entries are deleted with
    /// the next change of the service; their splits cannot be restored any more.
    ///
    /// ```
    /// # use tower_canary::store::sql::SqlStore;
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let store = SqlStore::connect("sqlite::memory:").await?.with_history_limit(1_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_history_limit(self, changes: u32) -> Self {
        Self { history_limit: Some(changes), ..self }
    }

    /// Ends the work that calls left, closes the connections and the listeners of all clones, and refuses later calls.
    /// Await it at the end of the process, after [`Deployments::run`](crate::Deployments::run) and the last change.
    ///
    /// A SQLite file is then the whole database, without the files `-wal` and `-shm` beside it, unless another process
    /// still uses it. Without this call a change is as safe, but it may be in `-wal` alone: a copy of the file lacks it.
    ///
    /// It may be called several times, on every clone, and also where a start failed. A wait for a signal does not delay it,
    /// and gets no more signals. It takes at most 10 s, for a database
    /// that does not respond. Dropped, it leaves the rest to the end of the process. A pool of the application is not
    /// closed.
    ///
    /// ```
    /// use tower_canary::store::RouteStore;
    /// use tower_canary::store::sql::SqlStore;
    /// use tower_canary::{Deployments, NoVersionCheck};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let store = SqlStore::connect("sqlite::memory:").await?;
    /// let deployments = Deployments::builder(store.clone(), NoVersionCheck).start().await?;
    /// deployments.clone().run(async {}).await;
    /// store.close().await;
    /// assert!(store.load(0).await.is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn close(&self) {
        self.database.close().await;
    }

    fn new(database: Database) -> Self {
        let database = Arc::new(database);
        Self { signals: database.new_signals(true), database, history_limit: None }
    }
}

impl Clone for SqlStore {
    fn clone(&self) -> Self {
        let signals = self.database.new_signals(self.signals.listens());
        Self { database: self.database.clone(), signals, history_limit: self.history_limit }
    }
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the URL nor the connections, whose own output may contain the password.
        let backend = self.database.connected_backend();
        f.debug_struct("SqlStore").field("connected", &backend).finish_non_exhaustive()
    }
}

#[async_trait]
impl RouteStore for SqlStore {
    async fn load(&self, after: u64) -> Result<Snapshot, StoreError> {
        // A store that connects late may have to migrate first. That has a time limit of its own.
        self.database.connect_for_call().await?;
        let limit = if after == 0 { FULL_LOAD_LIMIT } else { CALL_LIMIT };
        self.database
            .load(limit, move |db, followed| async move { read::load(&db, &followed, after).await })
            .await
    }

    async fn commit(&self, service: &ServiceName, request: &ChangeRequest) -> Result<Applied, StoreError> {
        let limit = self.history_limit;
        let committed = self.database.write(|context| {
            let service = service.clone();
            let request = request.clone();
            async move { write::commit(&context, &service, &request, limit).await }
        });
        committed.await.map_err(|error| report_blocking_row(service, error))
    }

    async fn history(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        let entries = self.database.read(|db| {
            let service = service.clone();
            async move { history::read(&db, &service, before, limit).await }
        });
        entries.await
    }

    async fn changed(&self) -> Signal {
        self.database.wait_for_signal(&self.signals).await
    }

    async fn close(&self) {
        Self::close(self).await;
    }

    fn refusal_log(&self) -> Option<&dyn RefusalLog> {
        Some(self)
    }

    fn replica_registry(&self) -> Option<&dyn ReplicaRegistry> {
        Some(self)
    }

    fn rollout_store(&self) -> Option<&dyn RolloutStore> {
        Some(self)
    }
}

#[async_trait]
impl RefusalLog for SqlStore {
    async fn record_refusal(&self, refusal: &Refusal) -> Result<(), StoreError> {
        let recorded = self.database.write(|context| {
            let refusal = refusal.clone();
            async move { refusals::record(&context, &refusal).await }
        });
        recorded.await
    }

    async fn refusals(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Refusal>, StoreError> {
        let refusals = self.database.read(|db| {
            let service = service.clone();
            async move { refusals::read(&db, &service, before, limit).await }
        });
        refusals.await
    }
}

#[async_trait]
impl ReplicaRegistry for SqlStore {
    async fn report(&self, report: &Report) -> Result<(), StoreError> {
        let reported = self.database.write(|context| {
            let report = report.clone();
            async move { Ok(replicas::report(&context.db, &report).await?) }
        });
        reported.await
    }

    async fn withdraw(&self, id: &str) -> Result<(), StoreError> {
        let withdrawn = self.database.write(|context| {
            let id = id.to_owned();
            async move { Ok(replicas::withdraw(&context.db, &id).await?) }
        });
        withdrawn.await
    }

    async fn replicas(&self) -> Result<Vec<Replica>, StoreError> {
        self.database.read(|db| async move { Ok(replicas::read(&db).await?) }).await
    }

    async fn figures(&self) -> Result<Vec<ReplicaFigures>, StoreError> {
        self.database.read(|db| async move { Ok(replicas::read_figures(&db).await?) }).await
    }
}

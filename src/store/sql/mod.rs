//! The store in a SQL database: SQLite, PostgreSQL, MySQL or MariaDB. [`SqlStore`] has an example.
//!
//! [`SqlStore::connect`] opens a database of its own, [`SqlStore::with_connection`] uses the pool of a host. Both see to
//! the tables, which live beside those of the host, with a migration table of their own.
//!
//! Every change is one transaction: lock the service, read its split, let the rules decide, write the rows that differ
//! and the history, count the service's generation and the store's revision on, commit. Writers of one service take
//! turns by that lock; a reader sees a split before a change or after it. What collides is tried again, up to five
//! times. No call takes longer than three seconds, whatever state the database is in, but to load everything. Many gateways may share one
//! database: [`at_scale`].
//!
//! | | a writer takes its turn by | others learn of a change by |
//! | --- | --- | --- |
//! | SQLite | `BEGIN IMMEDIATE`, one writer at a time; on a local disk only | the poll |
//! | PostgreSQL | `SELECT … FOR UPDATE` at READ COMMITTED | `LISTEN`, and the poll |
//! | MySQL, MariaDB | the same; InnoDB | the poll |
//!
//! | table | holds |
//! | --- | --- |
//! | `gateway_service_config` | a service: its generation, its slots, the revision it changed at |
//! | `gateway_service_version` | a version: its URL, its weight in hundredths of a percent, whether it is active |
//! | `gateway_split_change` | the history: who changed what, why, and the weights before and after |
//! | `gateway_refused_change` | the last 1,000 changes that were refused: who asked for what, and why it was refused |
//! | `gateway_revision` | how many changes the whole store has seen, in one row |
//! | `gateway_replica` | the gateways that share the database, what each serves, which versions it still has requests for, and when it said so |
//! | `gateway_migrations` | which migrations of these tables were run |
//!
//! Migrations run under a lock, so any number of gateways may start at once. A gateway of this release runs on tables
//! that a later one has brought up to date, so gateways may be updated one by one.
//!
//! Rows may be edited by hand. Weights that do not total 100 percent are scaled when read, and a row that cannot be read
//! takes only its own service out of what is loaded. Running gateways see the edit of a service after
//!
//! ```sql
//! BEGIN;
//! UPDATE gateway_revision SET revision = revision + 1;
//! UPDATE gateway_service_config SET revision = (SELECT revision FROM gateway_revision) WHERE service_name = 'auth';
//! COMMIT;
//! ```
//!
//! A service that is deleted by hand is served until everything is loaded anew: at least every ten minutes.

mod abandoned;
pub mod at_scale;
mod connect;
mod dialect;
mod entity;
mod error;
mod history;
#[cfg(feature = "postgres")]
mod listener;
#[cfg(not(feature = "postgres"))]
#[path = "no_listener.rs"]
mod listener;
mod migration;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
mod read;
mod refusals;
mod replicas;
mod retry;
#[cfg(feature = "sqlite")]
mod sqlite;
mod stored;
mod transaction;
mod write;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{DatabaseConnection, DbBackend};
use tokio::sync::{OnceCell, Semaphore};

use self::abandoned::{Abandoned, GivenUp};
pub use self::error::ConnectError;
use self::listener::Listener;
pub use self::migration::{Migrations, migrations};
use self::retry::Failure;
use super::{
    Applied, ChangeRequest, HistoryEntry, Refusal, RefusalLog, Replica, ReplicaRegistry, Report, RouteStore,
    Signal, Snapshot, StoreError,
};
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
/// store.commit(&"auth".parse()?, &ChangeRequest::new(register, "alice")).await?;
/// assert_eq!(store.load(0).await?.splits.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SqlStore {
    /// Where to connect to, once it is needed.
    url: Option<String>,
    db: OnceCell<DatabaseConnection>,
    /// Writers of this process take turns before they meet in the database.
    turns: Arc<Semaphore>,
    abandoned: Abandoned,
    listener: Option<Listener>,
    /// How many changes of each service the history keeps; all where nothing is said.
    history_limit: Option<u32>,
}

impl SqlStore {
    /// Opens the database at `url` with connections of its own, and creates the tables or brings them up to date.
    ///
    /// | URL | database | feature |
    /// | --- | --- | --- |
    /// | `sqlite://canary.db?mode=rwc` | a file, created when missing; every change is on disk when it is answered | `sqlite` |
    /// | `sqlite::memory:` | lasts as long as the store | `sqlite` |
    /// | `postgres://user:password@host/database` | PostgreSQL 12 or later; TLS with `?sslmode=verify-full` | `postgres` |
    /// | `mysql://user:password@host/database` | MySQL 8.0.16 or MariaDB 10.6, or later; TLS with `?ssl-mode=VERIFY_IDENTITY` | `mysql` |
    ///
    /// What a PostgreSQL URL leaves out, the driver takes from the environment variables and the password file of libpq.
    /// TLS needs the feature `tls-rustls` too. MySQL's `caching_sha2_password`, its default, needs TLS or a socket.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says what to mend, within about 3 seconds; migrating may take longer. It never holds a password.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        let store = Self::connect_lazy(url)?;
        store.db().await?;
        Ok(store)
    }

    /// Like [`connect`](Self::connect), but connects when first used, and again and again until it could: for a host
    /// that starts without its database, from a [cache](crate::deployments::SnapshotCache).
    ///
    /// ```no_run
    /// use tower_canary::deployments::SnapshotCache;
    /// use tower_canary::store::sql::SqlStore;
    /// use tower_canary::{Deployments, NoVersionCheck};
    ///
    /// # async fn start(kept_in_a_file: impl SnapshotCache) -> Result<(), Box<dyn std::error::Error>> {
    /// let store = SqlStore::connect_lazy("postgres://gateway@db/canary")?;
    /// let deployments = Deployments::builder(store, NoVersionCheck).with_cache(kept_in_a_file).start().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConnectError`], when `url` cannot be that of a database.
    pub fn connect_lazy(url: &str) -> Result<Self, ConnectError> {
        let backend = connect::backend(url)?;
        Ok(Self::new(backend, Some(url.into()), OnceCell::new()))
    }

    /// Keeps splits in a database that the host has connected to. On MariaDB, what the connections have as
    /// `group_concat_max_len` bounds how long the versions of one service may be in all: by default a megabyte.
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
        migration::prepare(&db, migrations, "given").await?;
        Ok(Self::new(db.get_database_backend(), None, OnceCell::new_with(Some(db))))
    }

    /// Does not listen for changes on PostgreSQL, so that only the poll finds those of others: behind a pooler that
    /// shares connections between transactions, which nobody can listen through. See [`at_scale`].
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
        Self { listener: None, ..self }
    }

    /// Keeps the last `changes` of each service, and forgets older ones with the next change. Without this the history
    /// keeps all. What is forgotten cannot be restored.
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

    fn new(backend: DbBackend, url: Option<String>, db: OnceCell<DatabaseConnection>) -> Self {
        let turns = Arc::new(Semaphore::new(connect::writers(backend)));
        let (abandoned, listener) = (Abandoned::default(), Some(Listener::new()));
        Self { url, db, turns, abandoned, listener, history_limit: None }
    }

    async fn db(&self) -> Result<&DatabaseConnection, ConnectError> {
        if let Some(db) = self.db.get() {
            return Ok(db);
        }
        let open = || connect::open_prepared(self.url.as_deref().unwrap_or_default());
        Box::pin(self.db.get_or_try_init(open)).await
    }

    /// Does `work` on the database, again where it collides, within `limit` in all, and in its turn if there are `turns`.
    /// What is given up keeps its turn until its connection is free, so that one is always left to read.
    async fn call<T, F>(
        &self,
        limit: Duration,
        turns: Option<&Arc<Semaphore>>,
        work: impl Fn(DatabaseConnection, GivenUp) -> F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let attempts = retry::retried(limit, async || {
            let db = self.db().await?.clone();
            let turn = match turns {
                // It is never closed.
                Some(turns) => Arc::clone(turns).acquire_owned().await.ok(),
                None => None,
            };
            let in_turn = |given_up| {
                let work = work(db, given_up);
                async move {
                    let _turn = turn;
                    work.await
                }
            };
            self.abandoned.unbroken(in_turn).await
        });
        self.abandoned.going_on_while(attempts).await
    }

    /// Whether a host uses the same connections.
    const fn is_lent(&self) -> bool {
        self.url.is_none()
    }

    async fn write<T, F>(&self, work: impl Fn(DatabaseConnection, GivenUp) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        self.call(retry::LIMIT, Some(&self.turns), work).await
    }
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The connection's own form may hold its URL.
        let backend = self.db.get().map(DatabaseConnection::get_database_backend);
        f.debug_struct("SqlStore").field("connected", &backend).finish_non_exhaustive()
    }
}

#[async_trait]
impl RouteStore for SqlStore {
    async fn load(&self, after: u64) -> Result<Snapshot, StoreError> {
        // A store that connects late may have to migrate first, which takes its own time.
        self.db().await.map_err(retry::unavailable)?;
        let limit = if after == 0 { retry::WHOLE_LIMIT } else { retry::LIMIT };
        self.call(limit, None, move |db, _| async move { read::load(&db, after).await }).await
    }

    async fn commit(&self, service: &ServiceName, request: &ChangeRequest) -> Result<Applied, StoreError> {
        let (lent, kept) = (self.is_lent(), self.history_limit);
        let applied = self.write(|db, given_up| {
            let (service, request) = (service.clone(), request.clone());
            async move { write::apply(&db, lent, &service, &request, kept, &given_up).await }
        });
        applied.await.map_err(|error| retry::unless_in_the_way(service, error))
    }

    async fn history(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        let entries = self.call(retry::LIMIT, None, |db, _| {
            let service = service.clone();
            async move { history::read(&db, &service, before, limit).await }
        });
        entries.await
    }

    async fn changed(&self) -> Signal {
        let signal = async {
            match &self.listener {
                Some(listener) => Box::pin(listener.changed(&self.db)).await,
                None => std::future::pending().await,
            }
        };
        self.abandoned.going_on_while(signal).await
    }

    fn refusal_log(&self) -> Option<&dyn RefusalLog> {
        Some(self)
    }

    fn replica_registry(&self) -> Option<&dyn ReplicaRegistry> {
        Some(self)
    }
}

#[async_trait]
impl RefusalLog for SqlStore {
    async fn record_refusal(&self, refusal: &Refusal) -> Result<(), StoreError> {
        let lent = self.is_lent();
        let noted = self.write(|db, given_up| {
            let refusal = refusal.clone();
            async move { refusals::note(&db, lent, &refusal, &given_up).await }
        });
        noted.await
    }

    async fn refusals(&self, service: &ServiceName, limit: u32) -> Result<Vec<Refusal>, StoreError> {
        let read = self.call(retry::LIMIT, None, |db, _| {
            let service = service.clone();
            async move { refusals::read(&db, &service, limit).await }
        });
        read.await
    }
}

#[async_trait]
impl ReplicaRegistry for SqlStore {
    async fn report(&self, report: &Report) -> Result<(), StoreError> {
        let reported = self.write(|db, _| {
            let report = report.clone();
            async move { Ok(replicas::report(&db, &report).await?) }
        });
        reported.await
    }

    async fn withdraw(&self, id: &str) -> Result<(), StoreError> {
        let withdrawn = self.write(|db, _| {
            let id = id.to_owned();
            async move { Ok(replicas::withdraw(&db, &id).await?) }
        });
        withdrawn.await
    }

    async fn replicas(&self) -> Result<Vec<Replica>, StoreError> {
        self.call(retry::LIMIT, None, |db, _| async move { Ok(replicas::all(&db).await?) }).await
    }
}

//! The connections of a store, and the calls on them.
//!
//! A call passes these stages, from the outside in:
//!
//! 1. [`Orphans::drive_while`] drives the work that earlier calls left, beside this one.
//! 2. [`with_retries`] limits the time of the call and repeats attempts that collided, or met a [wrong
//!    server](super::followed).
//! 3. A write waits for its turn, so that the writers of this process leave connections for reads.
//! 4. [`Orphans::run_to_completion`] keeps the attempt alive if the caller drops the call.
//!
//! The turn is part of the attempt: an orphan keeps its turn until its connection is free.

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use sea_orm::{DatabaseConnection, DbBackend};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use super::connect;
use super::context::{Pool, WriteContext};
use super::database_url::DatabaseUrl;
use super::error::ConnectError;
use super::failure::Failure;
use super::followed::Followed;
use super::limits::{CALL_LIMIT, CLOSE_LIMIT, CONNECT_LIMIT, MIGRATION_LIMIT};
use super::listener::Listener;
use super::orphans::Orphans;
use super::retry::with_retries;
use super::secrets::Secrets;
use super::signals::Signals;
use crate::common::lock::lock;
use crate::store::{Signal, StoreError};

/// The connections of a store, and what its calls share.
pub(super) struct Database {
    /// Where to connect on first use. `None`: the application lent its connections.
    url: Option<DatabaseUrl>,
    /// Set once the store is connected.
    connections: OnceCell<DatabaseConnection>,
    /// Writers of this process queue here before they meet in the database, so that a connection is left for reads.
    write_turns: Arc<Semaphore>,
    /// The work whose callers stopped waiting.
    orphans: Orphans,
    /// The server, and the connections that lead to it.
    followed: Arc<Followed>,
    /// The listeners of all clones of the store.
    listeners: Mutex<Vec<Weak<Listener>>>,
    /// Whether [`close`](Self::close) was called. It ends the waits for signals.
    closed: watch::Sender<bool>,
}

impl Database {
    /// Creates a database that is connected to on first use.
    pub(super) fn from_url(url: &str) -> Result<Self, ConnectError> {
        let url = DatabaseUrl::parse(url)?;
        Ok(Self::new(url.backend, Some(url), OnceCell::new()))
    }

    /// Creates a database from connections of the application.
    pub(super) fn from_connections(connections: DatabaseConnection) -> Self {
        let backend = connections.get_database_backend();
        Self::new(backend, None, OnceCell::new_with(Some(connections)))
    }

    /// Creates a database with no orphans and no listeners. Without a URL the connections belong to the
    /// application, so [`Orphans`] may not close them.
    fn new(backend: DbBackend, url: Option<DatabaseUrl>, connections: OnceCell<DatabaseConnection>) -> Self {
        let write_turns = Arc::new(Semaphore::new(connect::max_writers(backend)));
        let followed = Arc::new(Followed::default());
        let orphans = Orphans::new(url.is_some().then(|| Arc::clone(&followed)));
        let listeners = Mutex::default();
        Self {
            url,
            connections,
            write_turns,
            orphans,
            followed,
            listeners,
            closed: watch::Sender::new(false),
        }
    }

    /// Returns the kind of database. `None`: the store has not connected yet.
    pub(super) fn connected_backend(&self) -> Option<DbBackend> {
        self.connections.get().map(DatabaseConnection::get_database_backend)
    }

    /// Connects, unless it is connected already.
    pub(super) async fn connect(&self) -> Result<&DatabaseConnection, ConnectError> {
        if let Some(connections) = self.connections.get() {
            return Ok(connections);
        }
        // Connections of the application are set from the start, so there is a URL here.
        let Some(url) = &self.url else { return Err(ConnectError::NotAUrl) };
        // Boxed: each call contains this future, and few calls have to connect.
        Box::pin(self.connections.get_or_try_init(|| connect::open_prepared(url, &self.followed))).await
    }

    /// Connects for a call of the store, within the time that a connection and the migrations may take. Another call
    /// that connects may rest meanwhile, so this one does not wait for it without a limit.
    pub(super) async fn connect_for_call(&self) -> Result<(), StoreError> {
        let limit = CONNECT_LIMIT + MIGRATION_LIMIT;
        let connected = timeout(limit, self.connect_unless_closed()).await;
        self.finish(connected.unwrap_or_else(|_| Err(ConnectError::TimedOut(limit).into())).map(drop))
    }

    /// Like [`connect`](Self::connect), but fails with [`Failure::Closed`] if the store is closed, and leaves no
    /// connection then.
    async fn connect_unless_closed(&self) -> Result<&DatabaseConnection, Failure> {
        if self.is_closed() {
            return Err(Failure::Closed);
        }
        let db = self.connect().await?;
        if self.is_closed() {
            // Closed while this call connected, when there was no pool to close yet.
            self.close_pool().await;
            return Err(Failure::Closed);
        }
        Ok(db)
    }

    /// Returns the connections for one attempt of a call.
    async fn connections(&self) -> Result<DatabaseConnection, Failure> {
        let db = self.connect_unless_closed().await?;
        // Connections of the store's own pool are closed by the pool.
        if self.url.is_none() && self.followed.take_sweep() {
            connect::close_idle(db);
        }
        Ok(db.clone())
    }

    /// Loads routes with `work`, with retries, within `limit`.
    ///
    /// The loss of the server is not signalled: the caller loads all routes after a failure.
    pub(super) async fn load<T, F>(
        &self,
        limit: Duration,
        work: impl Fn(DatabaseConnection, Arc<Followed>) -> F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let attempts = with_retries(limit, async || {
            let db = self.connections().await?;
            let work = work(db, Arc::clone(&self.followed));
            self.orphans
                .run_to_completion(|_| distrust_after_failure(work, Arc::clone(&self.followed), false))
                .await
        });
        self.finish(self.orphans.drive_while(attempts).await)
    }

    /// Reads with `work`, with retries, within [`CALL_LIMIT`].
    ///
    /// The loss of the server is not signalled: the next load finds the other server, and loads all routes.
    pub(super) async fn read<T, F>(&self, work: impl Fn(DatabaseConnection) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        self.load(CALL_LIMIT, |db, _| work(db)).await
    }

    /// Writes with `work`, with retries, within [`CALL_LIMIT`]. Each attempt waits for its turn. The loss of the server
    /// is signalled.
    pub(super) async fn write<T, F>(&self, work: impl Fn(WriteContext) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let attempts = with_retries(CALL_LIMIT, async || {
            let db = self.connections().await?;
            let turn = self.next_write_turn().await;
            let attempt = self.orphans.run_to_completion(|cancelled| {
                let followed = Arc::clone(&self.followed);
                let attempt = work(WriteContext { db, pool: self.pool(), followed, cancelled });
                hold_turn(turn, distrust_after_failure(attempt, Arc::clone(&self.followed), true))
            });
            attempt.await
        });
        self.finish(self.orphans.drive_while(attempts).await)
    }

    /// Converts the failure of a call, without the secrets of the URL. A server may repeat them in its error.
    fn finish<T>(&self, outcome: Result<T, Failure>) -> Result<T, StoreError> {
        outcome.map_err(|failure| failure.into_store_error(&self.secrets()))
    }

    /// Returns the parts of the URL that must not be shown. Those of an application's pool are not known.
    fn secrets(&self) -> Secrets {
        self.url.as_ref().map(|url| url.secrets.clone()).unwrap_or_default()
    }

    /// Waits for a turn among the writers of this process, in the order of arrival.
    async fn next_write_turn(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(&self.write_turns).acquire_owned().await.ok()
    }

    /// Returns who else uses the connections: nobody if the store made them from a URL.
    const fn pool(&self) -> Pool {
        if self.url.is_none() { Pool::Lent } else { Pool::Own }
    }

    /// Creates the signals of one clone of the store, which listens if `listens`.
    pub(super) fn new_signals(&self, listens: bool) -> Signals {
        let listener = listens.then(|| Arc::new(Listener::new(self.secrets())));
        let mut listeners = lock(&self.listeners);
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.extend(listener.as_ref().map(Arc::downgrade));
        Signals::new(listener, &self.followed)
    }

    /// Waits for the next of `signals`, and drives the work that earlier calls left. A closed store has no more signals.
    pub(super) async fn wait_for_signal(&self, signals: &Signals) -> Signal {
        let mut closed = self.closed.subscribe();
        let next = Box::pin(async {
            tokio::select! {
                signal = signals.next(&self.connections, &self.followed) => Some(signal),
                // Ends the wait, which holds the listener that has to be closed.
                _ = closed.wait_for(|closed| *closed) => None,
            }
        });
        match self.orphans.drive_while(next).await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }

    /// Refuses new calls, lets those that are under way end, and closes the connections.
    pub(super) async fn close(&self) {
        self.closed.send_replace(true);
        let closed = async {
            self.orphans.end_all().await;
            self.orphans.drive_while(self.close_pool()).await;
        };
        // Connections that do not end in time are closed with the process.
        let _ = timeout(CLOSE_LIMIT, closed).await;
        let _ = timeout(CLOSE_LIMIT, self.close_listeners()).await;
    }

    /// Closes the connections that the store made, once those in use are returned. An application closes its own pool.
    async fn close_pool(&self) {
        if let (Some(_), Some(db)) = (&self.url, self.connections.get()) {
            // It reports no failure.
            let _ = db.close_by_ref().await;
        }
    }

    /// Closes the connections of all listeners that are left, one after the other.
    async fn close_listeners(&self) {
        let listeners: Vec<_> = lock(&self.listeners).iter().filter_map(Weak::upgrade).collect();
        for listener in listeners {
            listener.close().await;
        }
    }

    /// Returns whether [`close`](Self::close) was called. From then on each call fails with
    /// [`Failure::Closed`], also one that is about to connect.
    fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }
}

/// Holds the turn until `work` is done, even if the caller has stopped waiting: its connection is in use until then.
async fn hold_turn<T>(turn: Option<OwnedSemaphorePermit>, work: impl Future<Output = T>) -> T {
    let _turn = turn;
    work.await
}

/// Runs `work`, and distrusts the connections if it finds that they lead to a wrong server, also after its caller
/// stopped waiting. With `signal`, the loss is signalled.
async fn distrust_after_failure<T>(
    work: impl Future<Output = Result<T, Failure>>,
    followed: Arc<Followed>,
    signal: bool,
) -> Result<T, Failure> {
    let begun = Instant::now();
    let outcome = work.await;
    match &outcome {
        Err(failure) if failure.is_read_only() => followed.distrust(signal),
        // The server stops and ends this connection by itself. Those that were made since are not concerned.
        Err(failure) if failure.says_wrong_server() => followed.distrust_before(begun, signal),
        _ => {}
    }
    outcome
}

//! The connections of a store, and the calls on them.
//!
//! A call passes these stages, from the outside in:
//!
//! 1. [`Orphans::drive_while`] drives the work that earlier calls left, beside this one.
//! 2. [`with_retries`] limits the time of the call and repeats attempts that collided.
//! 3. A write waits for its turn, so that the writers of this process leave connections for reads.
//! 4. [`Orphans::run_to_completion`] keeps the attempt alive if the caller drops the call.
//!
//! The turn is part of the attempt: an orphan keeps its turn until its connection is free.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{DatabaseConnection, DbBackend};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use super::connect;
use super::context::{Pool, WriteContext};
use super::error::ConnectError;
use super::failure::{Failure, unavailable};
use super::limits::CALL_LIMIT;
use super::listener::Listener;
use super::orphans::Orphans;
use super::retry::with_retries;
use crate::store::{Signal, StoreError};

/// The connections of a store, and what its calls share.
pub(super) struct Database {
    /// Where to connect on first use. `None`: the application lent its connections.
    url: Option<String>,
    connections: OnceCell<DatabaseConnection>,
    /// Writers of this process queue here before they meet in the database, so that a connection is left for reads.
    write_turns: Arc<Semaphore>,
    orphans: Orphans,
}

impl Database {
    /// Creates a database that is connected to on first use.
    pub(super) fn from_url(url: &str) -> Result<Self, ConnectError> {
        let backend = connect::backend(url)?;
        Ok(Self::new(backend, Some(url.into()), OnceCell::new()))
    }

    /// Creates a database from connections of the application.
    pub(super) fn from_connections(connections: DatabaseConnection) -> Self {
        let backend = connections.get_database_backend();
        Self::new(backend, None, OnceCell::new_with(Some(connections)))
    }

    fn new(backend: DbBackend, url: Option<String>, connections: OnceCell<DatabaseConnection>) -> Self {
        let write_turns = Arc::new(Semaphore::new(connect::max_writers(backend)));
        Self { url, connections, write_turns, orphans: Orphans::default() }
    }

    /// Returns the kind of database, once it was connected to.
    pub(super) fn connected_backend(&self) -> Option<DbBackend> {
        self.connections.get().map(DatabaseConnection::get_database_backend)
    }

    /// Connects, unless it is connected already.
    pub(super) async fn connect(&self) -> Result<&DatabaseConnection, ConnectError> {
        if let Some(connections) = self.connections.get() {
            return Ok(connections);
        }
        // Connections of the application are set from the start, so there is a URL here.
        let url = self.url.as_deref().unwrap_or_default();
        // Boxed: each call contains this future, and few calls have to connect.
        Box::pin(self.connections.get_or_try_init(|| connect::open_prepared(url))).await
    }

    /// Like [`connect`](Self::connect), for a call of the store.
    pub(super) async fn connect_for_call(&self) -> Result<(), StoreError> {
        self.connect().await.map(drop).map_err(unavailable)
    }

    /// Reads with `work`, with retries, within `limit`.
    pub(super) async fn read<T, F>(
        &self,
        limit: Duration,
        work: impl Fn(DatabaseConnection) -> F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let attempts = with_retries(limit, async || {
            let db = self.connect().await?.clone();
            self.orphans.run_to_completion(|_| work(db)).await
        });
        self.orphans.drive_while(attempts).await
    }

    /// Writes with `work`, with retries, each in its turn.
    pub(super) async fn write<T, F>(&self, work: impl Fn(WriteContext) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let attempts = with_retries(CALL_LIMIT, async || {
            let db = self.connect().await?.clone();
            let turn = self.next_write_turn().await;
            let attempt = self.orphans.run_to_completion(|cancelled| {
                let attempt = work(WriteContext { db, pool: self.pool(), cancelled });
                in_turn(turn, attempt)
            });
            attempt.await
        });
        self.orphans.drive_while(attempts).await
    }

    async fn next_write_turn(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(&self.write_turns).acquire_owned().await.ok()
    }

    const fn pool(&self) -> Pool {
        if self.url.is_none() { Pool::Lent } else { Pool::Own }
    }

    /// Waits for the next signal of `listener`.
    pub(super) async fn wait_for_signal(&self, listener: &Listener) -> Signal {
        self.orphans.drive_while(Box::pin(listener.changed(&self.connections))).await
    }

    /// Never returns. Drives the work that earlier calls left.
    pub(super) async fn wait_without_signals(&self) -> Signal {
        self.orphans.drive_while(std::future::pending()).await
    }
}

/// Holds the turn until `work` is done, even if the caller has stopped waiting: its connection is in use until then.
async fn in_turn<T>(turn: Option<OwnedSemaphorePermit>, work: impl Future<Output = T>) -> T {
    let _turn = turn;
    work.await
}

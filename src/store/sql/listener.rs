//! Notifications of changes by PostgreSQL.
//!
//! A change notifies with its commit, and each gateway listens on a connection of its own. Notifications only save time:
//! one that is lost, for example with its connection, is made up for by the next poll. After a lost connection the signal
//! is [`Signal::Lost`], because the server may have been replaced by another one meanwhile.
//!
//! A wait may be dropped at any time. The connection stays in `State`, so a notification that has arrived is received by
//! the next wait.

use std::mem::{ManuallyDrop, replace};
use std::time::Duration;

use sea_orm::sqlx::postgres::{PgListener, PgPool, PgPoolOptions};
use sea_orm::sqlx::{Error, Executor};
use sea_orm::{DatabaseConnection, DbBackend};
use tokio::sync::{Mutex, OnceCell};
use tokio::time::{sleep, timeout};

use super::dialect::CHANNEL;
use super::limits::CONNECT_LIMIT;
use super::secrets::Secrets;
use crate::store::Signal;

/// Pause after a failure. Meanwhile, and while a pooler does not allow to listen, changes are found by polling.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Time without a notification after which the connection is checked.
const SILENCE: Duration = Duration::from_secs(30);

/// Listens on a connection of its own, made on first use.
#[derive(Debug)]
pub(super) struct Listener {
    state: Mutex<State>,
    /// Not to be shown in an error.
    secrets: Secrets,
}

/// The connection of a listener, and the facts about the one before that the next one depends on. It is
/// locked for as long as a caller waits, so one call waits at a time.
#[derive(Debug, Default)]
struct State {
    connection: Option<Connection>,
    /// Whether there was a connection before. Notifications between two connections are lost.
    listened_before: bool,
    /// Whether the next connection is made after a pause: the last one led to a wrong server.
    is_pause_due: bool,
    /// Whether the listener makes no connection any more.
    closed: bool,
}

/// A listener, and the pool of one connection that it is made from.
#[derive(Debug)]
struct Connection {
    listener: PgListener,
    pool: PgPool,
}

impl Listener {
    /// Creates a listener without a connection.
    pub(super) fn new(secrets: Secrets) -> Self {
        Self { state: Mutex::default(), secrets }
    }

    /// Ends the connection, which leads to a wrong server. The next wait makes a new one.
    pub(super) async fn disconnect(&self) {
        let mut state = self.state.lock().await;
        state.is_pause_due = true;
        state.connection = None;
    }

    /// Ends the connection for good.
    pub(super) async fn close(&self) {
        let mut state = self.state.lock().await;
        state.closed = true;
        let Some(Connection { listener, pool }) = state.connection.take() else { return };
        // The driver returns the connection to its pool in a task of its own, and the pool waits for it.
        drop(listener);
        pool.close().await;
    }

    /// Waits for the next signal. The listener connects once the store is connected.
    pub(super) async fn changed(&self, db: &OnceCell<DatabaseConnection>) -> Signal {
        let mut state = self.state.lock().await;
        loop {
            match state.next(db.get()).await {
                Ok(Some(signal)) => return signal,
                Ok(None) => {}
                Err(error) => self.log_failure(error),
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    /// Logs at `debug`: changes are still found by polling, and a pooler that does not allow to listen would
    /// fill a log of warnings.
    fn log_failure(&self, error: Error) {
        let error = self.secrets.hide(error.into());
        tracing::debug!(error = &*error as &dyn std::error::Error, "cannot listen");
    }
}

impl State {
    /// Waits before a connection is made again to an address that led to a wrong server. The flag is cleared
    /// before the pause, so a wait that is dropped during it does not pause twice.
    async fn pause_if_due(&mut self) {
        if replace(&mut self.is_pause_due, false) {
            sleep(RETRY_PAUSE).await;
        }
    }

    /// Waits for the next signal. `None`: the store is not connected yet, or the connection of the listener was lost.
    /// Never returns on a listener that is closed, nor on a database without notifications.
    async fn next(&mut self, db: Option<&DatabaseConnection>) -> Result<Option<Signal>, Error> {
        let Some(db) = db else { return Ok(None) };
        if self.closed || db.get_database_backend() != DbBackend::Postgres {
            return std::future::pending().await;
        }
        self.pause_if_due().await;
        let Some(connection) = &mut self.connection else {
            self.connection = Some(listen(db).await?);
            let listened_before = replace(&mut self.listened_before, true);
            return Ok(Some(if listened_before { Signal::Lost } else { Signal::Changed }));
        };
        if is_notified(&mut connection.listener).await {
            return Ok(Some(Signal::Changed));
        }
        self.connection = None;
        Ok(None)
    }
}

/// Waits for a notification, and takes those that have arrived with it: one load reads all their changes. Returns
/// `false` if the connection is lost, also after a notification: all splits are then loaded.
async fn is_notified(connection: &mut PgListener) -> bool {
    loop {
        match timeout(SILENCE, connection.try_recv()).await {
            Ok(Ok(Some(_))) => break,
            Ok(_lost) => return false,
            // A dead connection is as silent as a quiet one.
            Err(_silent) if is_alive(connection).await => {}
            Err(_silent) => return false,
        }
    }
    loop {
        match now_or_never(connection.try_recv()).await {
            Some(Ok(Some(_))) => {}
            Some(_lost) => return false,
            None => return true,
        }
    }
}

/// Returns whether the server still responds on this connection.
async fn is_alive(connection: &mut PgListener) -> bool {
    matches!(timeout(CONNECT_LIMIT, connection.execute("SELECT 1")).await, Ok(Ok(_)))
}

impl Drop for State {
    fn drop(&mut self) {
        if tokio::runtime::Handle::try_current().is_err() {
            // The driver spawns a task to end its connection, and would panic without a runtime. The connection is
            // leaked instead; the server ends it with the process.
            let _leaked = ManuallyDrop::new(self.connection.take());
        }
    }
}

/// Returns the output of `future` if it is ready without waiting.
async fn now_or_never<F: Future>(future: F) -> Option<F::Output> {
    tokio::select! {
        // In order: the second branch is always ready.
        biased;
        output = future => Some(output),
        () = std::future::ready(()) => None,
    }
}

/// Connects a listener. It does not use a connection of the pool, which may have only one.
async fn listen(db: &DatabaseConnection) -> Result<Connection, Error> {
    let options = (*db.get_postgres_connection_pool().connect_options()).clone();
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT_LIMIT);
    let pool = pool.idle_timeout(None).max_lifetime(None).connect_lazy_with(options);
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(Connection { listener, pool })
}

//! Being told of changes by PostgreSQL.

use std::time::Duration;

use sea_orm::sqlx::postgres::{PgListener, PgPoolOptions};
use sea_orm::sqlx::{Error, Executor};
use sea_orm::{DatabaseConnection, DbBackend};
use tokio::sync::{Mutex, OnceCell};
use tokio::time::{sleep, timeout};

use super::connect::LIMIT;
use super::dialect::CHANNEL;
use crate::store::Signal;

/// How long after a failure it is tried to listen again. Until then, and where a pooler lets nobody listen, the poll
/// finds what changed.
const PAUSE: Duration = Duration::from_secs(1);

/// After so long without a word it is asked whether the connection is alive.
const SILENCE: Duration = Duration::from_secs(30);

/// Listens on a connection of its own, made when first asked.
#[derive(Debug, Default)]
pub(super) struct Listener {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    listening: Option<PgListener>,
    /// Whether it was listening before and lost the connection: what was told in the meantime is not told again.
    lost: bool,
}

impl Listener {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) async fn changed(&self, db: &OnceCell<DatabaseConnection>) -> Signal {
        let mut state = self.state.lock().await;
        loop {
            match state.next(db.get()).await {
                Ok(Some(signal)) => return signal,
                Ok(None) => {}
                Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "cannot listen"),
            }
            sleep(PAUSE).await;
        }
    }
}

impl State {
    /// `None` where there is no connection, or no longer.
    async fn next(&mut self, db: Option<&DatabaseConnection>) -> Result<Option<Signal>, Error> {
        let Some(db) = db else { return Ok(None) };
        if db.get_database_backend() != DbBackend::Postgres {
            return std::future::pending().await;
        }
        let Some(listening) = &mut self.listening else {
            self.listening = Some(listen(db).await?);
            let lost = std::mem::replace(&mut self.lost, true);
            return Ok(Some(if lost { Signal::Lost } else { Signal::Changed }));
        };
        if is_told(listening).await {
            return Ok(Some(Signal::Changed));
        }
        self.listening = None;
        Ok(None)
    }
}

/// Whether there is something new; `false` when the connection was lost. What is told of already is loaded with it.
async fn is_told(listening: &mut PgListener) -> bool {
    loop {
        match timeout(SILENCE, listening.try_recv()).await {
            Ok(Ok(Some(_))) => break,
            Ok(_lost) => return false,
            // A connection that is dead does not tell either.
            Err(_silent) if is_alive(listening).await => {}
            Err(_silent) => return false,
        }
    }
    loop {
        match at_once(listening.try_recv()).await {
            Some(Ok(Some(_))) => {}
            Some(_lost) => return false,
            None => return true,
        }
    }
}

async fn is_alive(listening: &mut PgListener) -> bool {
    matches!(timeout(LIMIT, listening.execute("SELECT 1")).await, Ok(Ok(_)))
}

/// The driver ends its connection with a task of its own, for which there must be a runtime.
impl Drop for State {
    fn drop(&mut self) {
        if tokio::runtime::Handle::try_current().is_err() {
            std::mem::forget(self.listening.take());
        }
    }
}

/// What `future` gives without waiting.
async fn at_once<F: Future>(future: F) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = std::future::ready(()) => None,
    }
}

/// Not on a connection of the pool, which may have no more than one.
async fn listen(db: &DatabaseConnection) -> Result<PgListener, Error> {
    let options = (*db.get_postgres_connection_pool().connect_options()).clone();
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(LIMIT);
    let pool = pool.idle_timeout(None).max_lifetime(None).connect_lazy_with(options);
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

//! Being told of changes by PostgreSQL.

use std::time::Duration;

use sea_orm::sqlx::Error;
use sea_orm::sqlx::postgres::{PgListener, PgPoolOptions};
use sea_orm::{DatabaseConnection, DbBackend};
use tokio::sync::{Mutex, OnceCell};
use tokio::time::sleep;

use super::connect::LIMIT;
use super::dialect::CHANNEL;
use crate::store::Signal;

/// How long after a failure it is tried to listen again. Until then, and where a pooler lets nobody listen, the poll
/// finds what changed.
const PAUSE: Duration = Duration::from_secs(1);

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
    pub(super) async fn changed(&self, db: &OnceCell<DatabaseConnection>) -> Signal {
        let mut state = self.state.lock().await;
        loop {
            match db.get() {
                Some(db) if db.get_database_backend() != DbBackend::Postgres => std::future::pending().await,
                Some(db) => match state.next(db).await {
                    Ok(Some(signal)) => return signal,
                    Ok(None) => {}
                    Err(error) => {
                        note(&error);
                        sleep(PAUSE).await;
                    }
                },
                None => sleep(PAUSE).await,
            }
        }
    }
}

impl State {
    /// `None` when the connection was lost.
    async fn next(&mut self, db: &DatabaseConnection) -> Result<Option<Signal>, Error> {
        let Some(listening) = &mut self.listening else {
            self.listening = Some(listen(db).await?);
            let lost = std::mem::replace(&mut self.lost, true);
            return Ok(Some(if lost { Signal::Lost } else { Signal::Changed }));
        };
        match listening.try_recv().await {
            Ok(Some(_)) => {
                // What is told of already is loaded with it.
                while let Some(Ok(Some(_))) = at_once(listening.try_recv()).await {}
                Ok(Some(Signal::Changed))
            }
            Ok(None) | Err(_) => {
                self.listening = None;
                Ok(None)
            }
        }
    }
}

fn note(error: &Error) {
    tracing::debug!(error = error as &dyn std::error::Error, "cannot listen for changes");
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

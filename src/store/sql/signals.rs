//! The signals of one clone of a store.

use std::sync::{Arc, Mutex};

use sea_orm::DatabaseConnection;
use tokio::sync::OnceCell;

use super::followed::{Followed, Losses};
use super::listener::Listener;
use crate::common::lock::lock;
use crate::store::Signal;

/// Waits for signals. Each clone of a store has its own, since a notification reaches one caller per listener.
#[derive(Debug)]
pub(super) struct Signals {
    /// `None`: changes of other gateways are found by polling only.
    listener: Option<Arc<Listener>>,
    /// The losses that were signalled.
    seen: Mutex<Losses>,
}

impl Signals {
    /// Creates the signals of a new clone. Losses before it are not signalled: the clone has loaded nothing
    /// yet.
    pub(super) fn new(listener: Option<Arc<Listener>>, followed: &Followed) -> Self {
        Self { listener, seen: Mutex::new(followed.losses()) }
    }

    /// Returns whether changes are signalled at all. Otherwise only losses are.
    pub(super) const fn listens(&self) -> bool {
        self.listener.is_some()
    }

    /// Waits for the next signal: a notification, or the loss of the server. Dropping the future loses none.
    pub(super) async fn next(&self, db: &OnceCell<DatabaseConnection>, followed: &Followed) -> Signal {
        loop {
            let seen = *lock(&self.seen);
            let lost = tokio::select! {
                biased;
                lost = followed.wait_for_loss(seen) => lost,
                signal = self.wait_for_notification(db) => return signal,
            };
            // Its server is the one that the other connections lost.
            if let Some(listener) = &self.listener {
                listener.disconnect().await;
            }
            *lock(&self.seen) = lost;
            if lost.signals != seen.signals {
                return Signal::Lost;
            }
        }
    }

    /// Waits for a notification. Without a listener it waits forever, and losses are still signalled beside
    /// it.
    async fn wait_for_notification(&self, db: &OnceCell<DatabaseConnection>) -> Signal {
        match &self.listener {
            Some(listener) => listener.changed(db).await,
            None => std::future::pending().await,
        }
    }
}

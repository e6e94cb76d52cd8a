//! Reads the store and hands its splits to the publisher.

use std::error::Error;
use std::sync::Arc;

use tokio::sync::watch;

use super::publisher::Publisher;
use super::recorder;
use super::snapshot_cache::SnapshotCache;
use crate::store::{RouteStore, Snapshot, StoreError};

/// Brings the published routes up to date with the store.
#[derive(Debug)]
pub(super) struct Loader {
    store: Arc<dyn RouteStore>,
    publisher: Arc<Publisher>,
    /// One load at a time, so that a slow load never publishes over a later one.
    loading: tokio::sync::Mutex<()>,
    loads: watch::Sender<()>,
}

impl Loader {
    /// Creates a loader that has loaded nothing yet.
    pub(super) fn new(store: Arc<dyn RouteStore>, publisher: Arc<Publisher>) -> Self {
        Self { store, publisher, loading: tokio::sync::Mutex::default(), loads: watch::Sender::new(()) }
    }

    /// Loads and publishes the splits that changed, or all of them if that is due.
    pub(super) async fn refresh(&self) -> Result<(), StoreError> {
        let outcome = self.load_and_publish().await;
        self.loads.send_replace(());
        outcome
    }

    /// Refreshes, unless `revision` or a later one is served.
    pub(super) async fn refresh_to(&self, revision: u64) -> Result<(), StoreError> {
        if self.publisher.revision() < revision {
            self.refresh().await?;
        }
        Ok(())
    }

    /// Loads the changes since the last load, and then all splits if a whole load is due. Only one load runs
    /// at a time, so that a slow one never publishes over a later one.
    async fn load_and_publish(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.loading.lock().await;
        let after = self.publisher.load_started();
        // The changes come first: they are read quickly, while all splits may take long.
        if after > 0 {
            let changes = self.load(after).await?;
            self.publisher.publish_changes(&changes);
        }
        if let Some(whole) = self.publisher.whole_load_due() {
            let snapshot = self.load(0).await?;
            self.publisher.publish_whole(&whole, snapshot);
        }
        Ok(())
    }

    /// Loads from the store, and counts a failure.
    async fn load(&self, after: u64) -> Result<Snapshot, StoreError> {
        let loaded = self.store.load(after).await;
        recorder::record_store_call("load", &loaded);
        loaded
    }

    /// Publishes the routes of the cache after the store could not be read for `error`.
    ///
    /// # Errors
    ///
    /// `error` itself, if the cache is empty or cannot be read.
    pub(super) async fn start_from_cache(
        &self,
        cache: &dyn SnapshotCache,
        error: StoreError,
    ) -> Result<(), StoreError> {
        let cached = cache.load().await.unwrap_or_else(|error| {
            tracing::error!(error = &*error as &dyn Error, "the cached routes cannot be read");
            None
        });
        let Some(last_good) = cached else { return Err(error) };
        tracing::warn!(
            error = &error as &dyn Error,
            revision = last_good.snapshot.revision,
            "the store cannot be read; starting with the cached routes"
        );
        self.publisher.publish_cached(last_good);
        Ok(())
    }

    /// Requires the next load to be of all splits.
    pub(super) fn require_whole_load(&self) {
        self.publisher.require_whole_load();
    }

    /// Returns a receiver that changes after each load, also after one that failed.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.loads.subscribe()
    }
}

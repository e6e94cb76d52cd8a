//! Starting without the store, from what was served last.

use std::error::Error;
use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;

use super::Deployments;
use crate::store::{LastGood, Snapshot, StoreError};

/// Keeps the routes that were served last, somewhere that is there when the store is not: a file, as in
/// `examples/gateway`. With a SQL feature [`LastGood`] has a form to keep them in, `to_json` and `from_json`.
///
/// ```
/// use std::error::Error;
/// use std::sync::Mutex;
/// use tower_canary::deployments::SnapshotCache;
/// use tower_canary::store::LastGood;
///
/// #[derive(Debug, Default)]
/// struct InMemory(Mutex<Option<LastGood>>);
///
/// #[async_trait::async_trait]
/// impl SnapshotCache for InMemory {
///     async fn save(&self, last_good: &LastGood) -> Result<(), Box<dyn Error + Send + Sync>> {
///         *self.0.lock().map_err(|error| error.to_string())? = Some(last_good.clone());
///         Ok(())
///     }
///
///     async fn load(&self) -> Result<Option<LastGood>, Box<dyn Error + Send + Sync>> {
///         Ok(self.0.lock().map_err(|error| error.to_string())?.clone())
///     }
/// }
/// ```
#[async_trait]
pub trait SnapshotCache: fmt::Debug + Send + Sync + 'static {
    /// Keeps `last_good` in place of what was kept before: whole, or that stays.
    ///
    /// # Errors
    ///
    /// Why it cannot; it is logged, and tried again after the next change.
    async fn save(&self, last_good: &LastGood) -> Result<(), Box<dyn Error + Send + Sync>>;

    /// What was kept last, if anything was.
    ///
    /// # Errors
    ///
    /// Why it cannot be read; it is logged, and the start fails for want of the store.
    async fn load(&self) -> Result<Option<LastGood>, Box<dyn Error + Send + Sync>>;
}

impl Deployments {
    /// Publishes what the cache has. Without it the `error` of the store stands.
    pub(super) async fn start_from_cache(&self, error: StoreError) -> Result<(), StoreError> {
        let Some(cache) = &self.shared.cache else { return Err(error) };
        let cached = cache.load().await.unwrap_or_else(|error| {
            tracing::error!(error = &*error as &dyn Error, "the routes kept last cannot be read");
            None
        });
        let Some(LastGood { snapshot, at }) = cached else { return Err(error) };
        tracing::warn!(
            error = &error as &dyn Error,
            revision = snapshot.revision,
            "the store cannot be read; starting with the routes kept last"
        );
        let Snapshot { revision, .. } = self.publish_whole(snapshot);
        self.followed().note_cached(revision, at.elapsed().unwrap_or_default());
        Ok(())
    }

    /// Keeps what is served now.
    pub(super) async fn keep(&self, cache: &dyn SnapshotCache) -> Result<(), Box<dyn Error + Send + Sync>> {
        let revision = self.followed().revision();
        let splits = self.handle().table().sorted().iter().map(|route| route.split().clone()).collect();
        let snapshot = Snapshot { revision, splits, broken: Vec::new() };
        cache.save(&LastGood { snapshot, at: SystemTime::now() }).await
    }
}

//! Starting without the store, from what was served last.

use std::error::Error;
use std::fmt;

use async_trait::async_trait;

use crate::store::LastGood;

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

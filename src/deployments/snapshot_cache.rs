//! Where routes are saved for a start without the store.

use std::error::Error;
use std::fmt;

use async_trait::async_trait;

use crate::store::LastGood;

/// Saves the served routes somewhere that is available when the store is not, such as a file (as in
/// `examples/gateway`).
///
/// [`Builder::with_cache`](super::Builder::with_cache) sets it. With a SQL feature, `LastGood::to_json` and
/// `LastGood::from_json` convert the routes to text and back.
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
    /// Saves `last_good` in place of the routes that were saved before. If it fails, those must still be readable.
    ///
    /// It is called after a publication, at most every 5 seconds, and at the end of [`run`](crate::Deployments::run). It is
    /// dropped after 3 seconds.
    ///
    /// # Errors
    ///
    /// Any error of the implementation. It is logged, and the routes are saved again after the next publication.
    async fn save(&self, last_good: &LastGood) -> Result<(), Box<dyn Error + Send + Sync>>;

    /// Returns the routes that were saved last, or `None` before the first save.
    ///
    /// It is called at the start, if the store cannot be read. The start waits for it without a time limit.
    ///
    /// # Errors
    ///
    /// Any error of the implementation. It is logged, and the start fails with the error of the store.
    async fn load(&self) -> Result<Option<LastGood>, Box<dyn Error + Send + Sync>>;
}

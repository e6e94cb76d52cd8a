//! A store in one JSON file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tower_canary::ServiceName;
use tower_canary::routing::Split;
use tower_canary::store::{Applied, ChangeRequest, HistoryEntry, RouteStore, Snapshot, StoreError, now};

/// Stores splits and their history in one JSON file, for one process.
///
/// The file is replaced as a whole with each change, so it suits some hundreds of services.
#[derive(Clone, Debug)]
pub(crate) struct JsonFileStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// Held by the writer, from reading the split until the file is on disk.
    writer: Mutex<()>,
    /// The content of the file. Readers do not wait for the writer.
    document: Mutex<Arc<Document>>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Document {
    revision: u64,
    services: BTreeMap<ServiceName, Service>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Service {
    split: Split,
    /// The revision of its last change.
    revision: u64,
    /// Oldest first.
    history: Vec<HistoryEntry>,
}

impl JsonFileStore {
    /// Opens the file at `path`. A missing file is an empty store.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let document = match fs::read_to_string(path) {
            Ok(json) => serde_json::from_str(&json)?,
            Err(error) if error.kind() == ErrorKind::NotFound => Document::default(),
            Err(error) => return Err(error),
        };
        let document = Mutex::new(Arc::new(document));
        Ok(Self(Arc::new(Inner { path: path.into(), writer: Mutex::default(), document })))
    }
}

#[async_trait]
impl RouteStore for JsonFileStore {
    async fn load(&self, after: u64) -> Result<Snapshot, StoreError> {
        let document = self.0.document();
        let changed = document.services.values().filter(|service| service.revision > after);
        Ok(Snapshot::new(document.revision, changed.map(|service| service.split.clone()).collect()))
    }

    async fn commit(&self, service: &ServiceName, request: &ChangeRequest) -> Result<Applied, StoreError> {
        let inner = self.0.clone();
        let service = service.clone();
        let request = request.clone();
        // A blocking task runs to its end even if this call is dropped, so a change is never made halfway.
        let committed = tokio::task::spawn_blocking(move || inner.commit(&service, &request));
        committed.await.map_err(unavailable)?
    }

    async fn history(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        let document = self.0.document();
        let found = document.services.get(service);
        let history = &found.ok_or_else(|| StoreError::UnknownService(service.clone()))?.history;
        let earlier =
            history.iter().rev().filter(|entry| before.is_none_or(|before| entry.generation < before));
        Ok(earlier.take(limit as usize).cloned().collect())
    }
}

impl Inner {
    fn document(&self) -> Arc<Document> {
        lock(&self.document).clone()
    }

    fn commit(&self, service: &ServiceName, request: &ChangeRequest) -> Result<Applied, StoreError> {
        let _writer = lock(&self.writer);
        let document = self.document();
        let before = match document.services.get(service) {
            Some(service) => service.split.clone(),
            None => request.first_split(service)?,
        };
        let at = now();
        let after = request.decide(&before, at)?;
        if after.generation() == before.generation() {
            return Ok(Applied::new(before, after, document.revision));
        }
        let next = document.with_change(&after, HistoryEntry::new(request, &before, &after, at));
        next.write(&self.path).map_err(unavailable)?;
        let revision = next.revision;
        *lock(&self.document) = Arc::new(next);
        Ok(Applied::new(before, after, revision))
    }
}

impl Document {
    fn with_change(&self, after: &Split, entry: HistoryEntry) -> Self {
        let mut next = self.clone();
        next.revision += 1;
        let new = Service { split: after.clone(), revision: 0, history: Vec::new() };
        let service = next.services.entry(after.service().clone()).or_insert(new);
        service.split = after.clone();
        service.revision = next.revision;
        service.history.push(entry);
        next
    }

    /// Replaces the file. If the process ends meanwhile, the old file or the new one is there.
    fn write(&self, path: &Path) -> io::Result<()> {
        let temporary = path.with_extension("new");
        let mut file = File::create(&temporary)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    }
}

fn unavailable(cause: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable(Box::new(cause))
}

/// Nothing behind these locks is changed in more than one step, so a panic of another thread leaves it valid.
#[allow(clippy::disallowed_methods, reason = "the rule is for the library")]
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

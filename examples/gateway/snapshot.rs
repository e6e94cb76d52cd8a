//! The routes served last, in a file: to start with when the database cannot be reached.

use std::error::Error;
use std::io::ErrorKind;
use std::path::PathBuf;

use async_trait::async_trait;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;
use tower_canary::deployments::SnapshotCache;
use tower_canary::store::LastGood;

/// One file. It is replaced whole, so that a gateway that ends while it writes leaves the one before.
#[derive(Debug)]
pub(crate) struct SnapshotFile(pub(crate) PathBuf);

#[async_trait]
impl SnapshotCache for SnapshotFile {
    async fn save(&self, last_good: &LastGood) -> Result<(), Box<dyn Error + Send + Sync>> {
        // Of its own per process: two that write one would mix.
        let new = self.0.with_extension(format!("{}.new", std::process::id()));
        let mut file = File::create(&new).await?;
        file.write_all(last_good.to_json().as_bytes()).await?;
        file.sync_all().await?;
        Ok(fs::rename(&new, &self.0).await?)
    }

    async fn load(&self) -> Result<Option<LastGood>, Box<dyn Error + Send + Sync>> {
        match fs::read_to_string(&self.0).await {
            Ok(json) => Ok(Some(LastGood::from_json(&json)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

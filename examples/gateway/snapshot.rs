//! A file with the last published routes, used at a start without the database.

use std::error::Error;
use std::io::ErrorKind;
use std::path::PathBuf;

use async_trait::async_trait;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;
use tower_canary::deployments::SnapshotCache;
use tower_canary::store::LastGood;

/// The path of the file. The file is replaced by a rename, so a crash during a write leaves the previous one intact.
#[derive(Debug)]
pub(crate) struct SnapshotFile(pub(crate) PathBuf);

#[async_trait]
impl SnapshotCache for SnapshotFile {
    async fn save(&self, last_good: &LastGood) -> Result<(), Box<dyn Error + Send + Sync>> {
        // The process id keeps two gateways from writing the same temporary file.
        let temporary = self.0.with_extension(format!("{}.new", std::process::id()));
        let mut file = File::create(&temporary).await?;
        file.write_all(last_good.to_json().as_bytes()).await?;
        file.sync_all().await?;
        Ok(fs::rename(&temporary, &self.0).await?)
    }

    async fn load(&self) -> Result<Option<LastGood>, Box<dyn Error + Send + Sync>> {
        match fs::read_to_string(&self.0).await {
            Ok(json) => Ok(Some(LastGood::from_json(&json)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

//! Rollouts in the store in a SQL database.

use async_trait::async_trait;

use super::failure::report_blocking_row;
use super::sql_store::SqlStore;
use super::{rollouts, write_rollout};
use crate::routing::ServiceName;
use crate::store::{
    LiveRollouts, NewRollout, RolloutStore, RolloutWrite, RolloutWritten, StoreError, StoredRollout,
    StoredRolloutEvent,
};

#[async_trait]
impl RolloutStore for SqlStore {
    async fn live(&self) -> Result<LiveRollouts, StoreError> {
        self.database.read(|db| async move { Ok(rollouts::live(&db).await?) }).await
    }

    async fn rollout(&self, id: &str) -> Result<Option<StoredRollout>, StoreError> {
        let found = self.database.read(|db| {
            let id = id.to_owned();
            async move { Ok(rollouts::find(&db, &id).await?) }
        });
        found.await
    }

    async fn rollouts(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<StoredRollout>, StoreError> {
        let page = self.database.read(|db| {
            let service = service.clone();
            async move { Ok(rollouts::list(&db, &service, before, limit).await?) }
        });
        page.await
    }

    async fn rollout_events(&self, id: &str, limit: u32) -> Result<Vec<StoredRolloutEvent>, StoreError> {
        let events = self.database.read(|db| {
            let id = id.to_owned();
            async move { Ok(rollouts::events(&db, &id, limit).await?) }
        });
        events.await
    }

    async fn start_rollout(&self, new: &NewRollout) -> Result<StoredRollout, StoreError> {
        new.check()?;
        let started = self.database.write(|context| {
            let new = new.clone();
            async move { write_rollout::start(&context, &new).await }
        });
        started.await.map_err(|error| report_blocking_row(&new.service, error))
    }

    async fn write_rollout(&self, write: &RolloutWrite) -> Result<RolloutWritten, StoreError> {
        write.check()?;
        let limit = self.history_limit;
        let written = self.database.write(|context| {
            let write = write.clone();
            async move { write_rollout::write(&context, &write, limit).await }
        });
        written.await.map_err(|error| report_blocking_row(&write.service, error))
    }
}

//! Stands in for the listener in a build without PostgreSQL: the other databases send no notifications.

use sea_orm::DatabaseConnection;
use tokio::sync::OnceCell;

use crate::store::Signal;

#[derive(Debug)]
pub(super) struct Listener;

impl Listener {
    pub(super) const fn new() -> Self {
        Self
    }

    pub(super) async fn changed(&self, _: &OnceCell<DatabaseConnection>) -> Signal {
        std::future::pending().await
    }
}

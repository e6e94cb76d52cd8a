//! Stands in for the listener in a build without PostgreSQL: the other databases send no notifications.

use sea_orm::DatabaseConnection;
use tokio::sync::OnceCell;

use super::secrets::Secrets;
use crate::store::Signal;

/// Stands for the listener in a build without PostgreSQL, so that its users need no conditions. It never
/// signals.
#[derive(Debug)]
pub(super) struct Listener;

impl Listener {
    pub(super) fn new(_: Secrets) -> Self {
        Self
    }

    pub(super) async fn disconnect(&self) {}

    pub(super) async fn close(&self) {}

    pub(super) async fn changed(&self, _: &OnceCell<DatabaseConnection>) -> Signal {
        std::future::pending().await
    }
}

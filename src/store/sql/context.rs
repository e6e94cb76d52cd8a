//! What a write works with.

use std::sync::Arc;

use sea_orm::DatabaseConnection;

use super::followed::Followed;
use super::orphans::CancelFlag;

/// What one attempt of a write works with.
#[derive(Clone, Debug)]
pub(super) struct WriteContext {
    pub(super) db: DatabaseConnection,
    pub(super) pool: Pool,
    pub(super) followed: Arc<Followed>,
    /// Set when the caller stopped waiting. A transaction is then rolled back.
    pub(super) cancelled: CancelFlag,
}

/// Who else uses the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pool {
    /// Only the store, which has set up each of them.
    Own,
    /// The application too, so each of them is returned as it was.
    Lent,
}

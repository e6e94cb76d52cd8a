//! The head of the database: how many changes the store has seen, and which server answers.

use sea_orm::sea_query::{Expr, ExprTrait, Query, SimpleExpr};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult};

use super::dialect;
use super::entity::revision;
use super::followed::Followed;
use super::rows::to_unsigned;

/// The row of `gateway_revision`, and the server that returned it.
#[derive(Debug)]
pub(super) struct Head {
    /// How many changes the store has seen.
    pub(super) revision: u64,
    /// Whether the server accepts no changes.
    pub(super) read_only: bool,
    /// The identity of the server. Empty on SQLite.
    server: String,
}

impl Head {
    /// Reads a row of [`columns`].
    pub(super) fn from_row(row: &QueryResult) -> Result<Self, DbErr> {
        let read_only: i32 = row.try_get_by_index(1)?;
        let revision = to_unsigned(row.try_get_by_index(0)?);
        Ok(Self { revision, read_only: read_only != 0, server: row.try_get_by_index(2)? })
    }

    /// Records that this server answered a call that began in the [term](super::followed) `begun`, and returns the term of the
    /// answer. If it is the first answer of another server, connections that were made before are not used any more.
    pub(super) fn record_answer(&self, followed: &Followed, begun: u64) -> u64 {
        followed.record_answer(begun, &self.server)
    }
}

/// Returns the columns of the row that [`Head::from_row`] reads, in its order: the revision, whether the server is
/// read-only, and its identity.
pub(super) fn columns(backend: DbBackend) -> [SimpleExpr; 3] {
    let revision = Expr::col(revision::Column::Revision);
    [revision, dialect::is_read_only(backend), dialect::server(backend)]
}

/// Reads the revision, and with it which server responds. One statement reads all of it, so the three belong
/// together.
pub(super) async fn read_head(db: &impl ConnectionTrait) -> Result<Head, DbErr> {
    let mut select = Query::select();
    select.exprs(columns(db.get_database_backend())).from(revision::Entity);
    select.and_where(Expr::col(revision::Column::Id).eq(revision::ONLY));
    let row = db.query_one(&select).await?;
    Head::from_row(&row.ok_or_else(missing_revision)?)
}

/// Creates the error for a database without the row that counts changes.
pub(super) fn missing_revision() -> DbErr {
    DbErr::RecordNotFound("the row of gateway_revision".into())
}

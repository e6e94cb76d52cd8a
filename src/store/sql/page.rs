//! Pages of rows of which some cannot be read.

use sea_orm::{
    ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use super::rows::to_signed;

/// The part of a table that is read in pages, by a number that no two rows have in common.
pub(super) struct Pages<E: EntityTrait> {
    /// All rows of the part, in any order.
    pub(super) rows: Select<E>,
    /// The column with the number.
    pub(super) column: E::Column,
    /// Returns the number of a row.
    pub(super) number: fn(&E::Model) -> i64,
}

impl<E: EntityTrait> Pages<E> {
    /// Reads up to `limit` rows before the number `before`, latest first.
    ///
    /// Rows that `parse` cannot read are left out, and earlier ones take their places. So a page that is not full is the last
    /// one, and one broken row hides no other.
    pub(super) async fn read<T>(
        &self,
        db: &DatabaseConnection,
        before: Option<u64>,
        limit: u32,
        parse: impl Fn(E::Model) -> Option<T>,
    ) -> Result<Vec<T>, DbErr> {
        let limit = limit as usize;
        let mut before = before.map(to_signed);
        let mut page = Vec::new();
        loop {
            let missing = limit - page.len();
            let rows = self.select(before, missing).all(db).await?;
            let is_last = rows.len() < missing;
            before = rows.last().map(self.number).or(before);
            page.extend(rows.into_iter().filter_map(&parse));
            if is_last || page.len() == limit {
                return Ok(page);
            }
        }
    }

    /// Selects the next rows in descending order of their number. Paging by number and not by offset: rows
    /// that are added meanwhile move no page.
    fn select(&self, before: Option<i64>, limit: usize) -> Select<E> {
        let rows = self.rows.clone().order_by_desc(self.column).limit(limit as u64);
        match before {
            Some(before) => rows.filter(self.column.lt(before)),
            None => rows,
        }
    }
}

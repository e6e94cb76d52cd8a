//! What the SQL store does on every database.

use std::ops::Deref;

use tower_canary::store::sql::SqlStore;

use crate::databases::{Kind, TestDatabase};

/// A store on a database of its own.
#[derive(Debug)]
pub(crate) struct Opened {
    store: SqlStore,
    pub(crate) database: TestDatabase,
}

impl Deref for Opened {
    type Target = SqlStore;

    fn deref(&self) -> &SqlStore {
        &self.store
    }
}

pub(crate) async fn open(kind: Kind) -> Opened {
    let database = TestDatabase::new(kind).await;
    Opened { store: SqlStore::connect(&database.url).await.unwrap(), database }
}

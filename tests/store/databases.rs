//! Databases to test on: each test makes its own and drops it.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use tempfile::TempDir;

/// What a database runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
    MySql,
}

impl Kind {
    /// Those that this build has drivers for and the environment has servers for.
    pub(crate) fn available() -> Vec<Self> {
        [Self::Sqlite, Self::Postgres, Self::MySql].into_iter().filter(|kind| kind.is_available()).collect()
    }

    pub(crate) fn is_available(self) -> bool {
        self == Self::Sqlite || self.server().is_some()
    }

    /// The URL of the server, with a user who may create databases.
    fn server(self) -> Option<String> {
        match self {
            Self::Sqlite => None,
            Self::Postgres if cfg!(feature = "postgres") => std::env::var("CANARY_TEST_POSTGRES_URL").ok(),
            Self::MySql if cfg!(feature = "mysql") => std::env::var("CANARY_TEST_MYSQL_URL").ok(),
            Self::Postgres | Self::MySql => None,
        }
    }
}

/// An empty database, gone when dropped.
#[derive(Debug)]
pub(crate) struct TestDatabase {
    pub(crate) kind: Kind,
    pub(crate) url: String,
    name: String,
    directory: Option<TempDir>,
}

impl TestDatabase {
    pub(crate) async fn new(kind: Kind) -> Self {
        if kind == Kind::Sqlite {
            let directory = tempfile::tempdir().unwrap();
            let url = format!("sqlite://{}/canary.db?mode=rwc", directory.path().display());
            return Self { kind, url, name: String::new(), directory: Some(directory) };
        }
        let server = kind.server().unwrap();
        let name = format!("canary_test_{:016x}", rand::random::<u64>());
        let db = Database::connect(&server).await.unwrap();
        db.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        db.close().await.unwrap();
        let (server, options) = server.split_once('?').unwrap_or((&server, ""));
        let (host, _) =
            server.rsplit_once('/').filter(|(host, _)| !host.ends_with('/')).unwrap_or((server, ""));
        Self { kind, url: format!("{host}/{name}?{options}"), name, directory: None }
    }

    /// A connection beside the store's, as somebody who edits by hand has.
    pub(crate) async fn connect(&self) -> DatabaseConnection {
        Database::connect(&self.url).await.unwrap()
    }

    pub(crate) async fn by_hand(&self, sql: &str) {
        let db = self.connect().await;
        if self.kind == Kind::Sqlite {
            db.execute_unprepared("PRAGMA ignore_check_constraints = ON").await.unwrap();
        }
        for statement in sql.split(';').filter(|statement| !statement.trim().is_empty()) {
            db.execute_unprepared(statement).await.unwrap();
        }
        db.close().await.unwrap();
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Some(server) = self.kind.server() else { return };
        let force = if self.kind == Kind::Postgres { " WITH (FORCE)" } else { "" };
        let drop = format!("DROP DATABASE IF EXISTS {}{force}", self.name);
        // There may be a runtime here already, in which nothing can be waited for.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let dropped = async {
                let db = Database::connect(server).await.unwrap();
                db.execute_unprepared(&drop).await.unwrap();
                db.close().await.unwrap();
            };
            runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), dropped).await.unwrap() });
        });
        assert!(dropping.join().is_ok() || std::thread::panicking(), "{} is left over", self.name);
    }
}

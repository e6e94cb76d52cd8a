//! Databases to test on: each test creates its own and drops it.

use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, Statement};
use tempfile::TempDir;
use url::Url;

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
    MySql,
}

impl Kind {
    /// Returns the kinds for which this build has a driver and the environment has a server.
    #[allow(dead_code, reason = "not every test binary calls it")]
    pub(crate) fn available() -> Vec<Self> {
        [Self::Sqlite, Self::Postgres, Self::MySql].into_iter().filter(|kind| kind.is_available()).collect()
    }

    /// Returns whether this build has a driver and the environment has a server.
    pub(crate) fn is_available(self) -> bool {
        match self {
            Self::Sqlite => cfg!(feature = "sqlite"),
            Self::Postgres | Self::MySql => self.server().is_some(),
        }
    }

    /// Returns the URL of the server. Panics without one.
    pub(crate) fn required_server(self) -> String {
        let needs = match self {
            Self::Postgres => "the feature postgres and CANARY_TEST_POSTGRES_URL",
            _ => "the feature mysql and CANARY_TEST_MYSQL_URL",
        };
        self.server().unwrap_or_else(|| panic!("this test needs {needs}"))
    }

    /// The URL of the server, with a user who may create databases and users.
    pub(crate) fn server(self) -> Option<String> {
        match self {
            Self::Postgres if cfg!(feature = "postgres") => std::env::var("CANARY_TEST_POSTGRES_URL").ok(),
            Self::MySql if cfg!(feature = "mysql") => std::env::var("CANARY_TEST_MYSQL_URL").ok(),
            _ => None,
        }
    }

    async fn execute(self, sql: &str) {
        let db = Database::connect(self.required_server()).await.unwrap();
        db.execute_unprepared(sql).await.unwrap();
        db.close().await.unwrap();
    }

    /// Executes `sql` in a `drop`, on a thread of its own: the current runtime cannot block.
    fn execute_on_drop(self, sql: String) {
        let left_over = sql.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let limit = Duration::from_secs(20);
            runtime.block_on(async { tokio::time::timeout(limit, self.execute(&sql)).await.unwrap() });
        });
        assert!(thread.join().is_ok() || std::thread::panicking(), "not done: {left_over}");
    }
}

/// An empty database, gone when dropped.
#[derive(Debug)]
pub(crate) struct TestDatabase {
    pub(crate) kind: Kind,
    pub(crate) url: String,
    pub(crate) name: String,
    _directory: Option<TempDir>,
}

impl TestDatabase {
    pub(crate) async fn new(kind: Kind) -> Self {
        if kind == Kind::Sqlite {
            let directory = tempfile::tempdir().unwrap();
            let url = format!("sqlite://{}/canary.db?mode=rwc", directory.path().display());
            return Self { kind, url, name: String::new(), _directory: Some(directory) };
        }
        let name = random_name();
        kind.execute(&format!("CREATE DATABASE {name}")).await;
        let mut url = Url::parse(&kind.required_server()).unwrap();
        url.set_path(&name);
        Self { kind, url: url.into(), name, _directory: None }
    }

    /// Creates a database of PostgreSQL that does not store all characters.
    #[allow(dead_code, reason = "not every test binary calls it")]
    pub(crate) async fn in_latin_1(kind: Kind) -> Self {
        let database = Self::new(kind).await;
        kind.execute(&format!("DROP DATABASE {}", database.name)).await;
        let options = "TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'";
        kind.execute(&format!("CREATE DATABASE {} {options}", database.name)).await;
        database
    }

    /// A connection beside the store's, for manual edits.
    pub(crate) async fn connect(&self) -> DatabaseConnection {
        self.connect_many(1).await
    }

    /// A pool of the application.
    pub(crate) async fn connect_many(&self, connections: u32) -> DatabaseConnection {
        let mut options = ConnectOptions::new(&self.url);
        options.max_connections(connections).sqlx_logging(false);
        Database::connect(options).await.unwrap()
    }

    /// Runs statements separated by semicolons.
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

    /// Removes the checks of weights, for manual edits. On SQLite `by_hand` disables them.
    pub(crate) async fn drop_checks(&self) {
        match self.kind {
            Kind::Sqlite => {}
            Kind::Postgres => {
                let check = "gateway_service_version_weight_check";
                self.by_hand(&format!("ALTER TABLE gateway_service_version DROP CONSTRAINT {check}")).await;
            }
            // In MariaDB the check belongs to the column, in MySQL to the table.
            Kind::MySql => {
                let also = "/*!80016 , DROP CHECK gateway_service_version_chk_1 */";
                let alter = "ALTER TABLE gateway_service_version MODIFY weight INTEGER NOT NULL";
                self.by_hand(&format!("{alter} {also}")).await;
            }
        }
    }

    /// Returns the first column of the rows, which is text, joined by spaces.
    pub(crate) async fn text(&self, select: &str) -> String {
        let db = self.connect().await;
        let found = text(&db, select).await;
        db.close().await.unwrap();
        found
    }

    pub(crate) async fn count(&self, from: &str) -> u64 {
        self.text(&format!("SELECT CAST(count(*) AS CHAR(20)) FROM {from}")).await.parse().unwrap()
    }

    pub(crate) async fn tables(&self) -> String {
        let select = match self.kind {
            Kind::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table'",
            Kind::Postgres => "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = 'public'",
            Kind::MySql => "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()",
        };
        self.text(select).await
    }

    /// Returns the number of open transactions.
    pub(crate) async fn open_transactions(&self) -> u64 {
        self.count(match self.kind {
            Kind::Sqlite => unreachable!("SQLite has no list of transactions"),
            Kind::Postgres => {
                "pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
            }
            Kind::MySql => {
                "information_schema.innodb_trx JOIN information_schema.processlist ON id = trx_mysql_thread_id WHERE db = DATABASE()"
            }
        })
        .await
    }

    /// Ends all other connections to the database.
    pub(crate) async fn kill_connections(&self, db: &DatabaseConnection) {
        if self.kind == Kind::Postgres {
            let kill = "SELECT CAST(pg_terminate_backend(pid) AS TEXT) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
            text(db, kill).await;
            return;
        }
        let others = "SELECT CAST(id AS CHAR(20)) FROM information_schema.processlist
            WHERE db = DATABASE() AND id <> CONNECTION_ID()";
        for id in text(db, others).await.split_whitespace() {
            // It may have ended by itself.
            let _ = db.execute_unprepared(&format!("KILL {id}")).await;
        }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if self.kind != Kind::Sqlite {
            let force = if self.kind == Kind::Postgres { " WITH (FORCE)" } else { "" };
            self.kind.execute_on_drop(format!("DROP DATABASE IF EXISTS {}{force}", self.name));
        }
    }
}

/// A user of the server without privileges, removed when dropped: after the databases that grant it some.
#[derive(Debug)]
pub(crate) struct TestUser {
    kind: Kind,
    /// The name in a GRANT statement.
    pub(crate) name: String,
}

impl TestUser {
    pub(crate) const PASSWORD: &str = "s3cret";

    pub(crate) async fn new(kind: Kind) -> Self {
        Self::with_password(kind, Self::PASSWORD).await
    }

    #[allow(dead_code, reason = "not every test binary calls it")]
    pub(crate) async fn with_password(kind: Kind, password: &str) -> Self {
        let name = random_name();
        let create = match kind {
            Kind::Postgres => format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'"),
            _ => format!("CREATE USER {name} IDENTIFIED BY '{password}'"),
        };
        kind.execute(&create).await;
        Self { kind, name }
    }

    /// The URL of `database` for this user.
    pub(crate) fn url_of(&self, database: &TestDatabase, password: &str) -> String {
        let mut url = Url::parse(&database.url).unwrap();
        url.set_username(&self.name).unwrap();
        url.set_password(Some(password)).unwrap();
        url.into()
    }
}

impl Drop for TestUser {
    fn drop(&mut self) {
        let kind = if self.kind == Kind::Postgres { "ROLE" } else { "USER" };
        self.kind.execute_on_drop(format!("DROP {kind} IF EXISTS {}", self.name));
    }
}

fn random_name() -> String {
    format!("canary_test_{:016x}", rand::random::<u64>())
}

/// Returns the first column of the rows, which is text, joined by spaces.
pub(crate) async fn text(db: &DatabaseConnection, select: &str) -> String {
    try_text(db, select).await.unwrap()
}

pub(crate) async fn try_text(db: &DatabaseConnection, select: &str) -> Result<String, DbErr> {
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), select)).await?;
    let texts = rows.iter().map(|row| row.try_get_by_index::<String>(0).unwrap().trim().to_owned());
    Ok(texts.collect::<Vec<_>>().join(" "))
}

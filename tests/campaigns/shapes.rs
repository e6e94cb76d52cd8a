//! Databases behind a pooler, and servers with other settings than the default.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tower_canary::routing::Change;
use tower_canary::store::sql::SqlStore;
use tower_canary::store::{ChangeRequest, ReplicaRegistry, Report, RouteStore, Signal};

use crate::cluster::{Cluster, free_port};
use crate::support::gateway_on;

/// Makes 49 changes, each with a report.
async fn change_and_report(store: &SqlStore) {
    let auth = "auth".parse().unwrap();
    for percent in 1..50_u8 {
        let weight = Change::set_weight("v2".parse().unwrap(), f64::from(percent).try_into().unwrap());
        store.commit(&auth, &ChangeRequest::new(weight, "campaign").without_check()).await.unwrap();
        store.report(&Report::new("1", "a", 1)).await.unwrap();
        assert_eq!(store.load(0).await.unwrap().splits[0].generation(), u64::from(percent) + 2);
    }
}

/// Makes changes and reports, and reads them.
async fn assert_works(store: &SqlStore) {
    let auth = "auth".parse().unwrap();
    for version in ["v1", "v2"] {
        let register = Change::register(version.parse().unwrap(), "http://10.0.0.1".parse().unwrap());
        store.commit(&auth, &ChangeRequest::new(register, "campaign").without_check()).await.unwrap();
    }
    change_and_report(store).await;
    let refused = ChangeRequest::new(Change::switch("v9".parse().unwrap()), "campaign");
    store.commit(&auth, &refused).await.unwrap_err();
    assert_eq!(store.history(&auth, None, 100).await.unwrap().len(), 51);
    assert_eq!(store.replicas().await.unwrap().len(), 1);
}

/// Global settings with which statements of the store would fail, or not do what they say.
#[cfg(feature = "mysql")]
const HOSTILE: &[&str] = &[
    "autocommit = 0",
    "sql_mode = 'ORACLE'",
    "sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,IGNORE_SPACE'",
    "sql_safe_updates = 1",
    "sql_select_limit = 1",
    "completion_type = 'CHAIN'",
    "completion_type = 'RELEASE'",
    "tx_isolation = 'SERIALIZABLE'",
    "tx_isolation = 'READ-UNCOMMITTED'",
    "tx_read_only = 1",
    "foreign_key_checks = 0",
    "sql_auto_is_null = 1",
    "default_storage_engine = 'MyISAM'",
    "max_statement_time = 0.000001",
    "group_concat_max_len = 4",
    "innodb_lock_wait_timeout = 1000",
    "wait_timeout = 1",
    "time_zone = '-11:00'",
    "character_set_server = 'latin1'",
];

#[cfg(feature = "mysql")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn hostile_mariadb_settings_do_no_harm() {
    use crate::mariadb::MariaDb;

    let Some(server) = MariaDb::start(1, &[]).await else {
        return println!("skipped: MariaDB is not installed");
    };
    for setting in HOSTILE {
        let name = setting.split(' ').next().unwrap();
        let before = server.value(&format!("SELECT CAST(@@global.{name} AS CHAR)")).await;
        server.execute("SET STATEMENT foreign_key_checks = 0 FOR CREATE OR REPLACE DATABASE gateway").await;
        server.execute(&format!("SET GLOBAL {setting}")).await;
        let store = SqlStore::connect(&MariaDb::url_at(server.address())).await;
        let store = store.unwrap_or_else(|error| panic!("{setting}: {error:?}"));
        println!("{setting}");
        assert_works(&store).await;
        store.close().await;
        let quoted = if before.parse::<f64>().is_ok() { before } else { format!("'{before}'") };
        server.execute(&format!("SET GLOBAL {name} = {quoted}")).await;
    }
}

/// PgBouncer in front of a private server, ended when dropped.
struct Pooler {
    _cluster: Cluster,
    _dir: TempDir,
    process: Child,
    port: u16,
}

impl Pooler {
    /// Starts one with `settings`. Returns `None` if a program is not installed.
    async fn start(settings: &str) -> Option<Self> {
        let cluster = Cluster::start()?;
        let dir = cluster.directory();
        let port = free_port();
        let file = dir.path().join("pgbouncer.ini");
        let server = cluster.address();
        std::fs::write(
            &file,
            format!(
                "[databases]\n* = host={} port={} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
                 unix_socket_dir =\nauth_type = any\n{settings}\n",
                server.ip(),
                server.port()
            ),
        )
        .unwrap();
        // `any` takes the user of the database section, or else of the client.
        let mut pooler = cluster.as_owner("pgbouncer");
        let process = pooler.arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let started = Self { _cluster: cluster, _dir: dir, process, port };
        for _ in 0..50 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Some(started);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        None
    }

    fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // `runuser` passes the signal on.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

const SKIPPED: &str = "SKIPPED: PgBouncer or PostgreSQL is not installed";

// A session has a server connection of its own, so everything works, listening too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn pooler_in_session_mode_works() {
    let Some(pooler) = Pooler::start("pool_mode = session").await else { return println!("{SKIPPED}") };
    let store = SqlStore::connect(&pooler.url()).await.unwrap();
    assert_works(&store).await;
    let listening = SqlStore::connect(&pooler.url()).await.unwrap();
    assert_eq!(listening.changed().await, Signal::Changed);
    let switch = ChangeRequest::new(Change::switch("v1".parse().unwrap()), "campaign").without_check();
    store.commit(&"auth".parse().unwrap(), &switch).await.unwrap();
    let signal = tokio::time::timeout(Duration::from_millis(500), listening.changed()).await;
    assert_eq!(signal.ok(), Some(Signal::Changed));
    drop(gateway_on(&pooler.url()));
}

// Before 1.21, PgBouncer does not know prepared statements. Then the start says why it fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn pooler_in_transaction_mode_works_or_says_why() {
    let settings = "pool_mode = transaction\ndefault_pool_size = 2";
    let Some(pooler) = Pooler::start(settings).await else { return println!("{SKIPPED}") };
    let knows_prepared = knows_prepared_statements();
    let mut refused = 0;
    for _ in 0..5 {
        match SqlStore::connect(&pooler.url()).await {
            Ok(store) if knows_prepared => assert_works(&store.with_polling_only()).await,
            Ok(_) => {}
            Err(error) => {
                assert!(!knows_prepared, "{error:?}");
                assert!(
                    error.to_string().contains("a pooler gives each transaction another connection"),
                    "{error:?}"
                );
                refused += 1;
            }
        }
        if knows_prepared {
            break;
        }
    }
    println!("PgBouncer knows prepared statements: {knows_prepared}; {refused} of 5 starts refused");
    assert!(knows_prepared || refused > 0);
}

fn knows_prepared_statements() -> bool {
    let output = Command::new("pgbouncer").arg("--version").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().nth(1).unwrap_or_default();
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(1), Some(21))
}

// A standby accepts no changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn standby_is_refused() {
    let Some(primary) = Cluster::start() else { return println!("{SKIPPED}") };
    assert_works(&SqlStore::connect(&primary.url()).await.unwrap()).await;
    let standby = primary.standby();
    let error = SqlStore::connect(&standby.url()).await.unwrap_err();
    assert!(error.to_string().contains("read-only: name the primary server"), "{error:?}");
}

//! A private MariaDB server, whose settings a test may change.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use tempfile::TempDir;

use crate::cluster::{free_port, is_root};
use crate::databases::text;

/// The user of the gateways, without the right to write to a read-only server.
const USER: &str = "gateway";

/// A server in a temporary directory, ended when dropped.
#[derive(Debug)]
pub(crate) struct MariaDb {
    _dir: TempDir,
    port: u16,
    process: Child,
}

impl MariaDb {
    /// Starts a server with the number `id` and `options`. Returns `None` if MariaDB is not installed.
    pub(crate) async fn start(id: u8, options: &[&str]) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let user = is_root().then_some("--user=root");
        let mut install = Command::new("mariadb-install-db");
        install
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .args(user);
        install.arg(format!("--datadir={}", data.display()));
        let installed = install.stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !installed.is_ok_and(|status| status.success()) {
            return None;
        }
        let port = free_port();
        let mut server = Command::new("mariadbd");
        server
            .args(["--no-defaults", "--bind-address=127.0.0.1", "--log-bin=log", "--skip-name-resolve"])
            .args(user);
        server.args(["--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=2"]);
        server.arg(format!("--datadir={}", data.display())).arg(format!("--port={port}"));
        server
            .arg(format!("--socket={}", dir.path().join("socket").display()))
            .arg(format!("--server-id={id}"));
        let process = server.args(options).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let server = Self { _dir: dir, port, process };
        server.wait().await;
        server.execute(&format!("CREATE DATABASE IF NOT EXISTS {USER}")).await;
        server.execute(&format!("CREATE USER IF NOT EXISTS {USER}@'127.0.0.1'")).await;
        server.execute(&format!("GRANT ALL ON {USER}.* TO {USER}@'127.0.0.1'")).await;
        Some(server)
    }

    async fn wait(&self) {
        for _ in 0..300 {
            if Database::connect(self.root()).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the server does not start");
    }

    fn root(&self) -> ConnectOptions {
        let mut options = ConnectOptions::new(format!("mysql://root@127.0.0.1:{}/mysql", self.port));
        options.max_connections(1).sqlx_logging(false).connect_timeout(Duration::from_secs(1));
        options
    }

    async fn connect(&self) -> DatabaseConnection {
        Database::connect(self.root()).await.unwrap()
    }

    /// Runs a statement as the administrator.
    pub(crate) async fn execute(&self, sql: &str) {
        let db = self.connect().await;
        db.execute_unprepared(sql).await.unwrap();
        db.close().await.unwrap();
    }

    /// Returns a value as the administrator.
    pub(crate) async fn value(&self, select: &str) -> String {
        let db = self.connect().await;
        let found = text(&db, select).await;
        db.close().await.unwrap();
        found
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), self.port)
    }

    /// The URL of the gateways' database at `address`.
    pub(crate) fn url_at(address: SocketAddr) -> String {
        format!("mysql://{USER}@{address}/{USER}")
    }

    /// Begins to follow `primary`, from its present state on.
    pub(crate) async fn follow(&self, primary: &Self) {
        self.execute(&format!(
            "CHANGE MASTER TO master_host = '127.0.0.1', master_port = {}, master_user = 'root',
            master_use_gtid = slave_pos",
            primary.port
        ))
        .await;
        self.execute("START SLAVE").await;
        self.execute("SET GLOBAL read_only = 1").await;
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

//! A private PostgreSQL server, which tests can stop.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use tempfile::TempDir;

use crate::addresses::own_host;

/// The user that runs the servers if the test runs as root: PostgreSQL refuses root.
const UNPRIVILEGED: &str = "postgres";

/// A cluster in a temporary directory, stopped when dropped.
#[derive(Debug)]
pub(crate) struct Cluster {
    programs: PathBuf,
    dir: TempDir,
    /// Stays free while the server is stopped.
    address: SocketAddr,
}

impl Cluster {
    /// Starts a cluster. Returns `None` if PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        let cluster = Self::new(programs()?);
        let data = cluster.data();
        run(cluster
            .program("initdb")
            .args(["--auth=trust", "--username=postgres", "--no-sync", "-D"])
            .arg(data));
        cluster.up();
        Some(cluster)
    }

    fn new(programs: PathBuf) -> Self {
        let listener = TcpListener::bind((own_host(), 0)).unwrap();
        Self { programs, dir: owned_directory(), address: listener.local_addr().unwrap() }
    }

    /// Creates a directory that the servers of this cluster may use.
    pub(crate) fn directory(&self) -> TempDir {
        owned_directory()
    }

    /// Starts a standby that follows this server.
    pub(crate) fn standby(&self) -> Self {
        let standby = Self::new(self.programs.clone());
        let source = format!("host={} port={} user=postgres", self.address.ip(), self.address.port());
        run(standby
            .program("pg_basebackup")
            .args(["-R", "-X", "stream", "-c", "fast", "-d", &source, "-D"])
            .arg(standby.data()));
        standby.up();
        standby
    }

    /// Makes a standby the primary.
    pub(crate) fn promote(&self) {
        run(self.control().args(["promote", "-w", "-t", "30"]));
    }

    /// Makes a stopped server a standby that follows none.
    pub(crate) fn become_standby(&self) {
        run(self.as_owner("touch").arg(self.data().join("standby.signal")));
    }

    /// Stops all processes of the server, which keep their connections.
    pub(crate) fn hang(&self) {
        self.signal("-STOP");
    }

    fn signal(&self, signal: &str) {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        let postmaster = file.lines().next().unwrap().to_owned();
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", &postmaster]).output().unwrap();
        let children = String::from_utf8(children.stdout).unwrap();
        let all = std::iter::once(postmaster.as_str()).chain(children.split_whitespace());
        for process in all {
            // A session may have ended meanwhile.
            let _ = Command::new("kill").args([signal, process]).stderr(Stdio::null()).status();
        }
    }

    pub(crate) fn url(&self) -> String {
        Self::url_at(self.address())
    }

    /// The URL of a cluster at `address`.
    pub(crate) fn url_at(address: SocketAddr) -> String {
        format!("postgres://postgres@{address}/postgres")
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs a statement as the administrator.
    pub(crate) async fn execute(&self, sql: &str) {
        let db = Database::connect(self.url()).await.unwrap();
        db.execute_unprepared(sql).await.unwrap();
        db.close().await.unwrap();
    }

    /// Returns a value, or an empty text before it is known.
    pub(crate) async fn value(&self, select: &str) -> String {
        let db = Database::connect(self.url()).await.unwrap();
        let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, select)).await;
        db.close().await.unwrap();
        row.ok().flatten().and_then(|row| row.try_get_by_index(0).ok()).unwrap_or_default()
    }

    /// Starts the server and waits until it accepts connections.
    pub(crate) fn up(&self) {
        let options = format!(
            "-p {} -c listen_addresses={} -c unix_socket_directories={}",
            self.address.port(),
            self.address.ip(),
            self.dir.path().display()
        );
        let log = self.dir.path().join("log");
        let mut start = self.control();
        run(start.args(["start", "-w", "-t", "30", "-o", &options, "-l"]).arg(log));
    }

    /// Stops the server. `fast` ends its sessions, `immediate` is a crash.
    pub(crate) fn down(&self, mode: &str) {
        run(self.control().args(["stop", "-w", "-t", "30", "-m", mode]));
    }

    /// Copies the data of a stopped server.
    pub(crate) fn back_up(&self) {
        run(self.as_owner("cp").arg("-a").arg(self.data()).arg(self.backup()));
    }

    /// Restores the copy to a stopped server.
    pub(crate) fn restore(&self) {
        std::fs::remove_dir_all(self.data()).unwrap();
        std::fs::rename(self.backup(), self.data()).unwrap();
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn backup(&self) -> PathBuf {
        self.dir.path().join("backup")
    }

    fn control(&self) -> Command {
        let mut control = self.program("pg_ctl");
        control.arg("-D").arg(self.data());
        control
    }

    fn program(&self, name: &str) -> Command {
        self.as_owner(self.programs.join(name))
    }

    /// Returns `program` as the user that owns the data.
    pub(crate) fn as_owner(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        if is_root() {
            command = Command::new("runuser");
            command.args(["-u", UNPRIVILEGED, "--"]).arg(program.as_ref());
        }
        command.current_dir(self.dir.path());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The server may be stopped already, in both meanings.
        if self.data().join("postmaster.pid").exists() {
            self.signal("-CONT");
        }
        let mut stop = self.control();
        let _ = stop.args(["stop", "-m", "immediate"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// Returns the directory of the server programs: the one of `pg_config`, or Debian's.
fn programs() -> Option<PathBuf> {
    let configured = Command::new("pg_config").arg("--bindir").output().ok();
    let configured = configured.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut all = configured.into_iter().chain(versions.map(|version| version.path().join("bin")));
    all.find(|programs| programs.join("initdb").exists())
}

fn owned_directory() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    if is_root() {
        run(Command::new("chown").arg(UNPRIVILEGED).arg(dir.path()));
    }
    dir
}

pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Returns a port that is not in use.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn run(command: &mut Command) {
    // The server outlives this command and must not hold the pipes of this process.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

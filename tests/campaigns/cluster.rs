//! A private PostgreSQL server, which tests can stop.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The user that runs the servers if the test runs as root: PostgreSQL refuses root.
const UNPRIVILEGED: &str = "postgres";

/// A cluster in a temporary directory, stopped when dropped.
#[derive(Debug)]
pub(crate) struct Cluster {
    programs: PathBuf,
    dir: TempDir,
    port: u16,
}

impl Cluster {
    /// Starts a cluster. Returns `None` if PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        let programs = programs()?;
        let dir = tempfile::tempdir().unwrap();
        if is_root() {
            run(Command::new("chown").arg(UNPRIVILEGED).arg(dir.path()));
        }
        let cluster = Self { programs, dir, port: free_port() };
        let data = cluster.data();
        run(cluster
            .program("initdb")
            .args(["--auth=trust", "--username=postgres", "--no-sync", "-D"])
            .arg(data));
        cluster.up();
        Some(cluster)
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts the server and waits until it accepts connections.
    pub(crate) fn up(&self) {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories={}",
            self.port,
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
    fn as_owner(&self, program: impl AsRef<Path>) -> Command {
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
        // The server may be stopped already.
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

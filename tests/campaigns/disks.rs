//! SQLite files on read-only and full disks.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use http::StatusCode;
use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;
use tokio::task::block_in_place;
use tower_canary::ServiceName;
use tower_canary::routing::Change;
use tower_canary::store::sql::{Migrations, SqlStore};
use tower_canary::store::{ChangeRequest, RouteStore, StoreError};

use crate::backends::named_backend;
use crate::books;
use crate::cluster::is_root;
use crate::damage::{change, register};
use crate::databases::Kind;
use crate::harness::Gateway;
use crate::support::{Load, boot, gateway_on, read_split};

/// Maximum time until a gateway starts on a file or reports why it cannot.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(8);

/// Maximum time of the attempts to change on a full disk.
const FULL_DISK_TIME: Duration = Duration::from_secs(10);

/// A directory with a database, on its own file system if one could be mounted.
#[derive(Debug)]
pub(crate) struct Disk {
    dir: TempDir,
    mounted: bool,
}

impl Disk {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), mounted: false }
    }

    /// Mounts a disk of `megabytes`. Returns `None` if this process may not mount.
    fn small(megabytes: u32) -> Option<Self> {
        let mut disk = Self::new();
        let size = format!("size={megabytes}m");
        disk.mounted = disk.mount(&["-t", "tmpfs", "-o", &size, "tmpfs"]);
        disk.mounted.then_some(disk)
    }

    fn mount(&self, options: &[&str]) -> bool {
        is_root() && Command::new("mount").args(options).arg(self.path()).status().is_ok_and(|s| s.success())
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.path().join("canary.db")
    }

    /// The write-ahead log of SQLite.
    pub(crate) fn log(&self) -> PathBuf {
        self.path().join("canary.db-wal")
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite://{}?mode=rwc", self.file().display())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("umount").arg("-l").arg(self.path()).status();
        }
    }
}

/// Tests a disk that becomes read-only after the first write, and a read-only disk without a file.
async fn read_only() {
    let (Some(disk), Some(empty)) = (Disk::small(8), Disk::small(8)) else {
        return println!("skipped: this user cannot mount a disk");
    };
    let backend = named_backend("v", Duration::ZERO).await;
    let gateway = gateway_on(&disk.url());
    register(&gateway, &["auth"], &backend).await;
    drop(gateway);
    for disk in [&disk, &empty] {
        assert!(disk.mount(&["-o", "remount,ro"]));
    }
    match block_in_place(|| boot(&disk.url())) {
        Ok(gateway) => assert_readable(&gateway).await,
        Err(refusal) => assert!(refusal.line.contains("cannot be written"), "{}", refusal.line),
    }
    let refusal = block_in_place(|| boot(&empty.url())).unwrap_err();
    assert!(refusal.line.contains("check that its directory exists and is writable"), "{}", refusal.line);
    assert!(refusal.took < START_TIMEOUT);
}

async fn assert_readable(gateway: &Gateway) {
    assert_eq!(change(gateway, "auth", 10).await, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(gateway.weights("auth").await["v2"], 0.0);
    gateway.count_versions("/auth/", 20, 2).await;
    println!("read-only: existing routes are served, changes fail with 500");
}

/// Fills the disk completely.
fn fill_up(disk: &Disk) -> PathBuf {
    let ballast = disk.path().join("ballast");
    let filled = std::io::copy(&mut std::io::repeat(0), &mut File::create(&ballast).unwrap());
    assert!(filled.is_err(), "the disk is full: make room");
    ballast
}

/// Tests a full disk: no change is applied in part, and changes succeed again once there is space.
async fn full() {
    let Some(disk) = Disk::small(8) else { return println!("skipped: this user cannot mount a disk") };
    let backend = named_backend("v", Duration::ZERO).await;
    let gateway = gateway_on(&disk.url());
    register(&gateway, &["auth"], &backend).await;
    let load = Load::start(&gateway, "/auth/", 1);
    let ballast = fill_up(&disk);
    let (made, refused) = change_without_room(&gateway).await;
    let boots = block_in_place(|| boot(&disk.url())).map(drop).map_err(|refusal| refusal.line);
    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(change(&gateway, "auth", 55).await, StatusCode::OK);
    assert_stored(&disk, &gateway).await;
    println!(
        "full: {} requests, none failed; {made} changes fitted, {refused} were refused; a start on the full disk: {boots:?}",
        load.end().await
    );
}

/// Asserts that other gateways read every confirmed change from the file.
async fn assert_stored(disk: &Disk, gateway: &Gateway) {
    assert_eq!(read_split(&gateway_on(&disk.url()), "auth").await, read_split(gateway, "auth").await);
    let database = Database::connect(disk.url()).await.unwrap();
    books::assert_balanced_in(&database, Kind::Sqlite).await;
    database.close().await.unwrap();
}

/// Sends changes for a while; a refused one must change nothing. Returns the numbers of applied and refused
/// changes.
async fn change_without_room(gateway: &Gateway) -> (u32, u32) {
    let mut made = 0;
    let mut refused = 0;
    let start = Instant::now();
    let mut before = read_split(gateway, "auth").await;
    // Some changes fit into space that is already allocated.
    while refused < 20 && start.elapsed() < FULL_DISK_TIME {
        let status = change(gateway, "auth", 1 + made % 99).await;
        let after = read_split(gateway, "auth").await;
        if status == StatusCode::OK {
            made += 1;
        } else {
            refused += 1;
            assert_eq!(after, before);
        }
        before = after;
    }
    assert!(refused > 0, "{made} changes were made on a full disk");
    (made, refused)
}

/// A registration that soon needs another page.
fn long_registration(i: u32) -> ChangeRequest {
    let url = format!("http://backend:8080/{}", "x".repeat(900)).parse().unwrap();
    ChangeRequest::new(Change::register(format!("v{i}").parse().unwrap(), url), "campaign")
}

/// Registers versions until the store is full and returns their number.
async fn fill(store: &SqlStore, service: &ServiceName) -> u32 {
    for i in 0.. {
        match store.commit(service, &long_registration(i)).await {
            Ok(_) => {}
            Err(StoreError::Unusable { remedy: "the disk is full: make room", .. }) => return i,
            Err(error) => panic!("{error}"),
        }
    }
    0
}

/// Limits the number of pages of the file, which works on every machine.
async fn without_a_page_more() {
    let db = Database::connect("sqlite::memory:").await.unwrap();
    let store = SqlStore::with_connection(db.clone(), Migrations::Auto).await.unwrap();
    let auth = "auth".parse().unwrap();
    db.execute_unprepared("PRAGMA max_page_count = 40").await.unwrap();
    let made = fill(&store, &auth).await;
    let split = store.load(0).await.unwrap().splits.remove(0);
    assert_eq!((split.generation(), split.versions().len()), (u64::from(made), made as usize));
    books::assert_balanced_in(&db, Kind::Sqlite).await;
    db.execute_unprepared("PRAGMA max_page_count = 100000").await.unwrap();
    store.commit(&auth, &long_registration(made)).await.unwrap();
}

// A start without a file is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_only_disk_serves_existing_routes() {
    read_only().await;
}

// A refused change stores nothing. Changes succeed once there is room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_disk_fails_no_request() {
    full().await;
}

#[tokio::test]
async fn file_at_size_limit_keeps_its_data() {
    without_a_page_more().await;
}

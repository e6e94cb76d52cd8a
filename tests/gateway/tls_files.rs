//! The files of the certificate: mistakes at the start, and changes while the gateway runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::backends::named_backend;
use crate::environment::refused;
use crate::harness::Gateway;
use crate::tls_client::{Files, Sender, connect};
use crate::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(15);

/// The fewest connections and requests of a load.
const FEWEST: (usize, usize) = (100, 1_000);

/// The error of a gateway with these files.
fn error(files: &Files) -> String {
    let options = files.options(&[]);
    refused(&[], &options.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn unusable_files_are_named() {
    let files = Files::new();
    let [certificate, key] = files.authority.pem("localhost");
    let broken = certificate.replace("MII", "AAA");
    for (name, content, named, reason) in [
        ("certificate", "", "certificate", "no certificate"),
        ("certificate", &*key, "certificate", "no certificate"),
        ("certificate", &broken, "certificate", "cannot use the certificate"),
        ("key", "", "key", "no unencrypted private key"),
        ("key", &certificate, "key", "no unencrypted private key"),
        (
            "key",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "key",
            "cannot use the private key",
        ),
        ("key", "-----BEGIN PRIVATE KEY-----\nAAAA\n", "key", "cannot read the private key"),
        ("key", &key, "key", "does not belong to the certificate"),
    ] {
        files.replace();
        files.write(name, content);
        let error = error(&files);
        let path = files.dir.path().join(named).display().to_string();
        assert!(error.contains(reason) && error.contains(&path), "{error}");
        assert!(!error.contains("BEGIN"), "{error}");
    }
    for name in ["certificate", "key"] {
        files.replace();
        let path = files.dir.path().join(name);
        std::fs::remove_file(&path).unwrap();
        let error = error(&files);
        assert!(error.contains(&format!("cannot read {}", path.display())), "{error}");
    }
}

#[test]
fn one_file_needs_the_other() {
    for [given, missing] in [["--tls-cert", "--tls-key"], ["--tls-key", "--tls-cert"]] {
        let error = refused(&[], &[given, "/missing/file"]);
        assert!(error.contains(&format!("{given} needs {missing}")), "{error}");
    }
}

#[tokio::test]
async fn one_file_may_have_both() {
    let files = Files::new();
    let both = files.authority.pem("localhost").concat();
    files.write("certificate", &both);
    files.write("key", &both);
    files.served(&files.start(&[])).await;
}

/// Clients that send requests over new connections and over old ones, by HTTP/1.1 and HTTP/2.
struct Load {
    stopped: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(gateway: &Gateway, files: &Files) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let connections = Arc::<AtomicUsize>::default();
        let requests = Arc::<AtomicUsize>::default();
        let clients = (0..8)
            .map(|i: usize| {
                let stopped = Arc::clone(&stopped);
                let connections = Arc::clone(&connections);
                let requests = Arc::clone(&requests);
                let address = gateway.data.clone();
                let config = files.client(&[if i.is_multiple_of(2) { "h2" } else { "http/1.1" }]);
                // Some connections outlive several changes, others none.
                let each = 1 + i / 2 * 200;
                tokio::spawn(async move {
                    while !stopped.load(Ordering::Relaxed) {
                        let mut sender = Sender::on(connect(&address, config.clone()).await).await;
                        connections.fetch_add(1, Ordering::Relaxed);
                        for _ in 0..each {
                            assert_eq!(sender.get("/auth/").await.status(), StatusCode::OK);
                            requests.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        Self { stopped, connections, requests, clients }
    }

    /// The numbers of connections and of requests so far.
    fn counts(&self) -> (usize, usize) {
        (self.connections.load(Ordering::Relaxed), self.requests.load(Ordering::Relaxed))
    }

    /// Waits until there were enough of both. None may have failed.
    async fn end(self) -> (usize, usize) {
        wait_until(Duration::from_secs(120), "enough connections and requests", async || {
            let counts = self.counts();
            let has_failed = self.clients.iter().any(JoinHandle::is_finished);
            has_failed || counts.0 > FEWEST.0 && counts.1 > FEWEST.1
        })
        .await;
        let counts = self.counts();
        self.stopped.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        counts
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_fail_no_request() {
    let backend = named_backend("v1", Duration::from_millis(1)).await;
    let files = Files::new();
    let gateway = files.start(&[]);
    gateway.register("auth", "v1", &backend.url).await;
    let load = Load::start(&gateway, &files);
    let mut served = files.served(&gateway).await;
    for _ in 0..4 {
        files.replace();
        wait_until(LIMIT, "the new certificate", async || files.served(&gateway).await != served).await;
        served = files.served(&gateway).await;
    }
    let (connections, requests) = load.end().await;
    println!("{connections} connections and {requests} requests over 4 changes");
}

#[tokio::test]
async fn broken_file_keeps_the_certificate() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let files = Files::new();
    let options = files.options(&[]);
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let gateway = Gateway::start_logging(log.reopen().unwrap(), None, &options);
    let served = files.served(&gateway).await;
    let warnings = || {
        let log = std::fs::read_to_string(log.path()).unwrap();
        log.lines().filter(|line| line.contains("is not replaced")).map(str::to_owned).collect::<Vec<_>>()
    };
    let [certificate, key] = files.authority.pem("localhost");
    files.write("certificate", &certificate);
    wait_until(LIMIT, "a warning", async || warnings().len() == 1).await;
    assert!(warnings()[0].contains("does not belong to the certificate"), "{:?}", warnings());
    // The interval of the checks passes several times.
    sleep(Duration::from_secs(3)).await;
    assert_eq!(warnings().len(), 1, "{:?}", warnings());
    assert_eq!(files.served(&gateway).await, served);
    files.write("key", &key);
    wait_until(LIMIT, "the new certificate", async || files.served(&gateway).await != served).await;
    std::fs::remove_file(files.dir.path().join("key")).unwrap();
    wait_until(LIMIT, "another warning", async || warnings().len() == 2).await;
    assert!(warnings()[1].contains("cannot read"), "{:?}", warnings());
    files.served(&gateway).await;
}

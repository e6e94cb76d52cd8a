//! Servers that cannot be reached, at first or at all.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tower_canary::store::sql::{ConnectError, SqlStore};
use tower_canary::store::{ReplicaRegistry, Report, RouteStore, StoreError};
use url::Url;

use crate::addresses::own_host;
use crate::databases::{Kind, TestDatabase, TestUser};
use crate::sql::open_with_two_versions;
use crate::support::{apply, auth, by_alice, everything, register, set_weight};

crate::on_every_server! {
    wrong_password_is_not_shown
    unknown_user_is_reported
    missing_database_is_reported
    refused_port_is_reported_quickly
    silent_server_times_out
    unknown_options_are_refused
    password_option_is_not_shown
    lazy_store_connects_later
    silent_server_makes_calls_unavailable
    store_survives_a_server_outage
}

/// Returns an address where nothing listens yet, and that no other test gets.
async fn unused_address() -> SocketAddr {
    TcpListener::bind((own_host(), 0)).await.unwrap().local_addr().unwrap()
}

/// The URL of `database` with `address` in place of its server.
pub(crate) fn moved(database: &TestDatabase, address: SocketAddr) -> String {
    let mut url = Url::parse(&database.url).unwrap();
    url.set_ip_host(address.ip()).unwrap();
    url.set_port(Some(address.port())).unwrap();
    url.into()
}

fn with_password(url: &str) -> String {
    let mut url = Url::parse(url).unwrap();
    url.set_password(Some(TestUser::PASSWORD)).unwrap();
    url.into()
}

/// Forwards to the server of `database` as long as it lives.
pub(crate) struct Forwarder {
    pub(crate) address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Forwarder {
    pub(crate) async fn start(at: SocketAddr, database: &TestDatabase) -> Self {
        let server = Url::parse(&database.url).unwrap();
        let port = server.port().unwrap_or(if database.kind == Kind::Postgres { 5432 } else { 3306 });
        let server = (server.host_str().unwrap().to_owned(), port);
        let listener = TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (mut here, _) = listener.accept().await.unwrap();
                let server = server.clone();
                connections.spawn(async move {
                    let mut there = TcpStream::connect(server).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut here, &mut there).await;
                });
            }
        });
        Self { address, task }
    }

    /// Closes all connections and accepts no more.
    pub(crate) async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// Returns the error of a connection. Neither its message nor its `Debug` form may contain the password.
async fn refused(url: &str, within: Duration) -> String {
    let error = timeout(within, SqlStore::connect(url)).await.unwrap().unwrap_err();
    let mut texts = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(cause) = source {
        texts.push_str(&cause.to_string());
        source = cause.source();
    }
    assert!(!texts.contains(TestUser::PASSWORD), "{texts}");
    error.to_string()
}

/// Less than the 2.75 s in which a server has to respond.
const SOON: Duration = Duration::from_millis(2_500);

// The error says to check the user and the password.
async fn wrong_password_is_not_shown(kind: Kind) {
    let user = TestUser::new(kind).await;
    let database = TestDatabase::new(kind).await;
    let url = user.url_of(&database, "s3cret-but-wrong");
    // A server may be configured to accept every password.
    if sea_orm::Database::connect(&url).await.is_ok() {
        return;
    }
    let message = refused(&url, SOON).await;
    assert!(message.contains("check the user and the password"), "{message}");
}

async fn unknown_user_is_reported(kind: Kind) {
    let database = TestDatabase::new(kind).await;
    let mut url = Url::parse(&database.url).unwrap();
    url.set_username("canary_nobody").unwrap();
    let message = refused(&with_password(url.as_str()), SOON).await;
    assert!(message.contains("check the user and the password"), "{message}");
    assert!(message.contains(url.path()), "{message}");
}

async fn missing_database_is_reported(kind: Kind) {
    let mut url = Url::parse(&kind.required_server()).unwrap();
    url.set_path("canary_test_missing");
    let message = refused(url.as_str(), SOON).await;
    assert!(message.contains("/canary_test_missing: create the database first"), "{message}");
}

async fn refused_port_is_reported_quickly(kind: Kind) {
    let database = TestDatabase::new(kind).await;
    let address = unused_address().await;
    let message = refused(&with_password(&moved(&database, address)), SOON).await;
    assert!(message.contains("check that it runs and can be reached"), "{message}");
    assert!(message.contains(&address.to_string()), "{message}");
}

async fn silent_server_times_out(kind: Kind) {
    let database = TestDatabase::new(kind).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = with_password(&moved(&database, listener.local_addr().unwrap()));
    let message = refused(&url, Duration::from_secs(10)).await;
    assert!(message.contains("did not respond within 2.75s: check that it runs"), "{message}");
}

async fn unknown_options_are_refused(kind: Kind) {
    let database = TestDatabase::new(kind).await;
    let (tls, port) = match kind {
        Kind::Postgres => ("sslmode=s3cret", "postgres://me:s3cret@127.0.0.1:s3cret/db"),
        _ => ("ssl-mode=s3cret", "mysql://me:s3cret@127.0.0.1:s3cret/db"),
    };
    let mut url = Url::parse(&database.url).unwrap();
    url.set_query(Some(tls));
    for url in [url.as_str(), port] {
        let error = SqlStore::connect(url).await.unwrap_err();
        assert!(matches!(error, ConnectError::BadUrl(_)), "{error:?}");
        assert!(error.to_string().contains("not understood"), "{error}");
    }
}

async fn password_option_is_not_shown(kind: Kind) {
    let address = unused_address().await;
    let scheme = if kind == Kind::Postgres { "postgres" } else { "mysql" };
    for password in ["s3cret", "x@s3cret", "x#@s3cret", "x?@s3cret"] {
        let error =
            SqlStore::connect(&format!("{scheme}://{address}/db?password={password}")).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
}

async fn lazy_store_connects_later(kind: Kind) {
    let database = TestDatabase::new(kind).await;
    let address = unused_address().await;
    let store = SqlStore::connect_lazy(&moved(&database, address)).unwrap();
    unavailable_in_time(&store).await;
    let forwarder = Forwarder::start(address, &database).await;
    apply(&store, register("v1.0")).await;
    assert_eq!(store.load(0).await.unwrap().revision, 1);
    forwarder.stop().await;
}

async fn silent_server_makes_calls_unavailable(kind: Kind) {
    let database = TestDatabase::new(kind).await;
    let listener = TcpListener::bind((own_host(), 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let store = SqlStore::connect_lazy(&moved(&database, address)).unwrap();
    unavailable_in_time(&store).await;
    drop(listener);
    let forwarder = Forwarder::start(address, &database).await;
    apply(&store, register("v1.0")).await;
    forwarder.stop().await;
}

/// Makes all calls concurrently and asserts that each is unavailable within its limit.
async fn unavailable_in_time(store: &SqlStore) {
    let service = auth();
    let request = by_alice(register("v1.0"));
    let report = Report::new("a", "a", 1);
    let calls = futures_util::future::join5(
        store.load(0),
        store.commit(&service, &request),
        store.history(&service, None, 1),
        store.report(&report),
        store.replicas(),
    );
    // Where the machine stands still, both times pass at once, and the calls are looked at first.
    let (loaded, applied, history, reported, replicas) =
        timeout(Duration::from_secs(3), calls).await.unwrap();
    let errors = [loaded.err(), applied.err(), history.err(), reported.err(), replicas.err()];
    for error in errors {
        assert!(matches!(error, Some(StoreError::Unavailable(_))), "{error:?}");
    }
}

async fn store_survives_a_server_outage(kind: Kind) {
    let opened = open_with_two_versions(kind).await;
    let forwarder = Forwarder::start((own_host(), 0).into(), &opened.database).await;
    let address = forwarder.address;
    let store = SqlStore::connect(&moved(&opened.database, address)).await.unwrap();
    let before = everything(&store).await;
    forwarder.stop().await;
    unavailable_in_time(&store).await;
    let forwarder = Forwarder::start(address, &opened.database).await;
    assert_eq!(everything(&store).await, before);
    apply(&store, set_weight("v1.1", "10")).await;
    forwarder.stop().await;
}

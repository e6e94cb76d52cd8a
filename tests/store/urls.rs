//! Database URLs: their forms, and the parts of them that are shown.

use std::error::Error;
use std::io::Write;
use std::sync::{Arc, Mutex};

use tower_canary::store::RouteStore;
use tower_canary::store::sql::{ConnectError, SqlStore};
use url::Url;

use crate::connecting::{Forwarder, moved};
use crate::databases::{Kind, TestDatabase, TestUser};
use crate::sql::open_with_two_versions;

crate::on_every_database! {
    unknown_option_is_refused
    unknown_value_is_refused
    scheme_is_read_in_any_case
    newline_at_the_end_is_left_out;
    servers:
    malformed_url_is_not_shown
    encoded_password_is_decoded
    ip_v6_address_is_reached
    message_of_the_server_hides_the_user
    certificate_has_the_right_remedy
    missing_ca_file_has_the_right_remedy
}

const SECRET: &str = "s3cret";

/// Collects the log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Opens `url` without connecting. Returns the error, and asserts that neither it nor the log has the secret.
fn refused(url: &str) -> ConnectError {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let opened = tracing::subscriber::with_default(subscriber, || SqlStore::connect_lazy(url));
    let error = opened.map(|_| panic!("{url}")).unwrap_err();
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_hidden(&error, &logged);
    error
}

fn assert_hidden(error: &ConnectError, logged: &str) {
    let mut texts = format!("{error} {error:?} {logged}");
    let mut source = error.source();
    while let Some(cause) = source {
        texts.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    assert!(!texts.contains(SECRET), "{texts}");
}

fn with_query(database: &TestDatabase, query: &str) -> String {
    format!("{}?{query}", database.url.split('?').next().unwrap())
}

async fn unknown_option_is_refused(kind: Kind) {
    let database = TestDatabase::new(kind).await;
    // Options of other drivers, other letter cases, and the rest of a password with a '?'.
    for query in [
        "tls=s3cret",
        "useSSL=s3cret",
        "SSLMODE=s3cret",
        "Mode=s3cret",
        "s3cret=verify-full",
        "mode=ro&s3cret",
        "s3cret@127.0.0.1/db",
        "options[=s3cret",
        "=s3cret",
    ] {
        let error = refused(&with_query(&database, query));
        assert!(matches!(error, ConnectError::BadUrl(_)), "{query}: {error:?}");
    }
    let message = refused(&with_query(&database, "s3cret=1")).to_string();
    let known = match kind {
        Kind::Sqlite => "mode, cache, immutable, vfs",
        Kind::Postgres => "sslmode, ssl-mode, sslrootcert",
        Kind::MySql => "sslmode, ssl-mode, sslca",
    };
    assert!(message.contains(known) && message.contains("%3F"), "{message}");
}

async fn unknown_value_is_refused(kind: Kind) {
    let database = TestDatabase::new(kind).await;
    let options = match kind {
        Kind::Sqlite => &["mode", "cache", "immutable"][..],
        Kind::Postgres => &["sslmode", "ssl-mode", "port", "hostaddr", "statement-cache-capacity"],
        Kind::MySql => &["sslmode", "ssl-mode", "charset", "statement-cache-capacity"],
    };
    for option in options {
        let message = refused(&with_query(&database, &format!("{option}=s3cret"))).to_string();
        assert!(message.contains(&format!("the option {option} that is not understood")), "{message}");
    }
}

async fn scheme_is_read_in_any_case(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let (scheme, rest) = store.database.url.split_once(':').unwrap();
    for scheme in [scheme.to_uppercase(), scheme[..1].to_uppercase() + &scheme[1..]] {
        let other = SqlStore::connect(&format!("{scheme}:{rest}")).await.unwrap();
        assert_eq!(other.load(0).await.unwrap().revision, 2);
    }
}

async fn newline_at_the_end_is_left_out(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let bare = store.database.url.split('?').next().unwrap();
    for end in ["\n", "\r\n"] {
        let other = SqlStore::connect(&format!("{bare}{end}")).await.unwrap();
        assert_eq!(other.load(0).await.unwrap().revision, 2);
    }
    let inside = refused(&bare.replacen('/', "/\ns3cret", 1));
    assert!(matches!(inside, ConnectError::BadUrl(_)), "{inside:?}");
}

async fn malformed_url_is_not_shown(kind: Kind) {
    let scheme = if kind == Kind::Postgres { "postgres" } else { "mysql" };
    // The passwords have characters that are not encoded, or the scheme is missing.
    for url in [
        format!("{scheme}://s3cret:12#x@127.0.0.1/db"),
        format!("{scheme}://s3cret:12/x@127.0.0.1/db"),
        format!("{scheme}://s3cret:12?x@127.0.0.1/db"),
        format!("{scheme}://me:s3cret@127.0.0.1:s3cret/db"),
        format!("{scheme}://me:s3cret@[::1/db"),
        format!("{scheme}://me:s3cret@"),
        format!("{scheme}:s3cret"),
        "s3cret:s3cret@127.0.0.1/db".to_owned(),
        "s3cret".to_owned(),
        format!("{scheme}:// s3cret@127.0.0.1:x/db"),
    ] {
        let error = refused(&url);
        assert!(matches!(error, ConnectError::BadUrl(_) | ConnectError::NotAUrl), "{url}: {error:?}");
    }
}

async fn encoded_password_is_decoded(kind: Kind) {
    let user = TestUser::with_password(kind, "p@:/?#%&+ s3cret").await;
    let database = TestDatabase::new(kind).await;
    // Its rights do not matter: it is the password that a wrong one is refused for.
    let error = match SqlStore::connect(&user.url_of(&database, "p@:/?#%&+ s3cret")).await {
        Err(error) => error.to_string(),
        Ok(_) => String::new(),
    };
    assert!(!error.contains("check the user and the password"), "{error}");
}

async fn ip_v6_address_is_reached(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let forwarder = Forwarder::start("[::1]:0".parse().unwrap(), &store.database).await;
    let url = moved(&store.database, forwarder.address);
    assert!(url.contains("[::1]"), "{url}");
    assert_eq!(SqlStore::connect(&url).await.unwrap().load(0).await.unwrap().revision, 2);
    forwarder.stop().await;
}

async fn message_of_the_server_hides_the_user(kind: Kind) {
    let database = TestDatabase::new(kind).await;
    let mut url = Url::parse(&database.url).unwrap();
    url.set_username(SECRET).unwrap();
    let error = SqlStore::connect(url.as_str()).await.unwrap_err();
    assert_hidden(&error, "");
    if kind == Kind::Postgres {
        let error = SqlStore::connect(&with_query(&database, "options=-c%20s3cret%3D1")).await.unwrap_err();
        assert_hidden(&error, "");
    }
}

async fn certificate_has_the_right_remedy(kind: Kind) {
    let verify = if kind == Kind::Postgres { "sslmode=verify-full" } else { "ssl-mode=VERIFY_IDENTITY" };
    let database = TestDatabase::new(kind).await;
    let error = SqlStore::connect(&with_query(&database, verify)).await.unwrap_err();
    // The server has no certificate, or one that no authority signed.
    assert!(error.to_string().contains("check the certificate of the server"), "{error} {error:?}");
}

async fn missing_ca_file_has_the_right_remedy(kind: Kind) {
    let database = TestDatabase::new(kind).await;
    if !offers_tls(&database).await {
        return println!("skipped: the server has no TLS");
    }
    let query = match kind {
        Kind::Postgres => "sslmode=verify-ca&sslrootcert=/no/such/s3cret",
        _ => "ssl-mode=VERIFY_CA&ssl-ca=/no/such/s3cret",
    };
    let error = SqlStore::connect(&with_query(&database, query)).await.unwrap_err();
    assert!(error.to_string().contains("files that the URL names exist"), "{error} {error:?}");
    assert_hidden(&error, "");
}

async fn offers_tls(database: &TestDatabase) -> bool {
    let show = match database.kind {
        Kind::Postgres => "SELECT current_setting('ssl')",
        _ => "SELECT CAST(@@have_ssl AS CHAR)",
    };
    matches!(&*database.text(show).await, "on" | "YES")
}

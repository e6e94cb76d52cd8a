//! The behaviour of the SQL store on every database.

use std::ops::Deref;
use std::time::Duration;

use tower_canary::routing::Change;
use tower_canary::store::sql::SqlStore;
use tower_canary::store::{ReplicaRegistry, Report, RouteStore};

use crate::databases::{Kind, TestDatabase};
use crate::support::{
    apply, assert_totals, auth, by_alice, everything, only_the_newest_changes_are_kept, set_weight,
    two_versions, version,
};

/// A store on a database of its own.
#[derive(Debug)]
pub(crate) struct Opened {
    store: SqlStore,
    pub(crate) database: TestDatabase,
}

impl Opened {
    /// The store of another gateway on the same database.
    pub(crate) async fn another(&self) -> SqlStore {
        SqlStore::connect(&self.database.url).await.unwrap()
    }
}

impl Deref for Opened {
    type Target = SqlStore;

    fn deref(&self) -> &SqlStore {
        &self.store
    }
}

pub(crate) async fn open(kind: Kind) -> Opened {
    let database = TestDatabase::new(kind).await;
    Opened { store: SqlStore::connect(&database.url).await.unwrap(), database }
}

/// A store at generation 2, with all the traffic on `v1.0`.
pub(crate) async fn open_with_two_versions(kind: Kind) -> Opened {
    let opened = open(kind).await;
    two_versions(&*opened).await;
    opened
}

/// Runs each test on every kind of database, and the tests after `servers` on every server. A failure names the kind.
#[macro_export]
macro_rules! on_every_database {
    ($($test:ident)* $(; servers: $($on_server:ident)*)?) => {
        $crate::on_sqlite!($($test)*);
        $crate::on_every_server!($($test)* $($($on_server)*)?);
    };
}

/// Runs each test on every kind of database that is a server.
#[macro_export]
macro_rules! on_every_server {
    ($($test:ident)*) => {
        $crate::on_postgres!($($test)*);
        $crate::on_mysql!($($test)*);
    };
}

/// Runs each test on PostgreSQL. Without a server they are ignored, by name.
#[macro_export]
macro_rules! on_postgres {
    ($($test:ident)*) => {
        $crate::on_database!(postgres, Postgres, ["needs the feature postgres and CANARY_TEST_POSTGRES_URL"]: $($test)*);
    };
}

/// Runs each test on MySQL or MariaDB. Without a server they are ignored, by name.
#[macro_export]
macro_rules! on_mysql {
    ($($test:ident)*) => {
        $crate::on_database!(mysql, MySql, ["needs the feature mysql and CANARY_TEST_MYSQL_URL"]: $($test)*);
    };
}

/// Runs each test on SQLite, which needs no server.
#[macro_export]
macro_rules! on_sqlite {
    ($($test:ident)*) => {
        $crate::on_database!(sqlite, Sqlite, []: $($test)*);
    };
}

/// Runs each test on one kind of database.
#[macro_export]
macro_rules! on_database {
    ($module:ident, $kind:ident, $needs:tt: $($test:ident)*) => {
        mod $module {
            $($crate::on_database!(@test $kind, $needs, $test);)*
        }
    };
    (@test $kind:ident, [$($needs:literal)?], $test:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $(#[ignore = $needs])?
        async fn $test() {
            super::$test($crate::databases::Kind::$kind).await;
        }
    };
}

crate::on_every_database! {
    data_outlives_the_store
    two_stores_lose_no_change
    two_stores_count_every_change
    large_split_is_loaded_whole
    any_text_round_trips
    history_limit_keeps_newest_changes
    lowered_history_limit_trims_on_change
}

async fn history_limit_keeps_newest_changes(kind: Kind) {
    let database = TestDatabase::new(kind).await;
    let store = SqlStore::connect(&database.url).await.unwrap().with_history_limit(3);
    only_the_newest_changes_are_kept(&store).await;
    assert_eq!(database.count("gateway_split_change").await, 4);
}

async fn lowered_history_limit_trims_on_change(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let limited = store.another().await.with_history_limit(1);
    assert_eq!(store.database.count("gateway_split_change").await, 2);
    apply(&limited, set_weight("v1.1", "10")).await;
    assert_eq!(limited.history(&auth(), None, 9).await.unwrap()[0].generation, 3);
    assert_eq!(store.database.count("gateway_split_change").await, 1);
}

async fn data_outlives_the_store(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    apply(&*store, set_weight("v1.1", "12.34")).await;
    let before = everything(&*store).await;
    assert_eq!(everything(&store.another().await).await, before);
}

async fn two_stores_lose_no_change(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let other = store.another().await;
    let writers = [&*store, &other, &*store, &other].map(|store| async move {
        for step in 0..250_u32 {
            let percent = (step % 100).to_string();
            let name = if step % 2 == 0 { "v1.0" } else { "v1.1" };
            assert_totals(&apply(store, set_weight(name, &percent)).await.after);
        }
    });
    let changed = async {
        futures_util::future::join_all(writers).await;
    };
    let watched = async {
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            store.load(0).await.unwrap().splits.iter().for_each(assert_totals);
        }
    };
    tokio::select! { () = changed => {}, () = watched => {} }
    let last = store.load(0).await.unwrap();
    let history = store.history(&auth(), None, 10_000).await.unwrap();
    assert_eq!(last.revision, last.splits[0].generation());
    assert_eq!(history.len() as u64, last.revision);
    assert!(last.revision > 2);
}

async fn two_stores_count_every_change(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let other = store.another().await;
    // No two changes that follow each other may be equal, or one of them would change nothing.
    let write = async |to: &SqlStore, by: &str| {
        for step in 0..250 {
            let backend = format!("http://10.0.0.1/{by}/{step}").parse().unwrap();
            apply(to, Change::set_url(version("v1.0"), backend)).await;
        }
    };
    futures_util::join!(write(&store, "a"), write(&other, "b"), write(&store, "c"), write(&other, "d"));
    let last = other.load(0).await.unwrap();
    assert_eq!((last.revision, last.splits[0].generation()), (1_002, 1_002));
}

// 600 versions with URLs of 2,000 characters.
async fn large_split_is_loaded_whole(kind: Kind) {
    let store = open(kind).await;
    let url = format!("http://10.0.0.1:8080/{}", "p".repeat(2_000 - "http://10.0.0.1:8080/".len()));
    apply(&*store, Change::register(version("v0"), url.parse().unwrap())).await;
    let insert = "INSERT INTO gateway_service_version
        (id, service_id, version, url, weight, is_active, position, created_at, updated_at) VALUES";
    let rows: Vec<_> = (1..599)
        .map(|number| {
            format!(
                "('00000000-0000-8000-8000-{number:012}', 1, 'v{number}', '{url}', 0, TRUE, 1, {number}, 0)"
            )
        })
        .collect();
    store.database.by_hand(&format!("{insert} {}", rows.join(","))).await;
    let split = apply(&*store, Change::register(version("last"), url.parse().unwrap())).await.after;
    assert_eq!(split.versions().len(), 600);
    assert!(split.versions().iter().all(|version| version.backend().as_str() == url));
    let loaded = store.load(0).await.unwrap();
    assert_eq!((loaded.broken, loaded.splits), (vec![], vec![split]));
}

async fn any_text_round_trips(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let texts =
        ["\u{1f426} 'a' \"b\" `c` \\ \\' -- ; %_ $1 ? :x \r\n\t\u{7f}", "e\u{301} \u{202e} \u{10ffff}", " "];
    for (generation, text) in (3..).zip(texts) {
        let mut request = by_alice(set_weight("v1.1", &generation.to_string())).with_reason(text);
        request.actor = text.chars().rev().collect();
        store.commit(&auth(), &request).await.unwrap();
        let entry = store.history(&auth(), None, 1).await.unwrap().remove(0);
        assert_eq!((entry.actor, entry.reason.as_deref()), (request.actor, Some(text)));
        store.report(&Report::new(generation.to_string(), text, 1)).await.unwrap();
        assert!(store.replicas().await.unwrap().iter().any(|replica| replica.name == text));
    }
    let mut longest = by_alice(set_weight("v1.1", "50")).with_reason("\u{1f426}".repeat(1_000));
    longest.actor = "\u{1f426}".repeat(255);
    store.commit(&auth(), &longest).await.unwrap();
    let entry = store.history(&auth(), None, 1).await.unwrap().remove(0);
    assert_eq!((entry.actor, entry.reason), (longest.actor, longest.reason));
}

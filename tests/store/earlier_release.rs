//! Gateways of the release before on the tables of this release.

use tower_canary::routing::{Backend, Change, Instances, Registration, Split};
use tower_canary::store::sql::SqlStore;
use tower_canary::store::{Draining, HistoryEntry, ReplicaRegistry, Report, RouteStore};

use crate::databases::{Kind, TestDatabase, text};
use crate::earlier::{DELETE_V1_1, Earlier, SELECT_REPLICAS, insert_version, update_version, upsert_replica};
use crate::sql::{Opened, open};
use crate::support::{apply, assert_totals, auth, register, set_weight, version};

crate::on_every_database! {
    tables_are_upgraded_with_their_rows
    it_works_while_the_tables_are_upgraded
    it_serves_the_first_url
    its_weights_keep_all_urls
    its_url_replaces_the_first
    its_registration_has_one_url
    its_changes_keep_the_mirror
    its_registration_gets_no_copies
    its_reports_are_read
    it_reads_our_reports
}

/// A database with the tables of the release before, and rows of it: two versions at generation 2.
async fn earlier_database(kind: Kind) -> (TestDatabase, Earlier) {
    let database = TestDatabase::new(kind).await;
    let earlier = Earlier::connect(&database).await;
    earlier.create_tables().await;
    let service = r#"INSERT INTO "gateway_service_config" ("id", "service_name", "generation", "salt", "slots", "revision", "created_at", "updated_at", "epoch") VALUES (1, 'auth', 0, 7, '', 0, 5, 5, 0)"#;
    earlier.execute(service).await.unwrap();
    earlier.commit(1, "v1.0:10000", &[insert_version("v1.0", 10_000, 1)]).await;
    earlier.commit(2, "v1.0:10000", &[insert_version("v1.1", 0, 2)]).await;
    earlier.execute(&upsert_replica(kind)).await.unwrap();
    (database, earlier)
}

fn urls(numbers: impl IntoIterator<Item = usize>) -> Instances {
    let backends = numbers.into_iter().map(|number| format!("http://10.0.0.{number}").parse().unwrap());
    Instances::new(backends.collect()).unwrap()
}

/// A store at generation 2, whose `v1.0` has three URLs.
async fn open_with_three_urls(kind: Kind) -> (Opened, Earlier) {
    let store = open(kind).await;
    let instances = urls(1..4);
    let first = Registration::new(version("v1.0"), instances.first().clone()).with_instances(instances);
    apply(&*store, Change::Register(first)).await;
    apply(&*store, register("v1.1")).await;
    let earlier = Earlier::connect(&store.database).await;
    (store, earlier)
}

async fn loaded(store: &SqlStore) -> Split {
    store.load(0).await.unwrap().splits.remove(0)
}

async fn latest(store: &SqlStore) -> HistoryEntry {
    store.history(&auth(), None, 1).await.unwrap().remove(0)
}

async fn tables_are_upgraded_with_their_rows(kind: Kind) {
    let (database, earlier) = earlier_database(kind).await;
    let store = SqlStore::connect(&database.url).await.unwrap();
    assert_eq!(database.count("gateway_migrations").await, 19);
    assert_rows_are_read(&store).await;
    let more = apply(&store, Change::add_urls(version("v1.0"), urls([2]))).await.after;
    assert_eq!((more.versions()[0].instances.clone(), loaded(&store).await), (urls([1, 2]), more));
    assert_eq!(earlier.load().await[0].1, "http://10.0.0.1");
}

async fn assert_rows_are_read(store: &SqlStore) {
    let split = loaded(store).await;
    assert_eq!((split.generation(), split.salt(), split.versions().len()), (2, 7, 2));
    assert!(split.versions().iter().all(|version| version.instances == urls([1])));
    assert_eq!(latest(store).await.after[0].instances, Some(urls([1])));
    assert_eq!(store.replicas().await.unwrap()[0].draining, [Draining::new(auth(), version("v1.0"))]);
}

// Gateways are updated one by one: several start with this release while the others write.
async fn it_works_while_the_tables_are_upgraded(kind: Kind) {
    let (database, earlier) = earlier_database(kind).await;
    let writes = async {
        for generation in 3..43 {
            let weight = u32::try_from(generation).unwrap() * 100;
            let statements = [
                update_version("v1.0", "http://10.0.0.1", 10_000 - weight),
                update_version("v1.1", "http://10.0.0.1", weight),
            ];
            earlier.commit(generation, &format!("v1.0:{},v1.1:{weight}", 10_000 - weight), &statements).await;
            earlier.execute(&upsert_replica(kind)).await.unwrap();
            assert_eq!(earlier.load().await.len(), 2);
        }
    };
    let starts = async {
        for _ in 0..3 {
            let store = SqlStore::connect(&database.url).await.unwrap();
            assert_totals(&loaded(&store).await);
        }
    };
    futures_util::join!(writes, starts);
    let store = SqlStore::connect(&database.url).await.unwrap();
    let split = loaded(&store).await;
    assert_eq!((split.generation(), split.versions()[1].weight.hundredths()), (42, 4_200));
    assert_eq!(store.history(&auth(), None, 100).await.unwrap().len(), 42);
}

async fn it_serves_the_first_url(kind: Kind) {
    let (store, earlier) = open_with_three_urls(kind).await;
    let base = "http://10.0.0.1:8080/base".to_owned();
    let first = |url: &str| vec![("v1.0".into(), url.into(), 10_000), ("v1.1".into(), base.clone(), 0)];
    assert_eq!(earlier.load().await, first("http://10.0.0.1"));
    apply(&*store, Change::remove_urls(version("v1.0"), urls([1]))).await;
    assert_eq!(earlier.load().await, first("http://10.0.0.2"));
    apply(&*store, Change::add_urls(version("v1.0"), urls([1]))).await;
    assert_eq!(earlier.load().await, first("http://10.0.0.2"));
}

async fn its_weights_keep_all_urls(kind: Kind) {
    let (store, earlier) = open_with_three_urls(kind).await;
    let statements = [
        update_version("v1.0", "http://10.0.0.1", 9_000),
        update_version("v1.1", "http://10.0.0.1:8080/base", 1_000),
    ];
    earlier.commit(3, "v1.0:9000,v1.1:1000", &statements).await;
    let changed = store.load(2).await.unwrap().splits.remove(0);
    assert_eq!(changed.versions()[0].instances, urls(1..4));
    assert_eq!((changed.generation(), changed.versions()[1].weight.hundredths()), (3, 1_000));
    assert_eq!(changed.last_change().map(|last| &*last.actor), Some("bob"));
    let entry = latest(&store).await;
    assert_eq!((entry.generation, &entry.after[0].instances), (3, &Some(urls([1]))));
    let next = apply(&*store, set_weight("v1.1", "20")).await.after;
    assert_eq!((next.generation(), &next.versions()[0].instances), (4, &urls(1..4)));
}

// It is among the others, or new.
async fn its_url_replaces_the_first(kind: Kind) {
    for (url, expected) in [("http://10.0.0.3", urls([3, 2])), ("http://10.0.0.9", urls([9, 2, 3]))] {
        let (store, earlier) = open_with_three_urls(kind).await;
        earlier.commit(3, "v1.0:10000", &[update_version("v1.0", url, 10_000)]).await;
        assert_eq!(loaded(&store).await.versions()[0].instances, expected);
        assert_eq!(earlier.load().await[0].1, url);
        let last: Backend = "http://10.0.0.2".parse().unwrap();
        let less = apply(&*store, Change::remove_urls(version("v1.0"), last.into())).await.after;
        assert_eq!(less.versions()[0].instances, expected.without(&urls([2])).unwrap());
        assert_eq!(loaded(&store).await, less);
    }
}

async fn its_registration_has_one_url(kind: Kind) {
    let (store, earlier) = open_with_three_urls(kind).await;
    apply(&*store, Change::add_urls(version("v1.1"), urls([8]))).await;
    earlier.commit(4, "v1.0:10000", &[DELETE_V1_1.to_owned()]).await;
    assert_eq!(loaded(&store).await.versions().len(), 1);
    earlier.commit(5, "v1.0:10000", &[insert_version("v1.1", 0, 5)]).await;
    let again = loaded(&store).await;
    assert_eq!((again.generation(), &again.versions()[1].instances), (5, &urls([1])));
    assert_eq!(apply(&*store, set_weight("v1.1", "0")).await.after, again);
}

/// A store at generation 3, whose `v1.1` gets copies of requests.
async fn open_with_mirror(kind: Kind) -> (Opened, Earlier) {
    let store = open(kind).await;
    apply(&*store, register("v1.0")).await;
    apply(&*store, register("v1.1")).await;
    apply(&*store, Change::set_mirror(version("v1.1"), "12.5".parse().unwrap())).await;
    let earlier = Earlier::connect(&store.database).await;
    (store, earlier)
}

async fn its_changes_keep_the_mirror(kind: Kind) {
    let (store, earlier) = open_with_mirror(kind).await;
    let statements =
        [update_version("v1.0", "http://10.0.0.1", 9_000), update_version("v1.1", "http://10.0.0.1", 1_000)];
    earlier.commit(4, "v1.0:9000,v1.1:1000", &statements).await;
    let changed = loaded(&store).await;
    assert_eq!(changed.mirror().map(ToString::to_string).as_deref(), Some("12.5 % to v1.1"));
    assert_eq!((changed.generation(), changed.versions()[1].weight.hundredths()), (4, 1_000));
}

// It removes the version, and registers another one under its name.
async fn its_registration_gets_no_copies(kind: Kind) {
    let (store, earlier) = open_with_mirror(kind).await;
    earlier.commit(4, "v1.0:10000", &[DELETE_V1_1.to_owned()]).await;
    assert_eq!(loaded(&store).await.mirror(), None);
    earlier.commit(5, "v1.0:10000", &[insert_version("v1.1", 0, 5)]).await;
    assert_eq!(loaded(&store).await.mirror(), None);
    let next = apply(&*store, set_weight("v1.1", "20")).await.after;
    assert_eq!((loaded(&store).await, next.mirror()), (next.clone(), None));
}

async fn its_reports_are_read(kind: Kind) {
    let store = open(kind).await;
    let earlier = Earlier::connect(&store.database).await;
    let own = [Draining::new(auth(), version("v1.0")).with_url("http://10.0.0.1".parse().unwrap())];
    store.report(&Report::new("new", "a", 2).with_draining(own.to_vec())).await.unwrap();
    for _ in 0..2 {
        earlier.execute(&upsert_replica(kind)).await.unwrap();
        let replicas = store.replicas().await.unwrap();
        let found: Vec<_> = replicas.iter().map(|r| (&*r.id, &*r.draining, r.reports_urls)).collect();
        let versions = [Draining::new(auth(), version("v1.0"))];
        assert_eq!(found, [("new", &own[..], true), ("old", &versions[..], false)]);
    }
}

async fn it_reads_our_reports(kind: Kind) {
    let store = open(kind).await;
    let earlier = Earlier::connect(&store.database).await;
    let whole = Draining::new(auth(), version("v1.0"));
    let instance = Draining::new(auth(), version("v1.1")).with_url("http://10.0.0.1".parse().unwrap());
    store.report(&Report::new("new", "a", 2).with_draining(vec![whole, instance])).await.unwrap();
    assert_eq!(text(&earlier.db, SELECT_REPLICAS).await, r#"{"auth":["v1.0"]}"#);
}

//! The store of `examples/custom_store`.

use std::sync::Mutex;

use tempfile::TempDir;
use tower_canary::routing::Change;
use tower_canary::store::{ChangeRequest, RouteStore, contract};
use tower_canary::{Deployments, NoVersionCheck};

use crate::json_file_store::JsonFileStore;
use crate::support::{apply, auth, everything, set_weight, two_versions, version};

#[tokio::test]
async fn json_file_store_keeps_the_contract() {
    let folders: Mutex<Vec<TempDir>> = Mutex::default();
    let new_store = async || {
        let folder = tempfile::tempdir().unwrap();
        let store = JsonFileStore::open(&folder.path().join("splits.json")).unwrap();
        folders.lock().unwrap().push(folder);
        store
    };
    contract::run_all(new_store).await;
}

#[tokio::test]
async fn json_file_store_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("splits.json");
    let store = JsonFileStore::open(&file).unwrap();
    two_versions(&store).await;
    apply(&store, set_weight("v1.1", "12.34")).await;
    let before = everything(&store).await;
    assert_eq!(everything(&JsonFileStore::open(&file).unwrap()).await, before);
}

#[tokio::test]
async fn json_file_store_restores_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("splits.json");
    let store = JsonFileStore::open(&file).unwrap();
    two_versions(&store).await;
    apply(&store, Change::switch(version("v1.1"))).await;
    drop(store);

    let store = JsonFileStore::open(&file).unwrap();
    let deployments = Deployments::start(store.clone(), NoVersionCheck).await.unwrap();
    let restore = deployments.restore_change(&auth(), 2).await.unwrap();
    deployments.apply(&auth(), ChangeRequest::new(restore, "bob")).await.unwrap();
    let split = store.load(0).await.unwrap().splits.remove(0);
    assert_eq!(split.version("v1.0").unwrap().weight.percent(), 100.0);
    assert_eq!(split.generation(), 4);
}

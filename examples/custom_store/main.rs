//! A store of your own: one JSON file. `cargo run --example custom_store`
//!
//! Makes some changes, starts again from the file, and undoes one of them. Copy `json_file_store.rs` as a start for your
//! own store, and run the test suite `tower_canary::store::contract` against it.

mod json_file_store;

use std::error::Error;
use std::path::Path;

use tower_canary::routing::Change;
use tower_canary::store::ChangeRequest;
use tower_canary::{Deployments, NoVersionCheck, ServiceName};

use self::json_file_store::JsonFileStore;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("splits.json");
    let auth = "auth".parse()?;

    let before = start(&file).await?;
    register(&before, &auth, "v1.0", "http://10.0.0.1:8080").await?;
    register(&before, &auth, "v1.1", "http://10.0.0.2:8080").await?;
    let switch = Change::switch("v1.1".parse()?);
    before.apply(&auth, ChangeRequest::new(switch, "alice").with_reason("the canary is good")).await?;
    print_history(&before, &auth).await?;
    drop(before);

    println!("\nAfter a restart, bob restores generation 2:");
    let after = start(&file).await?;
    let restore = after.restore_change(&auth, 2).await?;
    after.apply(&auth, ChangeRequest::new(restore, "bob").with_reason("v1.1 responds with 500")).await?;
    print_history(&after, &auth).await?;

    println!("\nThe file:\n{}", std::fs::read_to_string(&file)?);
    Ok(())
}

async fn start(file: &Path) -> Result<Deployments, Box<dyn Error>> {
    let store = JsonFileStore::open(file)?;
    Ok(Deployments::start(store, NoVersionCheck).await?)
}

async fn register(
    deployments: &Deployments,
    service: &ServiceName,
    version: &str,
    url: &str,
) -> Result<(), Box<dyn Error>> {
    let register = Change::register(version.parse()?, url.parse()?);
    deployments.apply(service, ChangeRequest::new(register, "alice")).await?;
    Ok(())
}

async fn print_history(deployments: &Deployments, service: &ServiceName) -> Result<(), Box<dyn Error>> {
    for entry in deployments.history(service, None, 10).await?.iter().rev() {
        let reason = entry.reason.as_deref().unwrap_or("no reason");
        let shares: Vec<_> = entry
            .after
            .iter()
            .map(|share| format!("{} {}%", share.version, share.weight.percent()))
            .collect();
        println!("{}. {} by {} ({reason}): {}", entry.generation, entry.kind, entry.actor, shares.join(", "));
    }
    Ok(())
}

//! The gateways that share the store.

use std::time::Duration;

use clap::Args;
use tower_canary::api::{DrainingView, ReplicaList, ReplicaView};

use crate::client::{Call, Endpoint};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::figures::{NONE, time};
use crate::output::{Cell, Column, Table};
use crate::session::Session;

/// Lists the gateways and whether they serve the last change
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  canary replicas")]
pub(crate) struct Replicas {}

impl Replicas {
    /// Lists the gateways that have reported to the store.
    pub(crate) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let answer = session.api.send(&Call::new(Endpoint::Replicas)).await?;
        let list: ReplicaList = answer.read()?;
        session.terminal.answer(&answer.text, || text(&list));
        Ok(Exit::Done)
    }
}

/// Returns a line for all gateways, then one for each.
pub(crate) fn text(list: &ReplicaList) -> String {
    let mut table = Table::new(&[
        Column::left("GATEWAY"),
        Column::right("REVISION"),
        Column::left("STATE"),
        Column::left("SEEN"),
        Column::left("ADMIN API"),
        Column::left("DRAINING"),
    ]);
    for replica in &list.replicas {
        table.row(vec![
            Cell::name(&replica.name),
            replica.revision.to_string().into(),
            state(replica, list.revision),
            format!("{} ago", time(Duration::from_millis(replica.seen_ms))).into(),
            replica.admin_url.as_deref().unwrap_or(NONE).into(),
            draining_text(&replica.draining).into(),
        ]);
    }
    summary(list) + "\n" + &table.render()
}

/// Returns how many gateways serve the last revision.
pub(crate) fn summary(list: &ReplicaList) -> String {
    let serving = list.replicas.iter().filter(|replica| replica.revision == list.revision).count();
    format!("{serving} of {} gateways serve revision {}", list.replicas.len(), list.revision)
}

/// Returns how far a gateway has followed the store. A name in use twice comes first: the two cannot be told
/// apart elsewhere.
fn state(replica: &ReplicaView, revision: u64) -> Cell {
    if replica.shares_name {
        return Cell::bad("name in use twice");
    }
    match revision.saturating_sub(replica.revision) {
        0 => Cell::good("serves it"),
        behind => Cell::watch(&format!("{behind} behind")),
    }
}

/// Lists the versions and instances that the gateway still has requests for.
fn draining_text(draining: &[DrainingView]) -> String {
    let texts = draining.iter().map(|draining| match &draining.url {
        Some(url) => format!("{} {} {url}", draining.service, draining.version),
        None => format!("{} {}", draining.service, draining.version),
    });
    let text = texts.collect::<Vec<_>>().join(", ");
    if text.is_empty() { NONE.into() } else { text }
}

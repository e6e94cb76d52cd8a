//! The history of a service, and the restore of an earlier generation.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use tower_canary::api::{
    HistoryEntryView, HistoryPage, PageParams, RefusalPage, RestoreGeneration, ShareView,
};
use tower_canary::routing::ServiceName;

use super::change;
use super::effect::Effect;
use crate::client::{Call, Endpoint};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::WriteOptions;
use crate::output::figures::{NONE, moment};
use crate::output::{Cell, Column, Table};
use crate::session::Session;

/// Lists the changes of a service, or those that were refused, latest first
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  canary history auth --limit 5\n  canary history auth --refused")]
pub(crate) struct History {
    /// Name of the service
    service: ServiceName,

    /// Number of changes
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,

    /// List the changes that were refused
    #[arg(long)]
    refused: bool,
}

/// Restores an earlier generation: weights, URLs, the versions in service and the health path
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  canary restore auth 2 --dry-run\n  canary restore auth 2 --reason \"as before the release\""
)]
pub(crate) struct Restore {
    /// Name of the service
    service: ServiceName,

    /// Generation, as `canary history` lists it
    generation: u64,

    #[command(flatten)]
    write: WriteOptions,
}

impl History {
    pub(crate) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        if self.refused {
            return self.refusals(session).await;
        }
        let mut params = PageParams::default();
        params.limit = Some(self.limit);
        let call = Call::new(Endpoint::History).service(&self.service).query(&params)?;
        let answer = session.api.send(&call).await?;
        let page: HistoryPage = answer.read()?;
        session.terminal.answer(&answer.text, || changes(&page));
        Ok(Exit::Done)
    }

    /// Lists the refused changes instead.
    async fn refusals(&self, session: &Session) -> Result<Exit, Failure> {
        let mut params = PageParams::default();
        params.limit = Some(self.limit);
        let call = Call::new(Endpoint::Refusals).service(&self.service).query(&params)?;
        let answer = session.api.send(&call).await?;
        let page: RefusalPage = answer.read()?;
        session.terminal.answer(&answer.text, || refusals(&page));
        Ok(Exit::Done)
    }
}

/// Returns the table of changes. Of the weights it shows those that a change moved.
fn changes(page: &HistoryPage) -> String {
    let mut table = Table::new(&[
        Column::right("GENERATION"),
        Column::left("AT"),
        Column::left("ACTOR"),
        Column::left("CHANGE"),
        Column::left("WEIGHTS"),
        Column::left("REASON"),
    ]);
    for entry in &page.history {
        let request = &entry.request;
        let change = format!("{} {}", request.change, request.version.as_deref().unwrap_or_default());
        table.row(vec![
            entry.generation.to_string().into(),
            moment(entry.at).into(),
            (&request.actor).into(),
            change.trim_end().into(),
            weights(entry).into(),
            request.reason.as_deref().unwrap_or(NONE).into(),
        ]);
    }
    table.render()
}

/// Returns the weights that differ: `v1.0 100→90 %, v1.1 0→10 %`.
fn weights(entry: &HistoryEntryView) -> String {
    let versions: BTreeSet<&String> = entry.before.keys().chain(entry.after.keys()).collect();
    let differing = versions.into_iter().filter_map(|version| {
        let before = weight(&entry.before, version);
        let after = weight(&entry.after, version);
        (before != after).then(|| format!("{version} {before}→{after} %"))
    });
    let text = differing.collect::<Vec<_>>().join(", ");
    if text.is_empty() { NONE.into() } else { text }
}

/// Returns the weight of a version, or a dash if the split did not have it.
fn weight(shares: &BTreeMap<String, ShareView>, version: &str) -> String {
    shares.get(version).map_or_else(|| NONE.to_owned(), |share| share.weight.to_string())
}

/// Returns the table of refused changes, each with its reason.
fn refusals(page: &RefusalPage) -> String {
    let columns = [Column::left("AT"), Column::left("ACTOR"), Column::left("ASKED"), Column::left("WHY")];
    let mut table = Table::new(&columns);
    for refusal in &page.refused {
        table.row(vec![
            moment(refusal.at).into(),
            (&refusal.request.actor).into(),
            Cell::from(&refusal.asked),
            (&refusal.why).into(),
        ]);
    }
    table.render()
}

impl Restore {
    pub(crate) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let mut body = RestoreGeneration::new(self.generation);
        body.reason.clone_from(&self.write.reason);
        let call = Call::new(Endpoint::Restore).body(&body)?;
        change::make(session, &self.service, call, &self.write, Effect::Invisible).await
    }
}

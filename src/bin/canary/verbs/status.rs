//! The services in a line each, or one service with the figures of its versions.

use clap::Args;
use tower_canary::api::{
    ServiceList, ServiceTrafficView, SplitView, StatusView, TrafficOverview, TrafficView, VersionView,
    WindowView,
};
use tower_canary::routing::ServiceName;

use super::badge::badge;
use super::split;
use crate::client::{Call, Endpoint};
use crate::escape::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::figures::{LEAST_REQUESTS, NONE, ago, milliseconds, per_second, percent, rate, share};
use crate::output::{Cell, Column, Table};
use crate::session::Session;

/// The window of the figures: long enough for a share, short enough for a rollout.
const WINDOW: &str = "60s";

/// Shows all services in a line each, or one service with the figures of its versions
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  canary status\n  canary status auth\n  canary status auth --output json"
)]
pub(crate) struct Status {
    /// Name of the service
    service: Option<ServiceName>,
}

impl Status {
    pub(crate) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        match &self.service {
            Some(service) => one(session, service).await,
            None => all(session).await,
        }
    }
}

/// Lists all services. As JSON it is the list of the API alone, from one call.
async fn all(session: &Session) -> Result<Exit, Failure> {
    let answer = session.api.send(&Call::new(Endpoint::Services)).await?;
    let list: ServiceList = answer.read()?;
    if session.is_json() {
        session.terminal.answer(&answer.text, String::new);
        return Ok(Exit::Done);
    }
    let overview: TrafficOverview = session.api.send(&Call::new(Endpoint::Overview)).await?.read()?;
    let status: StatusView = session.api.send(&Call::new(Endpoint::Status)).await?.read()?;
    warn(session, &status);
    session.terminal.print(&services(&list, &overview));
    Ok(Exit::Done)
}

/// Warns of routes that do not follow the store.
fn warn(session: &Session, status: &StatusView) {
    let age = status.age_ms / 1_000;
    if status.from_cache {
        session
            .terminal
            .log("warning: the gateway serves its saved snapshot: it has not read the store since its start");
    } else if status.stale {
        session
            .terminal
            .log(&format!("warning: the store cannot be read: the gateway serves the routes of {age} s ago"));
    }
    if !status.broken.is_empty() {
        let services = status.broken.join(", ");
        session.terminal.log(&format!(
            "warning: the stored split cannot be read, see the log of the gateway: {services}"
        ));
    }
}

/// Returns the services, a line each.
pub(crate) fn services(list: &ServiceList, overview: &TrafficOverview) -> String {
    let mut table = Table::new(&[
        Column::left("SERVICE"),
        Column::right("GENERATION"),
        Column::left("VERSIONS"),
        Column::right("REQ/S"),
        Column::right("FAILED"),
        Column::right("IN FLIGHT"),
        Column::left("CHANGED"),
    ]);
    for split in &list.services {
        let figures = overview.services.iter().find(|figures| figures.service == split.service);
        table.row(vec![
            Cell::name(&split.service),
            split.generation.to_string().into(),
            shares(&split.versions).into(),
            per_second(figures.map_or(0.0, |figures| figures.per_second)).into(),
            figures.map_or_else(|| NONE.into(), failure_rate).into(),
            figures.map_or(0, |figures| figures.in_flight).to_string().into(),
            last_change(split).into(),
        ]);
    }
    table.render()
}

/// Lists the versions with traffic, each with its weight.
fn shares(versions: &[VersionView]) -> String {
    let with_traffic = versions.iter().filter(|version| !version.weight.weight().is_zero());
    let texts = with_traffic.map(|version| format!("{} {}", version.version, split::weight(version)));
    let text = texts.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "no active version".into() } else { text }
}

/// Returns the part of the requests that failed, or `n=` and their number if there were too few for a percentage.
fn failure_rate(figures: &ServiceTrafficView) -> String {
    match figures.failed {
        Some(_) if figures.n < LEAST_REQUESTS => format!("n={}", figures.n),
        Some(failed) => percent(failed),
        None => NONE.into(),
    }
}

/// Returns when the service was changed last, and by which actor.
fn last_change(split: &SplitView) -> String {
    match &split.last_change {
        Some(last) => format!("{} by {}", ago(last.at), last.actor),
        None => NONE.into(),
    }
}

/// Shows one service with the figures of its versions.
async fn one(session: &Session, service: &ServiceName) -> Result<Exit, Failure> {
    let answer = session.api.send(&Call::new(Endpoint::Versions).service(service)).await?;
    let split: SplitView = answer.read()?;
    if session.is_json() {
        session.terminal.answer(&answer.text, String::new);
        return Ok(Exit::Done);
    }
    let traffic: TrafficView =
        session.api.send(&Call::new(Endpoint::Traffic).service(service)).await?.read()?;
    session.terminal.print(&versions(&split, &traffic));
    Ok(Exit::Done)
}

/// The columns of one service.
const COLUMNS: [Column; 10] = [
    Column::left("VERSION"),
    Column::right("WEIGHT"),
    Column::right("OBSERVED"),
    Column::right("REQ/S"),
    Column::right("4XX"),
    Column::right("FAILED"),
    Column::right("P50"),
    Column::right("P99"),
    Column::right("IN FLIGHT"),
    Column::left("STATE"),
];

/// Returns a service with the figures of the last minute.
pub(crate) fn versions(split: &SplitView, traffic: &TrafficView) -> String {
    let mut table = Table::new(&COLUMNS);
    for version in &traffic.versions {
        let name = Cell::name(&version.version);
        let weight = format!("{} %", version.weight).into();
        let window = version.windows.iter().find(|window| window.window == WINDOW);
        let figures = window.map_or_else(|| vec![NONE.into(); 6], cells);
        let tail = vec![version.in_flight.to_string().into(), badge(split, version)];
        table.row([vec![name, weight], figures, tail].concat());
    }
    title(split, traffic) + &table.render() + &unserved(traffic)
}

/// Returns the line above the table, with the gateway whose figures these are.
fn title(split: &SplitView, traffic: &TrafficView) -> String {
    let replica = traffic.replica.as_deref().map_or(String::new(), |name| format!("  at {}", escape(name)));
    format!("{}  last 60 s{replica}\n", split::title(split).trim_end())
}

/// Returns a line about requests that no version got.
fn unserved(traffic: &TrafficView) -> String {
    match traffic.unserved {
        0 => String::new(),
        count => format!("{count} requests found no active version or no usable instance\n"),
    }
}

/// Returns the figures of a window.
fn cells(window: &WindowView) -> Vec<Cell> {
    let figures = &window.figures;
    vec![
        share(window).into(),
        per_second(window.per_second).into(),
        rate(figures, &["4xx"]).into(),
        rate(figures, &["5xx", "error"]).into(),
        milliseconds(figures.latency.p50_ms).into(),
        milliseconds(figures.latency.p99_ms).into(),
    ]
}

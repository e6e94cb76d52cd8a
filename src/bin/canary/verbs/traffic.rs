//! The traffic of a service in detail, once or as it goes on.

use clap::{Args, ValueEnum};
use tower_canary::api::{TrafficParams, TrafficView, VersionTrafficView, WindowView};
use tower_canary::routing::{ServiceName, VersionName};

use crate::client::{Call, Endpoint, Follow};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::figures::{NONE, count, interval, milliseconds, moment, per_second, rate, share};
use crate::output::{Cell, Column, Table};
use crate::session::Session;

/// Shows the figures of each version: shares with their intervals, outcomes, latencies
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  canary traffic auth --window 10s\n  canary traffic auth --watch --timeout 3s"
)]
pub(crate) struct Traffic {
    /// Name of the service
    service: ServiceName,

    /// Show this version alone
    #[arg(long, value_name = "VERSION")]
    version: Option<VersionName>,

    /// Period of the figures
    #[arg(long, value_name = "TIME", value_enum, default_value_t = Window::Minute)]
    window: Window,

    /// Go on every two seconds, until --timeout or Ctrl-C
    #[arg(long)]
    watch: bool,
}

/// A period that the API has figures of.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Window {
    #[value(name = "10s")]
    TenSeconds,
    #[value(name = "60s")]
    Minute,
    #[value(name = "5m")]
    FiveMinutes,
}

impl Window {
    /// Returns the name that the API gives the window.
    const fn name(self) -> &'static str {
        match self {
            Self::TenSeconds => "10s",
            Self::Minute => "60s",
            Self::FiveMinutes => "5m",
        }
    }
}

impl Traffic {
    pub(crate) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let mut params = TrafficParams::default();
        params.version = self.version.as_ref().map(ToString::to_string);
        let call = Call::new(Endpoint::Traffic).service(&self.service).query(&params)?;
        if self.watch {
            return self.follow(session, call).await;
        }
        let answer = session.api.send(&call).await?;
        let traffic: TrafficView = answer.read()?;
        session.terminal.answer(&answer.text, || text(&traffic, self.window));
        Ok(Exit::Done)
    }

    /// Shows the figures of each event until stdout is closed, or until the end of `--timeout`.
    async fn follow(&self, session: &Session, call: Call) -> Result<Exit, Failure> {
        let mut events = Follow::new(&session.api, call, session.given_deadline());
        while !session.terminal.is_closed() {
            let Some(event) = events.next().await? else { break };
            if session.is_json() {
                session.terminal.event("traffic", &event.data);
                continue;
            }
            let traffic: TrafficView = serde_json::from_str(&event.data).map_err(|error| {
                Failure::failed(format!("an event has another form than expected: {error}"))
            })?;
            session.terminal.print(&format!("{}\n{}", moment(traffic.at), text(&traffic, self.window)));
        }
        Ok(Exit::Done)
    }
}

/// Returns the table of one window.
fn text(traffic: &TrafficView, window: Window) -> String {
    let mut table = Table::new(&[
        Column::left("VERSION"),
        Column::right("WEIGHT"),
        Column::right("OBSERVED"),
        Column::right("95 % INTERVAL"),
        Column::right("REQUESTS"),
        Column::right("REQ/S"),
        Column::right("4XX"),
        Column::right("5XX"),
        Column::right("NO RESPONSE"),
        Column::right("P50"),
        Column::right("P99"),
        Column::right("P99.9"),
        Column::right("DIVERTED"),
        Column::right("IN FLIGHT"),
    ]);
    for version in &traffic.versions {
        let found = version.windows.iter().find(|found| found.window == window.name());
        table.row(row(version, found));
    }
    table.render()
}

/// Returns the row of a version. A window without figures has dashes.
fn row(version: &VersionTrafficView, window: Option<&WindowView>) -> Vec<Cell> {
    let mut cells = vec![Cell::name(&version.version), format!("{} %", version.weight).into()];
    cells.extend(window.map_or_else(|| vec![NONE.into(); 10], figures));
    cells.push(count(version.diverted).into());
    cells.push(version.in_flight.to_string().into());
    cells
}

/// Returns the cells that depend on the window.
fn figures(window: &WindowView) -> Vec<Cell> {
    let figures = &window.figures;
    vec![
        share(window).into(),
        interval(window).into(),
        count(figures.requests).into(),
        per_second(window.per_second).into(),
        rate(figures, &["4xx"]).into(),
        rate(figures, &["5xx"]).into(),
        rate(figures, &["error", "abandoned"]).into(),
        milliseconds(figures.latency.p50_ms).into(),
        milliseconds(figures.latency.p99_ms).into(),
        milliseconds(figures.latency.p999_ms).into(),
    ]
}

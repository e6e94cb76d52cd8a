//! Watching a rollout to its end.

use std::time::Duration;

use clap::Args;
use tokio::time::Instant;
use tower_canary::api::{RolloutDetails, RolloutEventView, RolloutSummary};
use tower_canary::routing::ServiceName;

use super::{progress, rail};
use crate::client::{Call, Endpoint, Follow};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Progress;
use crate::output::figures::NONE;
use crate::session::Session;

/// The longest wait unless `--timeout` is given.
pub(super) const LIMIT: Duration = Duration::from_hours(4);

/// Follows a rollout until it is over or paused: 4h, or --timeout. Exit codes 6: taken back, 7: paused
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  canary rollout start auth v1.1\n  canary rollout watch auth --timeout 3s || true"
)]
pub(super) struct Watch {
    /// Name of the service
    service: ServiceName,
}

impl Watch {
    /// Follows the rollout that is under way now. A later one of the same service is another rollout.
    pub(super) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let deadline = session.deadline(LIMIT);
        let call = Call::new(Endpoint::Rollout).service(&self.service).rollout("current");
        let rollout: RolloutSummary = session.api.send(&call).await?.read()?;
        follow(session, &rollout, deadline).await
    }
}

/// Follows a rollout until it is over or paused, and writes each event once. At the deadline it fails, and the rollout goes
/// on.
pub(super) async fn follow(
    session: &Session,
    rollout: &RolloutSummary,
    deadline: Instant,
) -> Result<Exit, Failure> {
    let name = &rollout.service;
    let service: ServiceName = name.parse().map_err(|error| Failure::failed(format!("{error}")))?;
    let back = format!("`canary rollout abort {name}` goes back");
    session.on_interrupt(format!("note: the rollout goes on; {back}"));
    let call = Call::new(Endpoint::Rollout).service(&service).rollout(&rollout.id);
    // It exists: no gateway that goes away ends the wait.
    let mut stream = Follow::new(&session.api, call, Some(deadline)).assume_existing();
    let mut course = Course::new(session);
    while let Some(event) = stream.next().await? {
        let details: RolloutDetails = serde_json::from_str(&event.data)
            .map_err(|error| Failure::failed(format!("an event has another form than expected: {error}")))?;
        course.show(&details);
        if let Some(exit) = progress::exit(&details.summary) {
            course.end(&details, &event.data);
            return Ok(exit);
        }
    }
    Err(Failure::timed_out(format!("the time ran out: {}; the rollout goes on, {back}", course.last)))
}

/// The part of a rollout that was shown.
struct Course<'a> {
    session: &'a Session,
    progress: Progress<'a>,
    /// Whether the title was written, which comes once.
    has_title: bool,
    /// The place of the last event that was written.
    written: Option<(u64, u32)>,
    /// The last state as text, for the message when the time runs out.
    last: String,
}

impl<'a> Course<'a> {
    /// Begins without an event.
    fn new(session: &'a Session) -> Self {
        let progress = Progress::new(&session.terminal);
        Self { session, progress, has_title: false, written: None, last: "no gateway has responded".into() }
    }

    /// Writes the title, the events that were not written yet, and the present state. A stream that was opened again repeats the earlier ones.
    fn show(&mut self, details: &RolloutDetails) {
        if !self.has_title && !self.session.is_json() {
            let title = format!("{}\n{}", progress::summary(&details.summary), rail::replicas(details));
            self.progress.print(&title);
        }
        self.has_title = true;
        for event in &details.events {
            let place = Some((event.turn, event.position));
            if place > self.written {
                self.written = place;
                self.write(event);
            }
        }
        self.last = progress::line(details);
        self.progress.show(&self.last);
    }

    /// Writes one event: as a line for people, or as JSON.
    fn write(&self, event: &RolloutEventView) {
        if self.session.is_json() {
            let data = serde_json::to_string(event).unwrap_or_default();
            self.session.terminal.event(&event.kind, &data);
        } else {
            self.progress.print(&rail::event(event));
        }
    }

    /// Writes the last state of the rollout.
    fn end(self, details: &RolloutDetails, data: &str) {
        drop(self.progress);
        if self.session.is_json() {
            self.session.terminal.event("rollout", data);
        } else {
            self.session.terminal.print(&progress::summary(&details.summary));
        }
    }
}

/// Joins texts for one cell of a table. Without any, the cell has a dash.
pub(super) fn list(texts: &[String]) -> String {
    if texts.is_empty() { NONE.into() } else { texts.join(", ") }
}

//! The course of a wait: what it waits for, what it saw last, and its end.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::client::{Answer, Call};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Progress;
use crate::session::Session;

/// The longest wait unless `--timeout` is given.
const LIMIT: Duration = Duration::from_secs(600);

/// A wait under way.
#[derive(Debug)]
pub(super) struct Pace<'a> {
    session: &'a Session,
    progress: Progress<'a>,
    deadline: Instant,
    /// The last text that was shown, for the message when the time runs out.
    last: String,
    /// Whether a gateway has responded.
    is_known: bool,
}

impl<'a> Pace<'a> {
    /// Begins a wait. The time counts from here.
    pub(super) fn new(session: &'a Session) -> Self {
        let progress = Progress::new(&session.terminal);
        Self { session, progress, deadline: session.deadline(LIMIT), last: String::new(), is_known: false }
    }

    /// Returns the time until the deadline. It is zero after it.
    pub(super) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Sends a call of the wait. `wait` is the time after which the API responds at the latest, if it waits itself.
    ///
    /// Its retries end when one call could have been made after the deadline: a response to a call from just before the
    /// deadline still counts. Then it fails as [`pause`](Self::pause) does, or, if no gateway has responded yet, as a call does.
    pub(super) async fn send(&self, call: &Call, wait: Duration) -> Result<Answer, Failure> {
        let end = self.deadline + self.session.api.limit();
        let sent = timeout_at(end, self.session.api.send_waiting(call, wait)).await;
        match sent {
            Ok(result) => result,
            Err(_) if self.is_known => Err(self.timed_out()),
            Err(_) => Err(Failure::failed(format!("{} did not respond in time", self.session.api.mount()))),
        }
    }

    /// Shows what a response says: `text` for people, `data` as an event.
    pub(super) fn show(&mut self, text: String, data: &str) {
        self.is_known = true;
        if self.session.is_json() && text != self.last {
            self.session.terminal.event("waiting", data);
        }
        self.progress.show(&text);
        self.last = text;
    }

    /// Pauses. At the end of the time it fails with what the wait saw last.
    pub(super) async fn pause(&self, pause: Duration) -> Result<(), Failure> {
        sleep_until((Instant::now() + pause).min(self.deadline)).await;
        if self.remaining().is_zero() {
            return Err(self.timed_out());
        }
        Ok(())
    }

    /// Goes on after a gateway that did not respond, as long as there is time. Other failures end the wait, and so does a
    /// first response that does not come: the address may be wrong.
    pub(super) async fn tolerate(&mut self, failure: Failure, pause: Duration) -> Result<(), Failure> {
        if failure.exit() != Exit::Failed || !self.is_known {
            return Err(failure);
        }
        self.show(format!("the gateway does not respond: {failure}"), "");
        self.pause(pause).await
    }

    /// Creates the failure at the end of the time, with what the wait saw last.
    fn timed_out(&self) -> Failure {
        Failure::timed_out(format!("the time ran out: {}", self.last))
    }

    /// Ends the wait with its event or its text.
    pub(super) fn finish(self, event: &str, data: &str, text: &str) -> Exit {
        drop(self.progress);
        if self.session.is_json() {
            self.session.terminal.event(event, data);
        } else {
            self.session.terminal.print(text);
        }
        Exit::Done
    }
}

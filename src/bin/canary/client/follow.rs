//! A stream of events that goes on when it ends and when a gateway goes.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::Response;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::api::Api;
use super::attempt::{Cause, Trouble};
use super::call::Call;
use super::events::{Event, EventReader};
use crate::failure::Failure;

/// Streams send something every few seconds. One that is silent for longer is dead.
const SILENCE: Duration = Duration::from_secs(20);

/// The pauses between attempts to open a stream, once every address has failed.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// The events of a call, opened again at the next address as often as necessary.
#[derive(Debug)]
pub(crate) struct Follow<'a> {
    api: &'a Api,
    call: Call,
    stream: Option<Response>,
    reader: EventReader,
    /// The events that were received and not returned yet.
    ready: VecDeque<Event>,
    /// The failed attempts since the last event.
    failed: usize,
    /// When the events stop. `None`: never.
    deadline: Option<Instant>,
    /// Whether the present stream has sent nothing yet.
    is_silent: bool,
    /// Whether the stream is known to exist: then gateways are waited for until the deadline.
    is_known: bool,
}

impl<'a> Follow<'a> {
    /// Creates a stream that opens with its first event.
    pub(crate) fn new(api: &'a Api, call: Call, deadline: Option<Instant>) -> Self {
        let reader = EventReader::default();
        Self {
            api,
            call,
            stream: None,
            reader,
            ready: VecDeque::new(),
            failed: 0,
            deadline,
            is_silent: true,
            is_known: false,
        }
    }

    /// Assumes that the stream exists, so that no failure but a refusal ends it before the deadline.
    pub(crate) fn assume_existing(self) -> Self {
        Self { is_known: true, ..self }
    }

    /// Returns the next event. `None`: the deadline has passed.
    ///
    /// A gateway that goes away is no failure as long as another one, or the same one later, has the stream. A refusal is one.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, Failure> {
        match self.deadline {
            None => self.wait().await.map(Some),
            Some(deadline) => match timeout_at(deadline, self.wait()).await {
                Ok(event) => event.map(Some),
                Err(_) => Ok(None),
            },
        }
    }

    /// Waits for the next event, over as many connections as it takes.
    async fn wait(&mut self) -> Result<Event, Failure> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.failed = 0;
                self.is_silent = false;
                return Ok(event);
            }
            if self.stream.is_none() {
                self.open().await?;
            }
            self.receive().await?;
        }
    }

    /// Opens the stream. A refusal ends the attempts. Other failures do so if the stream was never open, or has no deadline:
    /// after as many rounds as there are pauses.
    async fn open(&mut self) -> Result<(), Failure> {
        loop {
            match self.api.open(&self.call).await {
                Ok(response) => {
                    self.reader = EventReader::default();
                    self.stream = Some(response);
                    self.is_silent = true;
                    self.is_known = true;
                    return Ok(());
                }
                Err(Trouble { failure, cause: Cause::Refused }) => return Err(failure),
                Err(trouble) => self.pause(trouble).await?,
            }
        }
    }

    /// Goes on to the next address. After a round through all of them it waits, longer with each round, and
    /// after the last round it fails.
    async fn pause(&mut self, trouble: Trouble) -> Result<(), Failure> {
        self.failed += 1;
        self.api.turn();
        let addresses = self.api.addresses();
        if !self.failed.is_multiple_of(addresses) {
            return Ok(());
        }
        let round = self.failed / addresses - 1;
        match PAUSES.get(round) {
            Some(pause) => sleep(*pause).await,
            None if self.is_known && self.deadline.is_some() => sleep(PAUSES[PAUSES.len() - 1]).await,
            None => return Err(trouble.failure),
        }
        Ok(())
    }

    /// Takes the next part of the stream. An end or a failure closes it.
    ///
    /// The server ends each stream after a while, so the next one is opened at once, unless this one was silent.
    async fn receive(&mut self) -> Result<(), Failure> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        let is_broken = match timeout(SILENCE, stream.chunk()).await {
            Ok(Ok(Some(part))) => {
                self.ready.extend(self.reader.push(&part));
                return Ok(());
            }
            Ok(Ok(None)) => false,
            Ok(Err(_)) | Err(_) => true,
        };
        self.stream = None;
        if self.is_silent {
            let failure = Failure::Lost(format!("the stream of {} has no events", self.api.mount()));
            return self.pause(Trouble { failure, cause: Cause::Lost }).await;
        }
        if is_broken {
            self.api.turn();
        }
        Ok(())
    }
}

//! What clones of a proxy share.

use std::sync::Arc;
use std::time::Duration;

use http::request;

use super::complaints::{Cause, Complaints};
use super::headers::Found;
use super::origin::Origin;
use super::upgrade::{Executing, Handshake};
use super::{headers, problems};
use crate::common::problem::Problem;

/// How long a backend may take to the head of its answer, unless the host says otherwise.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// What clones of a proxy share.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) response_timeout: Duration,
    pub(super) origin: Origin,
    pub(super) upgrades: Option<Arc<Executing>>,
    pub(super) complaints: Arc<Complaints>,
}

impl Settings {
    pub(super) fn new() -> Self {
        let complaints = Arc::new(Complaints::new());
        Self { response_timeout: ANSWER_TIMEOUT, origin: Origin::new(), upgrades: None, complaints }
    }

    /// What a client is told where there is no answer because of `error`.
    pub(super) fn no_answer(&self, error: Cause<'_>) -> &'static Problem {
        self.complaints.tell("no answer of a backend", Some(error));
        problems::no_answer(error)
    }

    /// Makes a request one for the backend, if it may be sent on.
    pub(super) fn prepare(
        &self,
        head: &mut request::Parts,
        found: Found,
        has_body: bool,
    ) -> Result<Option<Box<Handshake>>, &'static Problem> {
        headers::check(head, found)?;
        if found.via {
            self.origin.check(&head.headers)?;
        }
        let upgrades = self.upgrades.as_ref().filter(|_| !has_body && found.connection);
        let handshake = upgrades.and_then(|executor| Handshake::of(head, executor));
        headers::to_backend(head, found);
        if let Some(handshake) = &handshake {
            handshake.ask(&mut head.headers);
        }
        self.origin.tell(head, found.claims);
        Ok(handshake.map(Box::new))
    }
}

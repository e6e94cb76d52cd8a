//! What a proxy around the layer knows of a request and the layer does not.

use std::sync::{Arc, Mutex, OnceLock};

use super::outcome::Outcome;
use super::tally::Token;
use crate::common::lock::lock;

/// How a request ended, in the words of whoever proxies it. In its extensions, and held until its body was sent: for so
/// long the request is in flight, though its answer may have ended before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict(Arc<Judged>);

#[derive(Debug, Default)]
struct Judged {
    outcome: OnceLock<Outcome>,
    /// Of the attempt whose answer ended while the body was still being sent.
    sending: Mutex<Option<Arc<Token>>>,
}

impl Verdict {
    /// Only the first one counts.
    #[cfg(feature = "proxy")]
    pub(crate) fn is(&self, outcome: Outcome) {
        let _ = self.0.outcome.set(outcome);
    }

    /// How the request ended, if that is known.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.0.outcome.get().copied()
    }

    /// Notes that an answer has ended, or is waited for no longer: the request counts as in flight until the last clone of
    /// this is dropped. Of several attempts it is the last that may still be sent.
    pub(super) fn hold(&self, token: &Arc<Token>) {
        *lock(&self.0.sending) = Some(Arc::clone(token));
    }
}

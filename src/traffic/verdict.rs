//! What a proxy around the layer knows of a request and the layer does not.

use std::sync::{Arc, OnceLock};

use super::outcome::Outcome;
use super::tally::Token;

/// How a request ended, in the words of whoever proxies it. In its extensions, and held until its body was sent: for so
/// long the request is in flight, though its answer may have ended before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict(Arc<Judged>);

#[derive(Debug, Default)]
struct Judged {
    outcome: OnceLock<Outcome>,
    sending: OnceLock<Arc<Token>>,
}

impl Verdict {
    /// Only the first one counts.
    #[cfg(feature = "proxy")]
    pub(crate) fn is(&self, outcome: Outcome) {
        let _ = self.0.outcome.set(outcome);
    }

    /// Notes that the answer has ended, and gives how, if that is known. The request counts as in flight until the last
    /// clone of this is dropped.
    pub(super) fn ended(&self, token: &Arc<Token>) -> Option<Outcome> {
        let _ = self.0.sending.set(Arc::clone(token));
        self.0.outcome.get().copied()
    }
}

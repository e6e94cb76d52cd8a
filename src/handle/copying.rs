//! The choices for a copy of a request.

use std::sync::Arc;

use super::live_mirror::LiveMirror;
use super::snapshot::{Choice, RouteSnapshot};
use crate::routing::Reason;
use crate::traffic::{Apart, CopySent, Counters, InFlight, Unsent};

impl<'a> Choice<'a> {
    /// Counts a copy in flight at the instance, from now on.
    pub(crate) fn enter_copy(&self, sent: &CopySent) -> InFlight {
        self.seat.enter_copy(self.shard, sent)
    }

    /// Returns how a request that entered by this choice is counted as the original of a copy.
    pub(crate) fn original(&self, sent: &CopySent) -> Arc<Apart> {
        self.seat.original(sent)
    }
}

impl<'a> RouteSnapshot<'a> {
    /// Returns the mirror of the split, if it has one.
    #[inline(always)]
    pub(crate) fn mirror(&self) -> Option<&'a LiveMirror> {
        self.live.mirror()
    }

    /// Returns whether `choice` is one of the version that gets the copies.
    pub(crate) fn is_mirror(&self, mirror: &LiveMirror, choice: &Choice<'_>) -> bool {
        choice.version == mirror.version
    }

    /// Returns whether this request is copied.
    pub(crate) fn draw_copy(&self, mirror: &LiveMirror) -> bool {
        mirror.draw(self.shard)
    }

    /// Chooses an instance for a copy. `None`: no instance is usable.
    pub(crate) fn choose_copy(&self, mirror: &LiveMirror) -> Option<Choice<'a>> {
        let instance = self.live.versions().get(mirror.version)?.pick(self.shard, 0)?;
        Some(self.choice(mirror.version, instance, Reason::Mirror))
    }

    /// Returns how a request that is not copied is counted, for those that find out later.
    pub(crate) fn unsent(&self, mirror: &LiveMirror) -> Option<UnsentCopies> {
        let version = self.live.versions().get(mirror.version)?;
        Some(UnsentCopies(Arc::clone(version.counters())))
    }
}

/// Counts requests that were drawn to be copied and were not.
#[derive(Clone, Debug)]
pub(crate) struct UnsentCopies(Arc<Counters>);

impl UnsentCopies {
    /// Counts a request of which no copy was sent.
    pub(crate) fn count(&self, why: Unsent) {
        self.0.count_unsent(why);
    }
}

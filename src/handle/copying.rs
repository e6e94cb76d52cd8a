//! The choices for a copy of a request.

use std::sync::Arc;

use super::live_mirror::LiveMirror;
use super::snapshot::{Choice, RouteSnapshot};
use crate::routing::Reason;
use crate::traffic::{ApartRecord, CopySentFlag, Counters, InFlight, Unsent};

impl<'a> Choice<'a> {
    /// Counts a copy in flight at the instance, from now on.
    pub(crate) fn enter_copy(&self, copy_sent: &CopySentFlag) -> InFlight {
        self.seat.enter_copy(self.shard, copy_sent)
    }

    /// Creates the record by which the request that entered by this choice is counted apart as the original of a copy,
    /// once the copy is sent.
    pub(crate) fn original_record(&self, copy_sent: &CopySentFlag) -> Arc<ApartRecord> {
        self.seat.original_record(copy_sent)
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

    /// Returns the counter of requests that were drawn to be copied to the version of `mirror` and were not. It
    /// outlives the snapshot: only the end of its body shows that a request is too large. `None`: the split has no such
    /// version.
    pub(crate) fn unsent_counter(&self, mirror: &LiveMirror) -> Option<UnsentCounter> {
        let version = self.live.versions().get(mirror.version)?;
        Some(UnsentCounter(Arc::clone(version.counters())))
    }
}

/// Counts requests that were drawn to be copied and were not.
#[derive(Clone, Debug)]
pub(crate) struct UnsentCounter(Arc<Counters>);

impl UnsentCounter {
    /// Counts a request of which no copy was sent.
    pub(crate) fn count(&self, why: Unsent) {
        self.0.count_unsent(why);
    }
}

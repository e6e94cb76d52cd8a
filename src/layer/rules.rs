//! Which rule chooses the version of a request: an override, else its key, else the draw.

use http::Request;

use super::affinity::Affinity;
use super::overriding::{Asked, Override, Refused};
use super::target::RequestHead;
use crate::routing::{Reason, Route};

/// The rules that a layer was given. Without any, each request is drawn.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) overriding: Option<Override>,
    pub(super) affinity: Option<Affinity>,
}

/// The version that a rule chooses, by its position in the split: none where it is that of no version.
pub(super) type Picked = (Option<usize>, Reason);

impl Rules {
    /// Takes the override out of `request`, which the backend is not to see.
    pub(super) fn take<B>(&self, request: &mut Request<B>) -> Option<Asked> {
        self.overriding.as_ref()?.take(request)
    }

    /// What the rules make of a request that `asked` for a version; `None` leaves it to the draw. Notes in `refused` why
    /// it does not get what it asked for.
    pub(super) fn pick<B>(
        &self,
        request: &Request<B>,
        asked: Option<Asked>,
        route: &Route,
        refused: &mut Option<Refused>,
    ) -> Option<Picked> {
        if let Some(asked) = asked {
            match asked.version(route.split()) {
                Ok(version) => return Some((Some(version), Reason::Override)),
                Err(why) => *refused = Some(why),
            }
        }
        let slot = self.affinity.as_ref()?.slot(&RequestHead::of(request), route.split().salt())?;
        Some((route.index_of_slot(slot), Reason::Key))
    }
}

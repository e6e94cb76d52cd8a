//! What an input does to a rollout.

use super::event::Event;
use super::state::State;
use crate::rollout::guard::Evidence;
use crate::routing::Change;

/// What an input does: to be written in one transaction, or not at all. See [`State`] for an example.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Transition {
    /// The turn of the state that was read. If the stored state has another one, this transition is overtaken: read the
    /// state again and decide again.
    pub expected_turn: u64,
    /// The generation of the split that was read. If the split has another one, the changes are not made: read again.
    pub expected_generation: u64,
    /// The next state.
    pub state: State,
    /// The changes of the split, in order. Each is one generation.
    pub changes: Vec<Change>,
    /// Whether the changes are made even if a version that gets traffic is not usable.
    pub forced: bool,
    /// Whether a change of others paused or ended the rollout. Then an order was not carried out, except for an
    /// abort.
    pub interfered: bool,
    /// The events, in order.
    pub events: Vec<Event>,
    /// What happens to the evidence.
    pub evidence: EvidenceUse,
}

/// What a transition does to the evidence of the guard.
///
/// The evidence is stored beside the state and not in it, since it changes with each window and the state
/// seldom does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EvidenceUse {
    /// It stays.
    Keep,
    /// A stage begins: see [`Evidence::begin_step`].
    BeginStep {
        /// Whether the other versions have no weight in it.
        alone: bool,
    },
    /// It is forgotten, and the present stage begins again: see [`Evidence::clear`].
    Clear {
        /// Whether the other versions have no weight in the present stage.
        alone: bool,
    },
}

impl EvidenceUse {
    /// Changes the evidence.
    ///
    /// A driver calls it after the transition is written: a write that was overtaken must leave its evidence
    /// as it is.
    pub fn apply(self, evidence: &mut Evidence) {
        match self {
            Self::Keep => {}
            Self::BeginStep { alone } => evidence.begin_step(alone),
            Self::Clear { alone } => evidence.clear(alone),
        }
    }
}

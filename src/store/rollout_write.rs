//! One write to a rollout.

use std::time::{Duration, SystemTime};

use super::applied::Applied;
use super::change_request::{ChangeRequest, check_text};
use super::error::StoreError;
use super::rollout_columns::{MAX_ID, NewRolloutEvent, RolloutColumns};
use crate::routing::{ServiceName, Split};

/// One write to a rollout that is not over. See [`RolloutStore`](super::RolloutStore) for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RolloutWrite {
    /// The rollout.
    pub id: String,
    /// Its service.
    pub service: ServiceName,
    /// The turn that was read. At another one, nothing is written.
    pub expected_turn: u64,
    /// The generation of the split that the first change expects. Compared only if there are changes.
    pub expected_generation: u64,
    /// The changes of the split, in order. Each is one generation and one entry of the history. The store sets their
    /// expected generations.
    pub changes: Vec<ChangeRequest>,
    /// The values that are replaced.
    pub columns: RolloutColumns,
    /// The events of this write, in order.
    pub events: Vec<NewRolloutEvent>,
    /// Whether the writer leads the rollout.
    pub lease: LeaseUse,
}

/// Whether the writer of a rollout leads it.
///
/// A tick of the leader claims the lease; an order of a person keeps it.
///
/// ```
/// use std::time::Duration;
/// use tower_canary::store::LeaseUse;
///
/// let claim = LeaseUse::Claim { replica: "7f3a".to_owned(), length: Duration::from_secs(13) };
/// assert_ne!(claim, LeaseUse::Keep);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeaseUse {
    /// It does not. The lease stays with its leader, and the turn alone decides about the write.
    Keep,
    /// It does: nothing is written unless the lease is its own or free, and it gets the lease.
    Claim {
        /// The id of the replica: at most 36 characters.
        replica: String,
        /// The time from now on for which no other replica gets the lease.
        length: Duration,
    },
}

/// The result of a write to a rollout.
///
/// A write that was overtaken is no error: two gateways may both believe to lead for a moment, and one of
/// them finds out by this.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RolloutWritten {
    /// All of it was written.
    Written {
        /// The results of the changes, in order.
        applied: Vec<Applied>,
        /// The revision of the store after the write.
        revision: u64,
    },
    /// Nothing was written: the rollout is at another turn or over, or another replica leads it. Read it again.
    Overtaken,
}

/// A change of a [`RolloutWrite`] that the rules allow.
///
/// A store makes the changes of a write in their order, each with an entry of its own in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecidedChange {
    /// The change, with the generation that it expects.
    pub request: ChangeRequest,
    /// The split before.
    pub before: Split,
    /// The split after. It equals `before` if the change changed nothing.
    pub after: Split,
}

impl RolloutWrite {
    /// Creates a write to `id` of `service` that expects the turn `expected_turn`, changes no split and claims no lease.
    pub fn new(
        id: impl Into<String>,
        service: ServiceName,
        expected_turn: u64,
        columns: RolloutColumns,
    ) -> Self {
        Self {
            id: id.into(),
            service,
            expected_turn,
            expected_generation: 0,
            changes: Vec::new(),
            columns,
            events: Vec::new(),
            lease: LeaseUse::Keep,
        }
    }

    /// Sets the changes of the split. All of them are refused if the split is not at `expected_generation`.
    #[must_use]
    pub fn with_changes(self, expected_generation: u64, changes: Vec<ChangeRequest>) -> Self {
        Self { expected_generation, changes, ..self }
    }

    /// Sets the events.
    #[must_use]
    pub fn with_events(self, events: Vec<NewRolloutEvent>) -> Self {
        Self { events, ..self }
    }

    /// Claims the lease for `replica`, for `length` from the write on. If another replica holds it, nothing is written.
    #[must_use]
    pub fn with_claim(self, replica: impl Into<String>, length: Duration) -> Self {
        Self { lease: LeaseUse::Claim { replica: replica.into(), length }, ..self }
    }

    /// Checks the lengths of all texts but those of the changes, which [`ChangeRequest::decide`] checks. A store calls it
    /// before it writes.
    ///
    /// # Errors
    ///
    /// [`StoreError::TextRefused`] for a text that is too long or contains a NUL.
    pub fn check(&self) -> Result<(), StoreError> {
        check_text("rollout id", &self.id, MAX_ID)?;
        if let LeaseUse::Claim { replica, .. } = &self.lease {
            check_text("replica id", replica, MAX_ID)?;
        }
        self.columns.check()?;
        self.events.iter().try_for_each(NewRolloutEvent::check)
    }

    /// Applies the changes to `split` one after the other, at the time `at`. The first expects the generation
    /// [`expected_generation`](Self::expected_generation), and each other one the generation after the one before it.
    ///
    /// # Errors
    ///
    /// The errors of [`ChangeRequest::decide`], of the first change that is refused.
    pub fn decide(&self, split: &Split, at: SystemTime) -> Result<Vec<DecidedChange>, StoreError> {
        let mut expected = self.expected_generation;
        let mut before = split.clone();
        let mut decided = Vec::with_capacity(self.changes.len());
        for change in &self.changes {
            let request = change.clone().with_expected_generation(expected);
            let after = request.decide(&before, at)?;
            expected = after.generation();
            let next = after.clone();
            decided.push(DecidedChange { request, before, after });
            before = next;
        }
        Ok(decided)
    }

    /// Returns the generation after the last of the `decided` changes that changes something. `None`: none of them
    /// does.
    #[must_use]
    pub fn last_generation(decided: &[DecidedChange]) -> Option<u64> {
        let changes = decided.iter().rev();
        changes.filter(|change| change.is_change()).map(|change| change.after.generation()).next()
    }
}

impl DecidedChange {
    /// Returns whether the split changed, so that there is something to write.
    #[must_use]
    pub fn is_change(&self) -> bool {
        self.before.generation() != self.after.generation()
    }
}

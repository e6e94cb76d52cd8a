//! The events of a rollout.

/// Something that happened to a rollout, for its history, the log and the application. See [`Transition`](super::Transition).
///
/// An event is recorded once, with the turn that caused it, and never changed. The text may quote a person or
/// a gate, so escape it where it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The kind.
    pub kind: EventKind,
    /// The number of the stage. 0 before the first one.
    pub number: usize,
    /// The person who caused it. `None`: the rollout itself.
    pub actor: Option<String>,
    /// What happened, in words.
    pub text: String,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $word:literal),+ $(,)?) => {
        /// The kind of an [`Event`].
        ///
        /// ```
        /// use tower_canary::rollout::EventKind;
        ///
        /// assert_eq!(EventKind::RolledBack.as_str(), "rolled-back");
        /// assert_eq!(EventKind::from_name("stuck"), Some(EventKind::Stuck));
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum EventKind { $($(#[$doc])* $kind),+ }

        impl EventKind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// Returns the word for stores and responses.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $word),+ }
            }

            /// Returns the kind with this word. `None`: a later release may have more kinds.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
            }
        }
    };
}

kinds! {
    /// The rollout was started.
    Started = "started",
    /// A stage began.
    Step = "step",
    /// A gate has opened.
    GateOpen = "gate-open",
    /// The next stage waits for a gate, a window of time or calm.
    GateWaiting = "gate-waiting",
    /// A person approved the stage.
    Approved = "approved",
    /// A stage had not passed at its deadline.
    Inconclusive = "inconclusive",
    /// The rollout pauses.
    Paused = "paused",
    /// A person resumed it.
    Resumed = "resumed",
    /// There is evidence against the canary, or a gate failed.
    Failed = "failed",
    /// The canary goes back.
    Returning = "returning",
    /// The next change cannot be made: a version is not usable.
    Stuck = "stuck",
    /// The rollout is over: completed.
    Completed = "completed",
    /// The rollout is over: rolled back.
    RolledBack = "rolled-back",
    /// The rollout is over: aborted.
    Aborted = "aborted",
    /// The rollout is over: an experiment has returned.
    Returned = "returned",
    /// Gateways report no latencies of the versions, which the plan compares.
    Unmeasured = "unmeasured",
    /// Another gateway leads.
    Leader = "leader",
}

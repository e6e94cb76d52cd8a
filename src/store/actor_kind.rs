//! What kind of sender requests a change.

/// What kind of sender requests a change: a client of the admin API, or code.
///
/// ```
/// use tower_canary::store::ActorKind;
///
/// assert_eq!(ActorKind::Person.as_str(), "person");
/// assert_eq!(ActorKind::from_name("rollout"), Some(ActorKind::Rollout));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ActorKind {
    /// An authenticated client of the admin API: a person, or a pipeline on behalf of one.
    Person,
    /// Code of the application that calls [`Deployments::apply`](crate::Deployments::apply). The default.
    #[default]
    Application,
    /// A staged rollout, which makes changes by itself.
    Rollout,
}

impl ActorKind {
    /// All kinds.
    pub const ALL: &'static [Self] = &[Self::Person, Self::Application, Self::Rollout];

    /// Returns the word that stores and the admin API use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Application => "application",
            Self::Rollout => "rollout",
        }
    }

    /// Returns the kind with this word. `None`: this release does not know it, but a later one may.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }
}

/// Serializes a kind as its word, for `serde(with)`. An unknown word, which a later release wrote, is read as `None`.
#[cfg(feature = "serde")]
pub(super) mod optional_word {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::store::actor_kind::ActorKind;

    /// Writes the word of a kind, for `serde(with)`.
    #[expect(clippy::trivially_copy_pass_by_ref, clippy::ref_option, reason = "serde calls it so")]
    pub(in crate::store) fn serialize<S: Serializer>(
        kind: &Option<ActorKind>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        kind.map(ActorKind::as_str).serialize(serializer)
    }

    /// Reads the word of a kind. A word of a later release is read as `None`, and not refused.
    pub(in crate::store) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<ActorKind>, D::Error> {
        let word = Option::<String>::deserialize(deserializer)?;
        Ok(word.and_then(|word| ActorKind::from_name(&word)))
    }
}

//! The words of a plan: its form, its end, and the reactions to a verdict.

/// Defines an enum whose variants are words of a plan.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// All values.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the word in the plan.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

words! {
    /// The form of a rollout. See [`Plan`](super::Plan) for an example.
    Form {
        /// The weight rises in steps.
        #[default]
        Canary = "canary",
        /// The weight rises from 0 to 100 in one step, and the bake follows.
        BlueGreen = "blue-green",
    }
}

words! {
    /// The end of a rollout after its last step. See [`Plan`](super::Plan) for an example.
    Then {
        /// The canary gets 100 percent.
        #[default]
        Promote = "promote",
        /// The weights of the start return, whatever the verdict: an experiment.
        Return = "return",
        /// The weights of the last step stay.
        Stay = "stay",
    }
}

words! {
    /// The reaction to evidence against the canary, or to a gate that failed. See [`Plan`](super::Plan) for an example.
    WhenFailed {
        /// Go back to the weights of the start.
        #[default]
        Return = "return",
        /// Keep the weights, and wait for a person.
        Pause = "pause",
        /// Record an event, and neither go back nor pause, for those who want to watch the guard before they trust
        /// it. A step does not pass while the evidence stands: at its deadline it is inconclusive.
        Tell = "tell",
    }
}

words! {
    /// The reaction to a step that has not passed at its deadline. See [`Plan`](super::Plan) for an example.
    WhenInconclusive {
        /// Keep the weights, and wait for a person.
        #[default]
        Pause = "pause",
        /// Count the step as passed and its gates as open, and continue with the next one.
        Advance = "advance",
        /// Go back to the weights of the start.
        Return = "return",
    }
}

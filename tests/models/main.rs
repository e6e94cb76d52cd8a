//! Models of the lock-free counting. loom runs each in every order that the memory model allows; Miri runs the rest.
#![expect(clippy::unwrap_used, reason = "a test stops where it is wrong")]

// loom switches stacks by assembly, which Miri cannot run.
#[cfg(not(miri))]
mod owned;
mod publications;
#[cfg(not(miri))]
mod removed;
#[cfg(not(miri))]
mod retired;

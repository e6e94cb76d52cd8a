//! Models of the lock-free counting: loom runs each of them in every order that the memory model allows.
#![expect(clippy::unwrap_used, reason = "a test stops where it is wrong")]

mod retired;

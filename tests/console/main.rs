//! The console: its response without a browser, and the page in Chromium.
//!
//! The tests with a browser are ignored by default. They need `chromium` and `chromedriver` in the path, and `axe.min.js` of
//! axe-core at `CANARY_TEST_AXE`: `.ci/run` installs them. Screenshots of failures go to `target/console`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may panic, and spawns its own servers"
)]

mod browser;
mod changes;
mod driver;
#[path = "../shared/faulty_store.rs"]
mod faulty_store;
mod following;
mod hostile;
mod large;
mod lines;
mod pure;
mod response;
mod rollouts;
#[path = "../shared/scripted_check.rs"]
mod scripted_check;
mod server;
mod signing_in;
mod states;
mod walk;
mod ways_back;

//! Guides: how the crate works, how to run it, how to extend it. There is no code here.
//!
//! | page | audience and content |
//! | --- | --- |
//! | [`architecture`] | everyone: the terms, the modules, the path of a request, of a change and of a refresh |
//! | [`cookbook`] | applications: clients, pools, TLS, authentication, timeouts, seeding |
//! | [`migration`] | applications: from a hand-written weighted handler, from NGINX `split_clients` |
//! | [`operating`] | operators: several gateways, databases, draining, metrics, figures |
//! | [`troubleshooting`] | everyone: symptom, cause, fix |
//! | [`concurrency`] | contributors: every atomic with its pair, every lock with its order |
//! | [`extending`] | contributors: checklists for a rule, a store, a migration, an admin route, a metric |
//! | [`testing`] | contributors: which suite tests what, test doubles, paused time |

pub mod architecture;
pub mod concurrency;
#[cfg(all(feature = "sqlite", feature = "jwt", feature = "pin", feature = "proxy"))]
pub mod cookbook;
pub mod extending;
#[cfg(all(feature = "sqlite", feature = "jwt", feature = "pin", feature = "proxy"))]
pub mod migration;
pub mod operating;
pub mod testing;
pub mod troubleshooting;

//! Guides: how the crate works, how to run it, how to extend it. There is no code here.
//!
//! | page | audience and content |
//! | --- | --- |
//! | [`architecture`] | everyone: the terms, the modules, the path of a request, of a change and of a refresh |
//! | [`command_line`] | operators: the binary `canary`, its exit codes, sessions. Feature `cli` builds it |
//! | `console` | operators: the console in a browser: mounting, signing in, proxies. Features `console` and `admin` |
//! | [`cookbook`] | applications: clients, pools, TLS, authentication, timeouts, seeding |
//! | [`migration`] | applications: from a hand-written weighted handler, from NGINX `split_clients` |
//! | [`operating`] | operators: deployments, health, TLS, load balancers, metrics, secrets, figures |
//! | [`databases`] | operators: the load on the database, PostgreSQL, MySQL and MariaDB, SQLite, fail-over |
//! | [`schema`] | operators: the tables of the SQL store, their units, and queries for reports |
//! | `rollouts` | operators: how to choose a plan, how the guard of a rollout judges. Feature `rollout` |
//! | [`wire`] | everyone with a server or a client of their own: each option of hyper, with its reason |
//! | [`errors`] | applications: which errors there are, who sees them, and what to do after one |
//! | [`troubleshooting`] | everyone: symptom, cause, fix |
//! | [`concurrency`] | contributors: every atomic with its pair, every lock with its order |
//! | [`extending`] | contributors: checklists for a rule, a store, a migration, an admin route, a metric |
//! | [`testing`] | contributors: which suite tests what, test doubles, paused time |

pub mod architecture;
pub mod command_line;
pub mod concurrency;
#[cfg(all(feature = "console", feature = "admin"))]
pub mod console;
#[cfg(all(feature = "sqlite", feature = "jwt", feature = "pin", feature = "proxy"))]
pub mod cookbook;
pub mod databases;
pub mod errors;
pub mod extending;
#[cfg(all(feature = "sqlite", feature = "jwt", feature = "pin", feature = "proxy"))]
pub mod migration;
pub mod operating;
#[cfg(feature = "rollout")]
pub mod rollouts;
pub mod schema;
pub mod testing;
pub mod troubleshooting;
pub mod wire;

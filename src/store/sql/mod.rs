//! The store in a SQL database: SQLite, PostgreSQL, MySQL or MariaDB. See [`SqlStore`] for an example.
//!
//! [`SqlStore::connect`] opens a database with a pool of its own. [`SqlStore::with_connection`] uses a pool of the
//! application. Both create the tables, which may stand beside tables of the application.
//!
//! # How a change is made
//!
//! Every change is one transaction: lock the service, read its split, apply the rules, write the rows that differ and
//! the history, increment the service's generation and the store's revision, commit. The lock serializes the writers of
//! one service; a reader sees a split before a change or after it. Collisions are retried up to five times. No call
//! takes longer than 3 s, except loading all services: 30 s. A store that connects on first use may first migrate, for
//! up to 60 s.
//!
//! | | writers are serialized by | other gateways learn of a change by |
//! | --- | --- | --- |
//! | SQLite | `BEGIN IMMEDIATE`, one writer at a time; on a local disk only | polling |
//! | PostgreSQL | `SELECT … FOR UPDATE` at READ COMMITTED | `LISTEN`, and polling |
//! | MySQL, MariaDB | the same; InnoDB | polling |
//!
//! Many gateways may share one database: see [`docs::databases`](crate::docs::databases).
//!
//! # Tables
//!
//! | table | content |
//! | --- | --- |
//! | `gateway_service_config` | a service: its generation, its slots, the revision of its last change, who made it, and whether it removed the service |
//! | `gateway_service_version` | a version: its first URL, the others as a JSON array, its weight in hundredths of a percent, whether it is active |
//! | `gateway_split_change` | the history: who changed what, why, and the weights, URLs and settings before and after |
//! | `gateway_refused_change` | the last 1,000 changes that were refused: who requested what, and why it was refused |
//! | `gateway_revision` | one row: how many changes the whole store has seen |
//! | `gateway_replica` | the gateways that share the database: the revision that each serves, the versions and removed URLs that it still has requests for, its figures while there is a rollout, and the time of its report |
//! | `gateway_rollout` | a rollout: its plan, its state and its evidence as JSON, which write was the last, and which gateway leads it until when. The last 50 of a service that are over are kept |
//! | `gateway_rollout_event` | what happened to a rollout |
//! | `gateway_migrations` | which migrations of these tables were run |
//!
//! The names are fixed. If a table of the application has one of them, the start fails with
//! [`ConnectError::TableExists`] and nothing is changed. (MySQL and MariaDB cannot undo `CREATE TABLE`: the tables before
//! the one in the way stay, and are used at the next start.) Either rename that table, or keep the store's tables apart:
//!
//! - PostgreSQL: create a schema, and select it in the URL: `postgres://gateway@db/app?options=-csearch_path%3Dcanary`.
//! - MySQL, MariaDB: name another database of the same server in the URL.
//! - SQLite: name another file.
//!
//! # Migrations
//!
//! Migrations run under a lock, so any number of gateways may start together. A gateway of this release also runs on
//! tables that a later release has migrated, so gateways may be updated one by one. An application that migrates by
//! itself takes [`migrations()`] and says [`Migrations::Manual`].
//!
//! A gateway of a release that knew one URL of a version serves the first. If it sets another, that one takes the place of
//! the first, and the others stay; what it records in the history has the first URL only. So register several URLs of a
//! version after all gateways are updated.
//!
//! # Editing rows by hand
//!
//! Rows may be edited. Weights that do not total 100 percent are scaled when they are read. A URL that a version has twice
//! counts once. A row that cannot be read takes only its own service out of the routes that are loaded, and so does a
//! service that has `slots` and no version: its versions are lost, and gateways keep its last good route. Running gateways
//! load the edit of a service after
//!
//! ```sql
//! BEGIN;
//! UPDATE gateway_revision SET revision = revision + 1;
//! UPDATE gateway_service_config SET revision = (SELECT revision FROM gateway_revision) WHERE service_name = 'auth';
//! COMMIT;
//! ```
//!
//! A service that is deleted by hand loses its history. A gateway serves it until the gateway is asked to change it, or
//! loads all services again, which happens at least every ten minutes. [`Change::RemoveService`] keeps the history, and
//! all gateways follow it at once. A service that is registered again starts clean in both cases.
//!
//! [`Change::RemoveService`]: crate::routing::Change::RemoveService

mod codes;
mod connect;
mod context;
mod database;
mod database_url;
mod dialect;
mod entity;
mod error;
mod failure;
mod followed;
mod head;
mod history;
mod limits;
#[cfg(feature = "postgres")]
mod listener;
#[cfg(not(feature = "postgres"))]
#[path = "no_listener.rs"]
mod listener;
mod migrations;
#[cfg(feature = "mysql")]
mod mysql;
mod orphans;
mod page;
#[cfg(feature = "postgres")]
mod postgres;
mod read;
mod refusals;
mod remedies;
mod replicas;
mod retry;
mod rollout_store;
mod rollouts;
mod rows;
mod secrets;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod server;
mod signals;
mod sql_store;
#[cfg(feature = "sqlite")]
mod sqlite;
mod transaction;
mod url_flaw;
mod url_options;
mod write;
mod write_rollout;
mod write_versions;

pub use self::error::ConnectError;
pub use self::migrations::{Migrations, migrations};
pub use self::sql_store::SqlStore;

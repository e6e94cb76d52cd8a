//! The tables of the SQL store: what each row means, who writes it, and queries for reports.
//!
//! The tables are the same on SQLite, PostgreSQL, MySQL and MariaDB, and their names begin with `gateway_`. They may be
//! read at any time: every change is one transaction. Write only as [databases](super::databases#rows-edited-by-hand)
//! describes, or better through the admin API: it keeps the rules, the history and the other gateways in step.
//!
//! | table | a row is | written |
//! | --- | --- | --- |
//! | `gateway_service_config` | a service | by each change of the service |
//! | `gateway_service_version` | a version | by a change that concerns it |
//! | `gateway_split_change` | a change that was made | once |
//! | `gateway_refused_change` | a change that was refused. The last 1,000 stay | once |
//! | `gateway_revision` | the number of all changes. There is one row | by each change |
//! | `gateway_replica` | a gateway that has reported | every 5 s by that gateway |
//! | `gateway_rollout` | a rollout. Of each service the last 50 that are over stay | every 5 s by its leader |
//! | `gateway_rollout_event` | an event of a rollout | once |
//! | `gateway_migrations` | a migration that was run | once |
//!
//! # Units
//!
//! | value | form |
//! | --- | --- |
//! | a time, `…_at`, `lease_until` | milliseconds since 1970-01-01 UTC |
//! | `weight` of a version | hundredths of a percent, 0 to 10,000: 12.5 % is 1250 |
//! | `generation` of a service | the number of its changes. It goes on after the service was removed |
//! | `revision` | the revision of the store after the last change of the service |
//! | `salt` | the bits of an unsigned number, so it may be negative |
//! | `slots` | the version of each of the 10,000 slots in runs: `v1.0:9000,v1.1:1000` |
//! | `details`, `last_change`, `mirror`, `split_…`, `draining…`, `more_urls` | JSON |
//! | `plan`, `state`, `evidence` of a rollout, `figures` of a replica | JSON that only rollouts read |
//!
//! Times of services, versions and changes are by the clock of the gateway that made the change. Times of replicas and
//! rollouts are by the clock of the database, since gateways compare them.
//!
//! # What refers to what
//!
//! ```text
//! gateway_service_config ◄── gateway_service_version   service_id
//!                        ◄── gateway_split_change      service_id
//!                        ◄── gateway_rollout           service_id; active_of while it is not over
//!                                    ▲
//!                                    └── gateway_rollout_event   rollout
//! ```
//!
//! Rows are deleted with the row that they refer to. A service that is removed through the API keeps its row, without
//! versions, so that its history stays. `gateway_refused_change` names its service as a text: the service may never have
//! existed.
//!
//! # What is unique
//!
//! The rules do not depend on these constraints; they find edits by hand, and two writers at one moment.
//!
//! | unique | prevents |
//! | --- | --- |
//! | the name of a service | that two gateways create it at the same time. The second one tries again |
//! | the name of a version in its service | a version twice |
//! | the generation in the history of a service | that a change is recorded twice |
//! | `active_of` of a rollout | a second rollout of a service |
//! | the turn and the position of an event | that two leaders record one turn |
//!
//! # Queries
//!
//! The weights that are served, in percent:
//!
//! ```sql
//! SELECT s.service_name, v.version, v.weight / 100.0 AS percent, v.url
//! FROM gateway_service_version v JOIN gateway_service_config s ON s.id = v.service_id
//! WHERE v.is_active ORDER BY s.service_name, v.position;
//! ```
//!
//! Who changed the service `auth`, latest first:
//!
//! ```sql
//! SELECT c.generation, c.actor, c.kind, c.version, c.reason, c.changed_at / 1000 AS unix_time
//! FROM gateway_split_change c JOIN gateway_service_config s ON s.id = c.service_id
//! WHERE s.service_name = 'auth' ORDER BY c.generation DESC LIMIT 20;
//! ```
//!
//! The gateways that have not followed the last change yet:
//!
//! ```sql
//! SELECT name, revision FROM gateway_replica
//! WHERE revision < (SELECT revision FROM gateway_revision);
//! ```
//!
//! The rollouts that are under way:
//!
//! ```sql
//! SELECT s.service_name, r.canary, r.phase, r.step, r.why
//! FROM gateway_rollout r JOIN gateway_service_config s ON s.id = r.active_of;
//! ```
//!
//! # Size
//!
//! The history is the only table that grows without a limit, unless
//! [`with_history_limit`](crate::store::sql::SqlStore::with_history_limit) sets one: an entry has the shares before and after,
//! about 100 bytes for each version. A whole load reads the services and their versions alone, so a long history costs
//! no gateway anything.
//!
//! # Two releases at the same time
//!
//! A later release only adds tables, columns and fields of JSON. A gateway of an earlier one leaves them as they are, and
//! its own writes stay valid. So gateways are updated one by one, and the first one that starts runs the migrations. A
//! migration that was released is never changed, and the migrations of a later release are ignored.

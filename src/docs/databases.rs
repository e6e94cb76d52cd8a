//! The database that gateways share: its load, what each kind needs, fail-over, and edits by hand.
//!
//! A gateway serves requests from memory and reads the database beside them, so a slow or absent database delays
//! changes and no request. [Operating](super::operating#starting-without-the-database) describes a start without it.
//!
//! # What a gateway asks of the database
//!
//! | operation | how often | cost |
//! | --- | --- | --- |
//! | poll | once a second, ± 20 % | one row by its key |
//! | a change elsewhere | once per gateway | that row, and the changed services with their versions in one statement |
//! | report of a replica | every 5 s, after each change, and when a version is drained | one row written by its key; expired rows are deleted |
//! | figures in a report, while services have rollouts | with each report | 0.7 KiB for a rollout of two versions: 73 KB for 100, at most 1 MiB. Beyond that, latencies of the last services by name are left out, with a warning and the event `unmeasured` |
//! | a rollout | every 5 s | one write by its leader. Each gateway reads all rollouts that are not over, 2 to 16 KiB each; a leader reads the figures of all gateways every 10 s |
//! | a change through its admin API | on request | one transaction of about 10 statements |
//! | start, and after a lost database | once | everything |
//!
//! So 1,000 gateways cause 1,000 reads and 200 small writes per second, which take a part of one processor of
//! one server. [`run_every`](crate::Deployments::run_every) with 5 s reduces the reads to a fifth. Polls are
//! spread out: in the simulation of `tests/rules/scale.rs`, which runs the code of 1,000 gateways under a
//! simulated clock, the busiest tenth of a second has a third more than the average.
//!
//! | 1,000 gateways, simulated | median | p99 | all |
//! | --- | --- | --- | --- |
//! | serve a change of another gateway, polling once a second | 0.5 s | 1.1 s | 1.2 s |
//! | serve it, listening on PostgreSQL | 16 ms | 26 ms | 26 ms |
//! | are fresh after an outage | | | 4 s |
//!
//! While the database is down, each gateway serves its last good routes and asks less and less often, at most
//! every 3 s. When the database is back, a gateway first reads the changes and then loads everything, since
//! the database may have been restored from a backup or may be another server. It also loads everything after
//! its listener lost a connection, and every ten minutes, in case the driver reconnected without a report. A
//! whole load may take 30 s, and no change waits for it.
//!
//! # PostgreSQL
//!
//! Each gateway listens on one connection of its own, beside up to four for its queries. A change wakes every
//! listener, and each reads one row within 20 ms. A change waits for no listener. A notification that was
//! sent while a connection was lost does not come again; the poll finds the change.
//!
//! `max_connections` is 100 by default, which 1,000 gateways exceed. Raise it (an idle connection takes about
//! 2 MiB of the server's memory), or use a pooler.
//!
//! **PgBouncer** in transaction mode serves any number of gateways with few connections. Nothing can listen
//! through it: use `SqlStore::with_polling_only`. It must be release 1.21 or later with
//! `max_prepared_statements` above 0 (the default since 1.24), since the driver prepares its statements by
//! name; otherwise the start fails and says so. Timeouts are set within each transaction, so no other setting
//! matters. In session mode every release works, and listening too: it needs up to five server connections
//! for each gateway. Before 1.20, `options` in the URL needs `ignore_startup_parameters`.
//!
//! **Read replicas** are not needed for the load. A gateway refuses to start on one: it could neither make
//! changes nor report, and [`wait_converged`](crate::Deployments::wait_converged) would wait for a lag that
//! it does not know. For the same reason a database that is read-only or not in UTF-8 is refused.
//!
//! **Rights**: the user that migrates creates the tables. A gateway needs no more than `SELECT`, `INSERT`,
//! `UPDATE` and `DELETE` on them, and `USAGE` on their sequences. With `SELECT` alone it serves and follows;
//! its changes are refused with 500 `store-unusable`, and it is no replica for the others.
//!
//! # Fail-over
//!
//! The address of the database has to lead to the new primary: a virtual address, a name, a proxy. Gateways
//! follow it, on PostgreSQL, MySQL and MariaDB:
//!
//! - A server that says that it is read-only, stopping or no part of its cluster costs all connections to it,
//!   the listener's too. They are made again, to where the address leads now. The same holds for a server
//!   that does not respond within a second on an idle connection, or ends no statement.
//! - Routes are read from a server that accepts changes only. While no server does, the last routes stay in
//!   use. A load that an earlier server answered late is not published after a result of a later server.
//! - A new server is loaded whole, since it may lack the last changes of the one before.
//!
//! In the campaign `failover` of `tests`, changes succeed within seconds after the address has moved. The
//! pool of an application (`SqlStore::with_connection`) is treated alike, as far as its connections are idle:
//! give it a limit for connections that do not respond.
//!
//! # MySQL and MariaDB
//!
//! Connections of the store's own have their settings, whatever the global ones are: `autocommit`, `sql_mode`,
//! isolation, limits. On MySQL and MariaDB a fail-over needs users without `SUPER` and `READ_ONLY ADMIN`.
//!
//! There is nothing to listen to: the others serve a change within one poll. Galera and group replication
//! check locks at commit, so a change that loses is retried as after a deadlock. If changes collide too
//! often, make them through gateways that use one node. Start the first gateway of a new release alone: the
//! lock for migrations is local to a node.
//!
//! # SQLite
//!
//! Several gateways on one machine may share a file on a local disk. Never share one over a network file
//! system.
//!
//! Await `SqlStore::close` at the end of the process: then the file alone is the whole database, and a copy of
//! it is a backup. While a gateway runs, copy it with `VACUUM INTO` or `sqlite3 … .backup`. A file that is
//! deleted under a running gateway is not noticed: changes succeed and are lost at its end.
//!
//! # Rows edited by hand
//!
//! Weights that do not total 100 percent are scaled when they are read. A row that cannot be read takes only
//! its own service out of the load. A row of the history or of the refused changes that cannot be read is left
//! out of the pages and logged as `error`; that generation cannot be restored. Running gateways see an edit of the service `auth` after
//!
//! ```sql
//! BEGIN;
//! UPDATE gateway_revision SET revision = revision + 1;
//! UPDATE gateway_service_config SET revision = (SELECT revision FROM gateway_revision) WHERE service_name = 'auth';
//! COMMIT;
//! ```
//!
//! A service that is deleted by hand stays in use until the next whole load, at most ten minutes later.

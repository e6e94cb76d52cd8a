//! Running many gateways on one database. There is no code here.
//!
//! # Load on the database
//!
//! | activity | how often | statements |
//! | --- | --- | --- |
//! | polling | once a second, ± 20 % | reads one row by its key |
//! | loading a change | once per gateway and change | reads that row, and the changed services with their versions in one statement |
//! | the report of a [replica](crate::deployments::Builder::with_replica_name) | every 5 s, after each change, and when a version is drained | writes one row by its key, deletes expired ones |
//! | a change through the gateway's admin API | when it is made | one transaction of about 10 statements |
//! | the start, and the first poll after an outage | once | reads all services |
//!
//! So 1,000 gateways make 1,000 reads and 200 small writes per second, a part of one processor of a database server.
//! [`run_every`](crate::Deployments::run_every) with 5 s reduces the reads to a fifth. Polls are spread evenly: in the
//! simulation of `tests/rules/scale.rs`, which runs the code of 1,000 gateways under a simulated clock, the busiest tenth
//! of a second has a third more polls than the average.
//!
//! | time until 1,000 gateways, simulated, | median | p99 | all |
//! | --- | --- | --- | --- |
//! | serve a change of another one, polling once a second | 0.5 s | 1.1 s | 1.2 s |
//! | serve it, listening on PostgreSQL | 16 ms | 26 ms | 26 ms |
//! | are up to date after an outage | | | 4 s |
//!
//! While the database is down, each gateway serves the routes that it has and retries with growing pauses of up to 3 s.
//! Afterwards it loads the changes first, and then all services, since the database may have been restored from a backup
//! or replaced by another server. It also loads all services after its listener lost the connection, and every ten
//! minutes, in case the driver reconnected without a report. With very many services and gateways these loads are large:
//! each may take 30 s, and none of them delays a change.
//!
//! # Size of a load
//!
//! A refresh reads the services that changed, however many there are. `cargo bench --bench scale` measures it with 10,000
//! services of 3 versions each; the README has the figures. A [cache](crate::deployments::SnapshotCache) is written
//! completely, at most every 5 s while there are changes.
//!
//! # PostgreSQL: listening
//!
//! Each gateway listens on one connection of its own, beside up to four in its pool. Each change wakes every listener,
//! which then reads within 20 ms. 1,000 listeners are a burst of 1,000 reads of one row, some tens of milliseconds of work
//! for a server. A change does not wait for listeners. A notification during a lost connection is lost; polling finds the
//! change.
//!
//! The default of the server's `max_connections` is 100, far too few for 1,000 gateways. Either raise it (an idle
//! connection takes some 2 MiB of the server's memory), or use a pooler.
//!
//! # PgBouncer
//!
//! In transaction mode PgBouncer serves any number of gateways with few connections. It does not support listening: use
//! [`SqlStore::with_polling_only`](super::SqlStore::with_polling_only). It must be release 1.21 or later, with
//! `max_prepared_statements` above 0 (the default since 1.24), since the driver prepares its statements by name. Time
//! limits are set within each transaction, so no other setting matters.
//!
//! # Read replicas
//!
//! Read replicas are not needed for the load. Do not connect a gateway to one: it could neither make changes nor report,
//! and [`wait_converged`](crate::Deployments::wait_converged) would wait for the lag of a server that it does not know.
//! After a failover, gateways follow the new server.
//!
//! # MySQL and MariaDB
//!
//! They have no notifications, so other gateways serve a change after their next poll. Galera and group replication check
//! locks at the commit: a change that loses is retried like one in a deadlock. If there are many collisions, make changes
//! through gateways that use one node. Start the first gateway of a new release alone, since the lock of the migrations is
//! valid on one node only.
//!
//! # SQLite
//!
//! Several gateways on one machine may share a file on a local disk. Do not share a file over a network file system.

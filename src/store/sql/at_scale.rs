//! Running many gateways on one database. There is no code here.
//!
//! # What a gateway asks of the database
//!
//! | what | how often | it is |
//! | --- | --- | --- |
//! | the poll | once a second, ± 20 % | one row by its key |
//! | a change somewhere | once per gateway | that row, and the changed services with their versions in one statement |
//! | its report, if it is a [replica](crate::deployments::Builder::with_replica_name) | every 5 s, after each change, and when a version is drained | one row written by its key, expired ones deleted |
//! | a change through its admin API | when made | one transaction of about 10 statements |
//! | the start, and after a lost database | once | everything |
//!
//! So 1,000 gateways are 1,000 reads and 200 small writes a second, which one server answers with a part of one
//! processor, and [`run_every`](crate::Deployments::run_every) with 5 s makes it a fifth of the reads. Polls are spread out: in
//! the simulation of `tests/rules/scale.rs`, which runs the code of 1,000 gateways under a simulated clock, the fullest
//! tenth of a second has a third more than the average.
//!
//! | of 1,000 gateways, simulated | median | p99 | all |
//! | --- | --- | --- | --- |
//! | serve a change of another one, polling once a second | 0.5 s | 1.1 s | 1.2 s |
//! | serve it, listening on PostgreSQL | 16 ms | 26 ms | 26 ms |
//! | are fresh after an outage | | | 4 s |
//!
//! While the database is down each gateway asks ever more seldom, up to every 3 s, and serves what it has. When it is
//! back, a gateway reads what changed, and then everything: the database may have come back from a backup or with another
//! server in its place. So it does where a listener's connection was lost, and every ten minutes in any case, for what
//! a driver mended unseen. With very many services and gateways that is much at once: it is given 30 s, and takes turns
//! with nothing.
//!
//! # How much there is to read
//!
//! `cargo bench --bench scale` measures with 10,000 services of 3 versions each; the README has its figures.
//! A refresh costs what has changed, not what there is. A [cache](crate::deployments::SnapshotCache) is written whole, at
//! most every 5 s while there are changes.
//!
//! # PostgreSQL: listening
//!
//! Each gateway listens on one connection of its own, beside up to four that it asks by. Listeners are woken by each
//! change, and each asks within 20 ms, so 1,000 of them are a burst of 1,000 reads of a row: a server needs some tens of
//! milliseconds for it. A change waits for no listener. What is told while a connection is lost is lost; the poll finds it.
//!
//! The server's `max_connections` is 100 by default, which 1,000 gateways exceed many times over. Either raise it (an
//! idle connection takes some 2 MiB of the server's memory), or pool.
//!
//! # PgBouncer
//!
//! In transaction mode it serves any number of gateways with few connections, and nobody can listen through it: use
//! [`SqlStore::with_polling_only`](super::SqlStore::with_polling_only). It must be of release 1.21 or later with `max_prepared_statements`
//! above 0, its default since 1.24, since the driver prepares its statements by name. Time limits are set within each
//! transaction, so no other setting matters.
//!
//! # Read replicas
//!
//! None are needed for the load, and a gateway must not be pointed at one: it could neither make changes nor report, and
//! [`converged`](crate::Deployments::wait_converged) would wait for the lag of a server that it does not know. After a
//! fail-over, gateways follow whatever the new server holds.
//!
//! # MySQL and MariaDB
//!
//! There is nothing to listen to: a change is served by the others within a poll. Galera and group replication check
//! locks when committing: a change that loses is tried again, like one in a deadlock. Make the changes through gateways
//! that use one node where they collide too often, and start the first gateway of a new release alone: the lock that
//! migrations are run under is one node's.
//!
//! # SQLite
//!
//! Several gateways on one machine may share a file on a local disk. Never share one over a network file system.

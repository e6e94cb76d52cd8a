//! Running gateways in production: several gateways, each database, draining, figures.
//!
//! # Before the first deployment
//!
//! - Mount the admin API on a listener of its own that only operators reach. It changes where traffic goes.
//! - Spawn [`Deployments::run`](crate::Deployments::run), and end it after the server has drained: it
//!   withdraws the replica and saves the last snapshot.
//! - Give each gateway a [replica name](crate::deployments::Builder::with_replica_name). Without one, an
//!   operator cannot wait until all gateways serve a change, or until a version is drained everywhere.
//! - Give each gateway a [snapshot cache](crate::deployments::SnapshotCache). With it, and with a store that
//!   [connects lazily](#starting-without-the-database), a gateway starts while the database is down.
//! - Register a health path. With one, a probe needs a status of 200 to 299; without one, any status of 200
//!   to 499 from the base URL is healthy. Each probe has 3 s.
//! - Give the proxy a response timeout that is shorter than every timeout outside of it. The default is 60 s.
//! - Log at `warn,tower_canary=info`: each change of a split is then one line.
//!
//! # A deployment
//!
//! Register the new version (weight 0), watch `…/traffic` while you move 10 %, 50 %, 100 %, and stop the old
//! process when `?wait=drained` responds with `drainedEverywhere: true`. To go back, switch to the old
//! version: one call, which also activates it again. Any earlier generation can be restored from the history.
//!
//! A version at weight 0 still gets requests where a layer has pins or overrides. Make it inactive to drain
//! it. A redraw assigns pinned users again without a change of the weights.
//!
//! `drainedEverywhere` is missing if the gateway has no replica name, since it then knows of itself alone,
//! and `null` if the store could not be asked.
//!
//! # A unit for systemd
//!
//! ```ini
//! [Service]
//! ExecStart=/usr/local/bin/gateway --no-demo --name %H --snapshot /var/lib/gateway/routes.json
//! EnvironmentFile=/etc/gateway/secrets
//! StateDirectory=gateway
//! Restart=on-failure
//! KillSignal=SIGTERM
//! TimeoutStopSec=40
//! LimitNOFILE=65536
//! ```
//!
//! The options are those of `examples/gateway`. `TimeoutStopSec` is longer than its `--drain` of 30 s, so
//! that systemd does not kill requests that still have time. The file of secrets has `DATABASE_URL` and
//! `CANARY_JWT_SECRET`, and only the gateway reads it. The unit does not need `After=postgresql.service`: the
//! gateway starts from its snapshot. Two file descriptors per request in flight, and the idle connections to
//! backends, decide on `LimitNOFILE`.
//!
//! A container needs a volume for the snapshot, a name that differs per replica, and the same time to stop.
//!
//! # Starting without the database
//!
//! `SqlStore::connect_lazy` creates a store that need not be reachable, and
//! [`start`](crate::deployments::Builder::start) then publishes the routes of the snapshot cache. They stay
//! in use until the database is read. Changes get 503 until then. `GET …/deployment/status` has
//! `fromCache: true`, and [`freshness`](crate::Deployments::freshness) says the same in code, for a readiness
//! check of the application. A gateway that serves old routes is degraded and not dead: leave it in the load
//! balancer.
//!
//! # Metrics and alerts
//!
//! The table of all metrics is in [`metrics`](crate::metrics). `examples/grafana/dashboard.json` is a
//! dashboard for them. Alert on these:
//!
//! | condition (PromQL) | for | means | do |
//! | --- | --- | --- | --- |
//! | `canary_snapshot_age_seconds > 30` | 1 m | the gateway cannot read the store; it serves its last routes | look at the database; changes get 503 meanwhile |
//! | `max(canary_snapshot_revision) - min(canary_snapshot_revision) > 0` | 1 m | gateways serve different states | `GET …/deployment/replicas` names the one that is behind |
//! | `increase(canary_store_errors_total[5m]) > 0` | | calls of the store fail, by `op` | the log has the cause, once per outage |
//! | `rate(canary_no_backend_total[5m]) > 0` | | a service has no active version, its requests get 503 | activate a version, or switch to one |
//! | `rate(canary_unknown_service_total[5m])` above its usual | 5 m | requests for services that are not registered | `RUST_LOG=tower_canary=debug` names them |
//! | `increase(canary_admin_changes_total{result="failed"}[5m]) > 0` | | a change could not be stored | read the split, and repeat it |
//!
//! The canary itself, compared with its sibling. `abandoned` belongs to the errors: a client that gives up,
//! or a timeout outside of the proxy, is how a slow version shows.
//!
//! ```promql
//! sum by (service, version) (rate(canary_requests_total{outcome=~"5xx|error|abandoned"}[5m]))
//!   / sum by (service, version) (rate(canary_requests_total[5m]))
//!
//! histogram_quantile(0.99, sum by (service, version, le) (rate(canary_request_duration_seconds_bucket[5m])))
//! ```
//!
//! `canary_backend_healthy` is the result of the last probe, and versions are probed only before they get
//! traffic and on request. So it says nothing about a version that fails later.
//!
//! Without a metrics system, `GET …/deployment/services/{service}/traffic` has the same figures, with windows
//! and intervals of confidence. [`Deployments::duties`](crate::Deployments::duties) has the state of each
//! background duty, with its last error.
//!
//! # What a gateway asks of the database
//!
//! | operation | how often | cost |
//! | --- | --- | --- |
//! | poll | once a second, ± 20 % | one row by its key |
//! | a change elsewhere | once per gateway | that row, and the changed services with their versions in one statement |
//! | report of a replica | every 5 s, after each change, and when a version is drained | one row written by its key; expired rows are deleted |
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
//! name. Timeouts are set within each transaction, so no other setting matters.
//!
//! **Read replicas** are not needed for the load. Never point a gateway at one: it could neither make changes
//! nor report, and [`wait_converged`](crate::Deployments::wait_converged) would wait for a lag that it does
//! not know. After a failover, gateways follow the new server.
//!
//! # MySQL and MariaDB
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
//! # Rows edited by hand
//!
//! Weights that do not total 100 percent are scaled when they are read. A row that cannot be read takes only
//! its own service out of the load. Running gateways see an edit of the service `auth` after
//!
//! ```sql
//! BEGIN;
//! UPDATE gateway_revision SET revision = revision + 1;
//! UPDATE gateway_service_config SET revision = (SELECT revision FROM gateway_revision) WHERE service_name = 'auth';
//! COMMIT;
//! ```
//!
//! A service that is deleted by hand stays in use until the next whole load, at most ten minutes later.
//!
//! # Figures
//!
//! All figures are from two shared virtual cores, where making and sending an empty request takes 66 ns.
//! `cargo bench --bench track` measures a request and a change, beside the simplest algorithm (a sum and a
//! scan over floats, a formatted and parsed URL), which counts nothing:
//!
//! | | one thread | two threads |
//! | --- | --- | --- |
//! | added by the layer: choice, rewriting, in flight, outcomes, times | 146 ns | 144 ns |
//! | of that, the clock and the histogram (off with [`without_latencies`](crate::WeightedVersionLayer::without_latencies)) | 51 ns | |
//! | added by the simplest algorithm | 204 ns | 387 ns |
//! | publishing a changed split | 0.7 µs | |
//!
//! The version of a key is found in 14 ns, with its hash, after 1,000 random changes of the weights of 6
//! versions. Compiling such a split takes 0.25 µs. `cargo bench --bench proxy` measures the proxy: 0.5 µs for
//! a request with one header, 1.3 µs with the layer for a request with twelve.
//!
//! `cargo bench --bench scale` measures 10,000 services of 3 versions each, with the databases on the same
//! machine. An idle service takes 2 to 3 KiB of memory. A busy version takes about 3 KiB for each processor
//! that serves it, and up to 100 KiB for its last five minutes.
//!
//! | | SQLite | PostgreSQL, TLS | MariaDB |
//! | --- | --- | --- | --- |
//! | start of a gateway, until it can serve | 0.15 s | 0.7 s | 0.2 s |
//! | a whole load | 0.12 s | 0.3 s | 0.2 s |
//! | a change, stored and published | 1 ms | 2 ms | 2 ms |
//! | its refresh on another gateway | 0.4 ms | 8 ms | 0.6 ms |
//! | a poll that finds nothing | 0.07 ms | 0.3 ms | 0.1 ms |
//!
//! The cost of a refresh depends on the number of changed services alone. A snapshot cache is written whole,
//! at most every 5 s while there are changes.

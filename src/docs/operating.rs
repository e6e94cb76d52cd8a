//! Running gateways in production: deployments, health, TLS, load balancers, metrics, secrets, figures.
//!
//! [The page on databases](super::databases) has their load, their settings and their fail-over.
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
//!   to 499 from the base URL is healthy. Each probe has 3 s. [Instances](#instances-and-their-health) are
//!   checked at this path alone.
//! - Await [`Deployments::checked`](crate::Deployments::checked) before the gateway reports that it is ready:
//!   before that, it does not know which instances are down. `/readyz` of the gateway example does so.
//! - Give the proxy a response timeout that is shorter than every timeout outside of it. The default is 60 s.
//! - Log at `warn,tower_canary=info`: each change of a split is then one line.
//!
//! # A deployment
//!
//! [`canary`](super::command_line) does each of these steps from a shell, and `examples/deploy` has recipes for jobs of CI.
//!
//! Register the new version (weight 0), watch `…/traffic` while you move 10 %, 50 %, 100 %, and stop the old
//! process when `?wait=drained` responds with `drainedEverywhere: true`. To go back, switch to the old
//! version: one call, which also activates it again. Any earlier generation can be restored from the history,
//! with its URLs, its health path and its mirror, as long as its versions are registered.
//!
//! A version at weight 0 still gets requests where a layer has pins or overrides. Make it inactive to drain
//! it. A redraw assigns pinned users again without a change of the weights.
//!
//! `DELETE /routing/services/{service}` removes a service, for example one with a mistyped name. Its history
//! stays readable, for audits. Set its versions inactive first, and wait until they are drained: with
//! `?force=true` its requests get 404 at once.
//!
//! `drainedEverywhere` is missing if the gateway has no replica name, since it then knows of itself alone,
//! and `null` if the store could not be asked.
//!
//! # Copies before the first user
//!
//! `PUT …/services/auth/mirror` with `{"version": "v1.1", "percent": 10}` sends copies of a tenth of the requests to `v1.1`,
//! which may have the weight 0. Its responses are dropped. `DELETE` ends it, as the deactivation of the version does.
//!
//! - Only `GET` and `HEAD` are copied, unless the gateway was built with
//!   [`with_methods`](crate::mirror::Mirror::with_methods). A version that writes on `GET` does so twice: give it data and
//!   credentials of its own. It can tell a copy by `X-Canary-Mirror: 1`.
//! - `copies` in `GET …/traffic` has the copies by outcome, their latency, and the requests that were not copied: `busy` says
//!   that 64 copies were in flight, so the version is slower than the requests come. The metrics are `canary_mirror_*`.
//! - Copies are in no share, no outcome and no failure of an instance. They are in flight, so a version that gets some is
//!   not drained: end the mirror first.
//! - The percentage is of the requests that can be copied at all. [`mirror`](crate::mirror) lists them.
//! - The database and backends behind the version get the load of the copies too.
//! - A gateway of the release before mirrors nothing and leaves the setting as it is.
//!
//! # Instances and their health
//!
//! A version has 1 to 64 base URLs: `"urls": […]` when it is registered, `"addUrls"` and `"removeUrls"` later.
//! Two of its instances are drawn by chance for each request, and the less busy one gets it. Weights stay exact
//! whatever is down, since health decides only inside of the version that was drawn.
//!
//! | state | reason | gets requests |
//! | --- | --- | --- |
//! | `new` | not checked yet | only while no instance is up |
//! | `up` | | yes |
//! | `down` | three checks in a row failed, of a new instance one | no. Two passed checks bring it back |
//! | `ejected` | five requests in a row failed | no, for 30 s, the next time longer, up to 5 min. Then one failure more ejects it again, and one success clears it |
//!
//! - **A check** is a `GET` of the health path over a new connection, every 5 s, with a limit of 2 s. It passes
//!   with 200 to 299. After a failure the next one is made in 1 s, so a process that is gone is down after 2 to
//!   7 s, and a frozen one 6 s later. A service without requests is checked once a minute. Without a health
//!   path there are no checks.
//! - **A failed request** is one without a response (not connected, reset, too late), or one with 502, 503, 504
//!   or gRPC `UNAVAILABLE`. A 500 is none: all instances of a bad version respond it. At most half of the
//!   instances of a version are ejected, rounded down, and the only one never is: it is *spared*.
//! - **No usable instance:** the requests of the version are tried at all of its instances, so a wrong health
//!   path is no outage. [`Health::refusing`](crate::health::Health::refusing) responds 503 `no-instance`.
//!   [`Health::failover`](crate::health::Health::failover) sends them to other versions by weight and counts
//!   them as `diverted`: a broken canary then shows in that figure alone.
//! - **Retries.** With [`failover`](crate::layer) a request that could not be sent goes to another instance of
//!   its version, at most two times. Each attempt counts at the instance that it went to.
//! - **Every gateway has its own view**, and nothing of it is stored. `GET …/versions` of each gateway has the
//!   states with the last check, `?events=true` the last changes of states, and the log one line for each.
//!
//! A health path should respond for the process alone. One that fails with the database behind the version
//! takes all instances out at the same time, and with them the difference between the dead and the living.
//!
//! There is no command to set a state. To take an instance out, remove its URL, wait for
//! `…/traffic?wait=drained&version=v1&url=http://10.0.0.7:8080`, and stop the process once
//! `drainedEverywhere` is `true`. To end an ejection early, `POST …/versions/v1/check` with
//! `{"clear": true}`. To replace the processes of a version one by one, add the new URL first, and remove the
//! old one when the new one is `up`. [`with_slow_start`](crate::health::Health::with_slow_start) helps where a
//! process is slow at first.
//!
//! | option of the gateway example | default | |
//! | --- | --- | --- |
//! | `--health-interval`, `--health-timeout` | `5s`, `2s` | of checks |
//! | `--no-health` | | no checks and no ejections; instances are balanced |
//! | `--failover` | | other versions serve while a version has no usable instance, or none that can be connected to |
//! | `--refuse-unhealthy` | | 503 while a version has no usable instance |
//! | `--slow-start` | off | time until the full share |
//! | `--retry-safe` | | `GET` and `HEAD` that got 502, 503, 504 or no response go to another instance |
//! | `--attempt-timeout` | the response timeout | time of each of their attempts; all together have `--response-timeout` |
//!
//! # Rollouts
//!
//! Spawn [`Rollouts::run`](crate::rollout::Rollouts::run) (feature `rollout`) beside `Deployments::run` on every gateway, and
//! mount `admin::router_with_rollouts` in place of `admin::router`. The gateway example does both. While a service has a
//! rollout, each gateway adds its figures to its reports (less than 1 KiB for a rollout, every 5 s), and one gateway writes to
//! the rollout every 5 s. Without a rollout nothing is read or written. [The page on rollouts](super::rollouts) has the rest.
//!
//! | option of the gateway example | |
//! | --- | --- |
//! | `--gate NAME=URL` | a gate that plans may name. The leader asks it by `POST` at most every 10 s; 2xx opens it. Every gateway needs the same ones |
//! | `--demo-hold` | the hold of the first rollout in the printed story |
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
//! The options belong to `examples/gateway`. `TimeoutStopSec` is longer than its `--drain-notice` (0 s),
//! `--drain` (30 s) and 5 s for operators together, so that systemd does not kill requests that still have
//! time. The file of secrets has `DATABASE_URL` and `CANARY_JWT_SECRET`, and only the gateway reads it.
//! Secrets that are files (`LoadCredential=`, Docker and Kubernetes secrets) are named by
//! `DATABASE_URL_FILE` and `CANARY_JWT_SECRET_FILE`. The unit does not need `After=postgresql.service`: the
//! gateway starts from its snapshot. Two file descriptors per request in flight, and the idle connections to
//! backends, decide on `LimitNOFILE`.
//!
//! `examples/deploy` has this unit, a template for the units of versions, and a Dockerfile.
//!
//! A container needs a volume for the snapshot, a name that differs per replica, and the same time to stop.
//!
//! # TLS
//!
//! The gateway example serves its clients by TLS with these options, and has HTTP/1.1 and HTTP/2 on one address:
//!
//! | option | variable | content |
//! | --- | --- | --- |
//! | `--tls-cert` | `CANARY_TLS_CERT` | the certificate, then its chain, in PEM |
//! | `--tls-key` | `CANARY_TLS_KEY` | its private key in PEM, not encrypted: PKCS #8, PKCS #1 or SEC 1 |
//!
//! - Both files are read again every second. New connections get the new certificate, open ones stay, and sessions are
//!   resumed as before. Tools such as certbot and cert-manager only have to replace the files.
//! - Files that cannot be read, or do not belong together, keep the earlier certificate, with one warning in the log:
//!   `the TLS certificate is not replaced`. At the start they end the gateway. The date of the certificate is not
//!   checked: watch its end from outside.
//! - Backends get `X-Forwarded-Proto: https`, and pin cookies are `Secure`.
//! - The admin API has no TLS. Keep it on a private network.
//! - Each gateway has its own keys for tickets, so a client resumes its session at the gateway where it began.
//!
//! # Behind a load balancer
//!
//! - Set `--drain-notice` to the time in which the balancer notices: its interval of checks times the number
//!   of failures that it waits for. After SIGTERM, `/readyz` is 503 and requests are still served for this
//!   time. Then no connection is accepted, and requests in flight have `--drain`. The listener for operators
//!   closes last: `/readyz`, `/metrics` and `…/traffic` can be read until the last request has ended.
//! - Set `--idle-timeout` (75 s) above the idle limit of the balancer for connections to its targets.
//! - Name the balancer by `--trusted-proxy`, as an address or a network such as `10.0.0.0/8`. A balancer that
//!   forwards TCP names its clients by the PROXY protocol: `--proxy-protocol`.
//! - [The page on connections](super::wire) has all limits for clients.
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
//! | `min by (service) (canary_rollout_tick_age_seconds) > 20` | 1 m | nobody drives the rollout: no step advances, and a bad canary is not taken back | the log has the cause (`rollouts cannot be driven`), most often the store; set the weights by hand |
//! | `max by (service) (canary_rollout_phase{phase="paused"}) == 1` | | a rollout waits for a person | `GET …/rollouts/current` says why; resume or abort |
//! | `increase(canary_rollouts_total{outcome="rolled-back"}[10m]) > 0` | | a canary was taken back | `GET …/rollouts` says why |
//! | `canary_none_usable == 1` | 1 m | a version has no usable instance; its requests are tried all the same, refused or diverted | `GET …/versions` has the cause of the last check of each |
//! | `canary_instance_usable == 0` | 5 m | an instance gets no requests | look at the process, or remove its URL |
//! | `increase(canary_instance_ejections_total[30m]) > 3` | | requests of an instance fail, and its checks pass | the event has the cause; the health path does not cover what fails |
//! | `rate(canary_no_backend_total[5m]) > 0` | | a service has no active version, or under `Health::refusing` a version has no usable instance: requests get 503 | activate a version, or switch to one |
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
//! The counters of an active version exist at 0 before its first request, so `increase` sees the first failures of a
//! canary. After its removal the health is NaN, which no alert matches, and the series end with the idle timeout of
//! the recorder: see [`metrics`](crate::metrics#first-and-last-values).
//!
//! `canary_backend_healthy` says whether at least one instance of a version is usable. Without health it is the
//! result of the last probe, which says nothing about a version that fails later.
//!
//! Without a metrics system, `GET …/deployment/services/{service}/traffic` has the same figures, with windows
//! and intervals of confidence. They are those of one gateway: give each its
//! [admin URL](crate::deployments::Builder::with_admin_url), and ask each `adminUrl` of `GET …/deployment/replicas`. [`Deployments::duties`](crate::Deployments::duties) has the state of each
//! background duty, with its last error.
//!
//! # Changing keys and secrets
//!
//! No change of these throws anybody out, if it is made in this order at all gateways:
//!
//! | secret | how |
//! | --- | --- |
//! | key of the issuer of tokens | [`JwtKeys::replace`](crate::admin::JwtKeys::replace) with both keys, then the issuer signs with the new one, then without the old one after its last token has expired |
//! | secret of pins | [`PinCookie::with_earlier_secret`](crate::layer::PinCookie::with_earlier_secret): the new one as an earlier one, then sign with the new one and keep the old one for the lifetime of a pin |
//!
//! The secret of pins should not be the secret of tokens: a change of the one would then change the other. The gateway
//! example signs pins with the secret of tokens unless it has `CANARY_PIN_SECRET`. To give it one without moving users,
//! put the secret of tokens into `CANARY_EARLIER_PIN_SECRETS`.
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
//!
//! `cargo bench --bench rollouts` measures 100 gateways with 100 rollouts at once, by default on SQLite. One gateway leads all
//! of them: a tick over all rollouts takes 0.4 s (0.6 s the slowest) of the five seconds between two, and writes 20 times a
//! second. Each gateway reports 73 KB every five seconds, 728 bytes for a rollout, with its latencies.

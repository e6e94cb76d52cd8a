//! How the crate works: the terms, the modules, and four walks through them.
//!
//! # Terms
//!
//! | term | meaning |
//! | --- | --- |
//! | service | a logical backend, such as `auth`: [`ServiceName`] |
//! | version | one deployment of a service, such as `v1.1`: its instances, a weight, active or not: [`Version`] |
//! | instance | one base URL of a version: [`Instances`] |
//! | weight | the share of the service's traffic in percent, 0 to 100, with up to two decimals: [`Weight`] |
//! | active | an active version may be chosen, an inactive version never is |
//! | split | the versions of one service with their weights: [`Split`]. Every change reads a split and replaces it whole |
//! | slot | one of 10,000 equal parts of a service's traffic. The weight of a version is its number of slots: [`SlotMap`] |
//! | change | a command on a split, such as "set weight" or "switch": [`Change`] |
//! | generation | the number of changes of one split, used as the optimistic lock of every write. It goes on when a removed service is registered again |
//! | revision | the number of changes of the whole store, which gateways poll |
//! | route | a split compiled for requests: [`Route`] |
//! | draw | the point in 0..10,000 that a request without a key gets. The route maps it to a version: [`Draw`] |
//! | key | what identifies a user to an [`Affinity`](crate::layer::Affinity). Its hash is a slot |
//! | salt | a number of a service, fixed when it is created. With the key it gives the slot |
//! | pin | a signed cookie that names a version: `PinCookie` |
//! | override | a trusted request that asks for a version by name: [`Override`](crate::layer::Override) |
//! | backend | an address that requests are sent to: the scheme and authority of a URL |
//! | check | a probe of an instance that is repeated all the time. A probe before the first traffic is not a check |
//! | up, down | an instance is in service, or its checks fail: [`InstanceState`] |
//! | ejected | out of service for a while, because requests failed |
//! | row | requests of one instance in a row that failed. A full one ejects it |
//! | on trial | up after an ejection, until a request succeeds: one failure ejects it again |
//! | usable | an instance that may be chosen |
//! | fleet | the instances of one version inside of a gateway, with their health |
//! | diverted | sent to another version, because the version of the draw has no usable instance |
//! | in flight | from the choice of the version until the response body ends or is dropped |
//! | drained | no request is in flight and none will be sent |
//! | mirror, copy | the version that gets copies of requests whose responses are dropped. The request that was copied is the original: `mirror` |
//! | replica | one gateway process among several that share a store: [`Replica`](crate::store::Replica) |
//! | snapshot | the splits of a store at one revision: [`Snapshot`](crate::store::Snapshot) |
//! | rollout | one version, the canary, on its way to all traffic by a plan of stages: `rollout::Plan` |
//! | guard | the judge that compares the canary with the other versions: `rollout::Guard` |
//! | duty | one background activity of [`Deployments::run`](crate::Deployments::run) |
//!
//! # Modules
//!
//! ```text
//!             requests                                        changes
//!                │                                               │
//!          ┌─────▼─────┐                                   ┌─────▼─────┐
//!          │   proxy   │ a reverse proxy                   │   admin   │ axum router, JWT, OpenAPI
//!          └─────┬─────┘                                   └─────┬─────┘
//!          ┌─────▼─────┐                    ┌─────────┐    ┌─────▼─────┐    ┌───────┐     ┌──────────┐
//!          │   layer   │ chooses, rewrites  │ metrics │    │    api    │    │ probe │◄────┤ upstream │
//!          └─────┬─────┘                    └────┬────┘    └─────┬─────┘    └───┬───┘     └──────────┘
//!                │ reads                 exports │         ┌─────▼─────┐        │ is its check
//!          ┌─────▼─────┐                         └────────►│           │◄───────┘
//!          │  handle   │◄────────────publishes─────────────┤deployments│
//!          └──┬─────┬──┘                                   └─────┬─────┘
//!      counts │     │ compiles                                   │ commits
//!       ┌─────▼───┐ │                                      ┌─────▼─────┐
//!       │ traffic │ │                                      │   store   │ memory, SQL
//!       └─────┬───┘ │                                      └─────┬─────┘
//!             │     │           pure rules, no I/O               │ decides by
//!          ┌──▼─────▼────────────────────────────────────────────▼──┐
//!          │                        routing                         │
//!          └────────────────────────────────────────────────────────┘
//! ```
//!
//! Left out above: `mirror`, a sibling of `layer` that copies requests. It implements the service of a layer that has a
//! mirror, whose type names it, so that the other layers do not know of it. Also left out: the pure modules `health` (which
//! instances are in service) and `balance` (which of them gets a request), which `handle` uses beside `routing`.
//!
//! `console` is a page that calls the admin API as any other client does. In Rust it is one response, and it uses no other
//! module.
//!
//! `upstream` is the client that the layer is put around. It knows neither of them, and neither knows it: the
//! application puts the three together. Its connections and the checks of the probe go through the connector and
//! the TLS of `probe`.
//!
//! `src/bin/canary` is the [command line](super::command_line), a client of the admin API: it uses `api` and the names and
//! weights of `routing`, and nothing else.
//!
//! `rollout` has pure rules beside `routing`, and a driver above `deployments`. In builds that have it, `admin` and `api` show
//! and steer it, `metrics` exports it, and `probe` has its gates over HTTP.
//!
//! An arrow says "uses". No arrow points back up, and no two files of a module use each other: a test holds
//! both. `admin` also uses `deployments` directly, and `common` has what several modules share. A feature
//! gates modules at their `mod` line, and code inside of a module only where that is impossible.
//!
//! The rules are pure. [`Split::apply`] decides every change; the SQL store, the store in memory, the dry run
//! and the tests all call it. A store only locks, loads, asks, writes and records, in one transaction.
//! `health` beside `routing` is pure as well: it decides which instances are in service. `handle` keeps the records
//! and applies its rules, `deployments` makes the checks.
//!
//! # The path of a request
//!
//! 1. [`WeightedVersion::call`](crate::layer::WeightedVersion) finds the service by its
//!    [`Target`](crate::Target): a fixed name, a path segment, the host, a header, an extension or a
//!    function.
//! 2. It loads the route of the service once from an `ArcSwap`. The request follows this one split, whatever
//!    is published meanwhile.
//! 3. The rules pick a version, in this order: override, failover (a retry avoids the versions that it
//!    tried), pin, key, draw. A layer without rules goes straight to the draw.
//! 4. The request counts as in flight at its version. Each thread owns a shard of the counters, so threads
//!    share no cache line and a count needs no locked instruction.
//!    A layer with a mirror compares one pointer of the route here. If the split has a mirror, and the draw of copies
//!    says so, it clones the head, points it at the mirror and counts the copy in flight there, while the route is held.
//! 5. The URI gets the scheme, the authority and the base path of the instance. A path that could leave the
//!    base path is refused. `Host` follows the [`HostPolicy`](crate::layer::HostPolicy).
//! 6. The inner client sends it. Its future and its response body carry the in-flight guard. The client of
//!    `upstream` takes an idle connection or a free stream of the backend, waits, or connects.
//! 7. When the body has ended, has failed or was dropped, the guard records the outcome and the time, and the
//!    request is no longer in flight.
//!
//! An unknown service gets 404 and a service without an active version gets 503, both as problem documents
//! (RFC 9457) or as a gRPC status. With a fallback backend both go there.
//!
//! # The path of a change
//!
//! 1. The admin API authenticates the caller and parses the request into a [`Change`].
//! 2. [`Deployments::apply`](crate::Deployments::apply) asks its
//!    [`VersionCheck`](crate::deployments::VersionCheck) whether the URLs are allowed, and calls
//!    [`RouteStore::commit`](crate::store::RouteStore::commit).
//! 3. The store locks the service, compares the generation, and calls
//!    [`ChangeRequest::decide`](crate::store::ChangeRequest::decide), which calls [`Split::apply`].
//! 4. If the change would give traffic to a version without traffic that was not probed, the store refuses it
//!    as not cleared. `Deployments` probes its instances outside of the transaction, and commits again if at least half of
//!    them pass. So no database lock is held during a probe, and no version gets traffic on the word of an outdated probe.
//! 5. The store writes the rows that differ, the history entry, the generation and the revision, and commits.
//! 6. `Deployments` publishes the new route before it returns. So a client that got the response of a change
//!    is served by it.
//! 7. A change that was refused is recorded in the refusal log, if the store has one.
//!
//! # The path of a refresh
//!
//! 1. [`Deployments::run`](crate::Deployments::run) wakes about every second, or when PostgreSQL notifies it.
//! 2. It reads the splits whose revision is above the last one seen, compiles them and publishes them. A
//!    split that cannot be read keeps its last good route and is [reported](crate::Deployments::freshness).
//!    The split of a removed service stays in the store, so that its removal is among the changes: its route is
//!    withdrawn. The response to a change that was made here may be later than a load that read the change. Then the
//!    loaded split stays, since it may be a later one.
//! 3. After a lost connection, after an outage, when the revision went back, and every ten minutes, it loads
//!    everything.
//! 4. While the store is down the last good routes stay in use, and the pause between attempts grows to 3 s.
//! 5. A replica reports every 5 s which revision it serves, and which versions and removed URLs still have requests in
//!    flight. From these reports the others know when a change has
//!    [converged](crate::Deployments::wait_converged), and when a version or one instance of it is
//!    [drained everywhere](crate::Deployments::other_replicas).
//!
//! # The path of a check
//!
//! Only with [`Builder::with_health`](crate::deployments::Builder::with_health).
//!
//! 1. After each publication the duty `check-health` lists the instances of active versions whose service has a
//!    health path. Each keeps its place in the schedule as long as its version has its URL; a new one is due at once.
//! 2. The schedule, which has no clock, names the instances that are due: every 5 s, every 60 s for a service
//!    without requests, after 1 s if the last check contradicts the state. At most 64 checks run at a time, 32 of them of
//!    instances that are down, so that those cannot delay the others.
//! 3. The [`VersionCheck`](crate::deployments::VersionCheck) probes the instance, within the time limit. A panic changes
//!    no state and shows in the [status](crate::Deployments::duties) of the duty.
//! 4. The fleet of the version takes its lock and applies the result to the record of the instance by the rules of
//!    [`health`](crate::health). It writes the usable instances as one word, which requests read.
//! 5. A request that fails lengthens the row of its instance. When the row is full, the instance is queued for the duty,
//!    which applies that in the same way. So one state machine decides, in one task.
//! 6. Once a second the duty ends ejections, moves the shares of instances that start slowly, and looks for services that
//!    got requests.
//! 7. Each transition is one event of `tracing` and one of
//!    [`health_events`](crate::Deployments::health_events). Nothing is written to the store: another gateway has a view
//!    of its own.
//!
//! # Where to begin to read
//!
//! Each line is one afternoon, from the first file to the last. The pure files come with the rules as tests beside them
//! or in `tests/rules`.
//!
//! | to understand | read |
//! | --- | --- |
//! | a request | `layer/service.rs`, `layer/settings.rs`, `handle/snapshot.rs`, `traffic/in_flight.rs` |
//! | why a request counts once | `handle/entry.rs`, `handle/retired.rs`, then [`concurrency`](super::concurrency) |
//! | the rules of a change | `routing/apply.rs`, `routing/rebalance.rs`, `routing/reassign.rs` |
//! | a change on its way | `admin/state.rs`, `deployments/apply.rs`, `store/change_request.rs`, `store/sql/write.rs` |
//! | how gateways agree | `deployments/loader.rs`, `deployments/progress.rs`, `deployments/publisher.rs` |
//! | background work | `deployments/background/duty.rs`, `driver.rs`, then any duty beside them |
//! | the health of instances | `health/step.rs`, `handle/fleet.rs`, `deployments/checks/schedule.rs` |
//! | a rollout | `rollout/machine/tick.rs`, `rollout/guard/guard.rs`, `rollout/driver/duty.rs` |
//! | the command line | `bin/canary/main.rs`, `client/call.rs`, then any verb |
//!
//! Most types live in the file of their name, in snake case, and a `mod.rs` only declares and re-exports.
//!
//! [`Affinity`]: crate::layer::Affinity
//! [`Change`]: crate::routing::Change
//! [`Draw`]: crate::routing::Draw
//! [`Instances`]: crate::routing::Instances
//! [`InstanceState`]: crate::health::InstanceState
//! [`Route`]: crate::routing::Route
//! [`ServiceName`]: crate::routing::ServiceName
//! [`SlotMap`]: crate::routing::SlotMap
//! [`Split`]: crate::routing::Split
//! [`Split::apply`]: crate::routing::Split::apply
//! [`Version`]: crate::routing::Version
//! [`Weight`]: crate::routing::Weight

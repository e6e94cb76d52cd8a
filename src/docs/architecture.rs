//! How the crate works: the terms, the modules, and three walks through them.
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
//! | generation | the number of changes of one split, used as the optimistic lock of every write |
//! | revision | the number of changes of the whole store, which gateways poll |
//! | route | a split compiled for requests: [`Route`] |
//! | draw | the point in 0..10,000 that a request without a key gets. The route maps it to a version: [`Draw`] |
//! | key | what identifies a user to an [`Affinity`](crate::layer::Affinity). Its hash is a slot |
//! | salt | a number of a service, fixed when it is created. With the key it gives the slot |
//! | pin | a signed cookie that names a version: `PinCookie` |
//! | override | a trusted request that asks for a version by name: [`Override`](crate::layer::Override) |
//! | in flight | from the choice of the version until the response body ends or is dropped |
//! | drained | no request is in flight and none will be sent |
//! | replica | one gateway process among several that share a store: [`Replica`](crate::store::Replica) |
//! | snapshot | the splits of a store at one revision: [`Snapshot`](crate::store::Snapshot) |
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
//!          ┌─────▼─────┐                    ┌─────────┐    ┌─────▼─────┐    ┌───────┐
//!          │   layer   │ chooses, rewrites  │ metrics │    │    api    │    │ probe │
//!          └─────┬─────┘                    └────┬────┘    └─────┬─────┘    └───┬───┘
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
//! An arrow says "uses". No arrow points back up, and no two files of a module use each other: a test holds
//! both. `admin` also uses `deployments` directly, and `common` has what several modules share. A feature
//! gates modules at their `mod` line, and code inside of a module only where that is impossible.
//!
//! The rules are pure. [`Split::apply`] decides every change; the SQL store, the store in memory, the dry run
//! and the tests all call it. A store only locks, loads, asks, writes and records, in one transaction.
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
//! 4. The request counts as in flight at its version. Counters are sharded by thread, so threads share no
//!    cache line.
//! 5. The URI gets the scheme, the authority and the base path of the instance. `Host` follows the
//!    [`HostPolicy`](crate::layer::HostPolicy).
//! 6. The inner client sends it. Its future and its response body carry the in-flight guard.
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
//!    as not cleared. `Deployments` probes the version outside of the transaction and commits again. So no
//!    database lock is held during a probe, and no version gets traffic on the word of an outdated probe.
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
//! 3. After a lost connection, after an outage, when the revision went back, and every ten minutes, it loads
//!    everything.
//! 4. While the store is down the last good routes stay in use, and the pause between attempts grows to 3 s.
//! 5. A replica reports every 5 s which revision it serves and which versions still have requests in flight.
//!    From these reports the others know when a change has [converged](crate::Deployments::wait_converged)
//!    and when a version is [drained everywhere](crate::Deployments::other_replicas).
//!
//! [`Affinity`]: crate::layer::Affinity
//! [`Change`]: crate::routing::Change
//! [`Draw`]: crate::routing::Draw
//! [`Instances`]: crate::routing::Instances
//! [`Route`]: crate::routing::Route
//! [`ServiceName`]: crate::routing::ServiceName
//! [`SlotMap`]: crate::routing::SlotMap
//! [`Split`]: crate::routing::Split
//! [`Split::apply`]: crate::routing::Split::apply
//! [`Version`]: crate::routing::Version
//! [`Weight`]: crate::routing::Weight

//! For contributors: every atomic with its pair, every lock with its order, and why "drained" is drained.
//!
//! Requests take no lock that a writer of routes holds. They share seven kinds of state with other threads:
//! the published routes, the point of the next draw, the counters of versions and instances, the health of instances,
//! the progress of a request body, the pool of connections, and a few single counts. Everything else is behind a lock or
//! belongs to one task.
//!
//! Each `Ordering` in the source has a comment that names its pair or says why it needs none. This page has
//! the arguments that are longer than a comment.
//!
//! # Atomics
//!
//! | what | file | ordering | pair and reason |
//! | --- | --- | --- | --- |
//! | the live route of a service, `ArcSwapOption` | `handle/entry.rs` | arc-swap's | a load sees a route whole. `swap` returns after every outstanding guard of the old route has become a strong reference: [below](#why-drained-is-drained) |
//! | the table of services, `ArcSwap` | `handle/routing_handle.rs` | arc-swap's | a load sees a table whole. Entries are never removed, so a service that is found late counts as unknown once, not forever |
//! | strong count of a retired route | `handle/retired.rs` | Relaxed load, then `fence(Acquire)` | pairs with the Release in `Arc::drop` of a request's guard: [below](#why-drained-is-drained) |
//! | strong count of a shard's counters | `traffic/instance_counters.rs` | Relaxed load, then `fence(Acquire)` | pairs with the Release in `Arc::drop` of a request's `InFlight`: a thread that sees a request ended sees its outcome |
//! | picks of a version | `traffic/shard_counters.rs` | Relaxed load and store by the owner of the shard, `fetch_add` on the shared one | the outcome of the same request, counted later, publishes the pick |
//! | outcomes of a version | `traffic/end_counters.rs` | store Release by the owner of the shard, `fetch_add` Release by others, load Acquire | a reader takes outcomes first and picks second, so no more requests have ended than were picked |
//! | buckets of latencies | `traffic/latencies.rs` | Relaxed | each is a count of its own, written like the outcomes |
//! | strong count of an instance's counters | `traffic/instance_counters.rs` | Relaxed load, then `fence(Acquire)` | pairs with the Release in `Arc::drop` of the last route that had the instance: the requests that it counted are seen before the counters are forgotten |
//! | the usable instances of a fleet, the warming ones and their shares | `handle/words.rs` | Relaxed | each is one word, and nothing else is read through it. Written under the lock of the records, so the last write is of the last records. A request that reads a word too late is sent as one that came a moment before |
//! | the turn of a shard | `handle/balanced.rs` | Relaxed load and store | two threads of the shared shard may take the same turn, which spreads the requests of a moment less evenly and does nothing wrong |
//! | the row of failures of an instance, three fields | `traffic/failure_row.rs` | Relaxed | a hint for choices. Exactly one failure makes the row full, by the atomicity of `fetch_add`; a success at the same time may lose one failure |
//! | whether an instance is queued for the duty | `handle/full_rows.rs` | Relaxed `swap` | exactly one thread queues it, and the lock of the queue publishes the rest. The duty clears it before it judges, so a later failure queues the instance again |
//! | whether any version has several instances | `handle/routing_handle.rs` | Relaxed | set before the route is published, never cleared |
//! | requests that went to another version | `traffic/counters.rs` | Relaxed | a count of its own |
//! | copies sent, and copies not sent | `traffic/apart_counters.rs` | Relaxed | each is a count of its own |
//! | whether a copy was sent | `traffic/apart_counters.rs` | Relaxed | the original and the copy share it. A late read leaves one original out of a comparison |
//! | the outcomes of overrides, copies and their originals | `traffic/end_counters.rs` | `fetch_add` Release, load Acquire | a reader takes the outcomes of overrides before the outcomes at the shards, where a request is counted first: so it never reads more overrides than requests |
//! | versions of a route, histogram of a shard, `OnceLock` | `handle/live.rs`, `traffic/end_counters.rs` | std's | created by the first request: most services are idle |
//! | the sequence of the draw | `routing/draw.rs` | Relaxed load and store by the owner of the shard, else Relaxed `fetch_add` | only the atomicity matters: no point is given twice |
//! | the owned shards | `common/sharded.rs` | `fetch_update` Acquire, `fetch_and` Release | a thread that takes a shard continues the counts of the thread that gave it back: [below](#shards) |
//! | unknown and unserved requests | `handle/{routing_handle,entry,snapshot}.rs` | Relaxed | each is a count of its own |
//! | whether weight 0 is reachable | `handle/routing_handle.rs` | Relaxed | set while layers are built. They get requests later, through whatever hands them to the server |
//! | progress of a request body, five fields | `proxy/progress.rs` | Relaxed | one writer: the body is polled by one task at a time. The response future only reads, and a late read lets a request wait longer, never shorter: the timer reads again when it fires |
//! | the second of the last warning | `proxy/failure_log.rs` | Relaxed `fetch_max` | exactly one thread wins a second. The value guards nothing |
//! | who polls a connection | `upstream/engine.rs` | `fetch_or` and `swap` AcqRel, store Release, load Acquire | [below](#who-polls-a-connection) |
//! | `is_ending`, `is_abandoned` of a connection | `upstream/http1.rs` | store Release, load Acquire | the response body stores one of them and then wakes the driver, which registers its waker and then loads both: one of the two sees the other. The driver sees what the body did before. It clears `is_ending` by a Relaxed store before it gives the connection back, whose lock orders that for the next request |
//! | `is_uploading` of a connection | `upstream/http1.rs` | store Release, load Acquire | a thread that sees the end of the upload sees what the drop of the request body freed |
//! | `is_private`, `max_idle` of a connection | `upstream/{http1,http2}.rs` | Relaxed | written by the request that holds the connection. The lock of its backend orders them for the next one |
//! | the limit and the number of streams of a connection | `upstream/http2.rs` | Relaxed | streams are counted under the lock of the backend. The driver takes this lock after it has published a higher limit, so a request waits for a stream only if it has not missed one |
//! | when the number of streams changed | `upstream/http2.rs` | Relaxed | written under the lock of the backend. The driver asks under it whether the connection is idle |
//! | the reads and writes of a connection, four fields | `upstream/wire.rs` | Relaxed | hyper's poll writes them, and the driver alone reads the number of writes. The error of a request has reached it by a channel, so it sees the reads before. A value from before the request that is too old only prevents a repeat |
//! | when bytes were last moved | `proxy/activity.rs` | Relaxed | a time alone. A late read only makes a wait longer |
//! | whether reports lack figures | `deployments/figures.rs` | Relaxed `swap` | exactly one report of a change logs it |
//! | whether this process has reported | `deployments/replicas.rs` | Relaxed | a second report that starts the process does no harm |
//! | the period of `run` | `deployments/{deployments,observe}.rs` | Relaxed | a value of its own |
//! | whether a warning was logged | `layer/uri_check.rs` | Relaxed `swap` | exactly one caller sees `false` |
//! | the cancel flag of a write | `store/sql/orphans.rs` | Relaxed | ordered by the lock of `queued`, through which the work passes to its next driver |
//!
//! # Shards
//!
//! Counters are sharded by thread, 128 bytes apart (two cache lines, since processors fetch lines in pairs). So two threads
//! that count rarely write one line, and a sum over the shards may miss what happens during the sum, but never what
//! happened before it.
//!
//! A thread *owns* its shard: it takes a free one for its first request and gives it back when it ends. There are as many
//! as processors, at most 16, and one more that all other threads share. The owner counts by a load and a store, the others
//! by `fetch_add`: a locked instruction costs five times as much, and a request counted with six of them. No count is lost:
//!
//! 1. *Each word has one kind of writer at a time.* The picks of an owned shard are written by its owner, since a
//!    request is picked on the thread whose shard it uses: `Shard` is not `Send`. A request may end on another thread,
//!    whose future moved. Then it is counted in words of their own (`foreign_ends`), which are written by `fetch_add`
//!    alone, as the shared shard is.
//! 2. *An owner sees the counts of the one before.* The Release of `give_back` pairs with the Acquire of `take`.
//! 3. *No more requests have ended than were picked.* The pick is stored before the outcome, on one thread or on two that
//!    the request moved between, and the outcome is a Release write. A reader takes outcomes first.
//!
//! Requests in flight are not among these words. They are the strong count of the shard's counters, which is the one locked
//! instruction that keeps the counters alive as well. So the proof below does not depend on who owns which shard.
//!
//! # Who polls a connection
//!
//! The task of a request polls its connection with HTTP/1.1 (`src/upstream/engine.rs`), and the driver does in between. So a
//! response runs one task instead of two. Four rules keep wake-ups:
//!
//! 1. *hyper always gets the same waker*, which wakes the one whose turn it is. So a change of hands has nothing to register
//!    again: the socket, the queue of requests and the request body keep it.
//! 2. *The driver asks under the lock whether it is its turn.* A request takes its turn before it polls. So no poll by the
//!    driver follows the first poll by the request, which therefore sees everything that hyper brings about.
//! 3. *The request polls hyper, looks at the result, registers its waker, and ends its poll by a `swap`.* hyper's waker sets
//!    a bit by `fetch_or`. If that came first, the request wakes itself. If the `swap` came first, the waker that was
//!    registered before it is woken. A request with a result polls again for the next one, and needs no wake-up.
//! 4. *The end of a turn is announced, and is the last change of it.* A request that leaves hyper unfinished wakes the driver. A
//!    driver that is dropped wakes the request. A request ends its turn before the pool or the driver may give the
//!    connection to the next one.
//!
//! The result is polled with the waker of hyper as well: tokio wakes it later if the task has used up its budget, though the
//! result is there.
//!
//! A request whose response has begun polls hyper only when the backend has taken all of the request. Otherwise the driver
//! does: the upload must not wait for the reader of the response. So while a response body is polled under the lock, no request body is, and
//! connections whose bodies depend on each other do not lock each other.
//!
//! # Why "drained" is drained
//!
//! A version is drained when it gets no more requests and its last one has ended. Its process may be stopped
//! then, so a request that is missed is a request that is cut off. `src/handle/retired.rs` counts them.
//!
//! A request does, in this order:
//!
//! - **L** loads the route of its service: an arc-swap guard.
//! - **C** chooses a version and counts itself there: `Arc::clone` of the shard's counters, a Relaxed
//!   increment.
//! - **D** drops the guard.
//! - **E** ends: drops the clone, a Release decrement.
//!
//! An observer, under the lock of the service's retired routes, does:
//!
//! - **R** sums the strong counts of the retired routes: the readers.
//! - **F** `fence(Acquire)`.
//! - **I** reads the requests in flight at the version.
//!
//! Readers count at every version of the service, since nobody knows yet which one they choose. So the sum
//! may be too large for a moment. It is never too small:
//!
//! 1. *The request loaded the live route.* Its version is published, or becomes retired by the same lock that
//!    the observer holds. A published version with a weight is never drained, and at weight 0 it gets no
//!    request unless a rule may choose it, which is checked separately.
//! 2. *The request loaded a route that has retired, and holds its guard at R.* `swap` has paid the debt of
//!    every outstanding guard before it returned, so the guard is a strong reference. Nothing else holds one:
//!    routes retire under the lock, observers hold the live route under the lock only, and the publisher
//!    drops its own reference under it. So R counts it.
//! 3. *The request has dropped its guard before R.* Then R read the strong count after D, which is a Release
//!    decrement (or a later decrement in the same release sequence). F makes D happen before I, and C is
//!    before D in the request. So I counts it, unless E has happened.
//! 4. *The request dropped its guard before the swap.* The guard returned its debt by a `SeqCst` write to its
//!    slot, which the walk of `swap` over the slots has read. So C happened before the swap, and the
//!    observer's lock comes after it.
//!
//! The order of R and I is the point. An observer that reads I first misses a request between C and D.
//!
//! **The publisher observes too.** When the last reader of all retired routes is gone, it forgets drained
//! versions beyond the last eight. It reads the strong counts and then the requests in flight, as R and I, so
//! it needs F between them as well: without it, the publisher forgets a version whose request it cannot see
//! yet, and every later observer finds neither.
//!
//! **A version that comes back** continues its counters: the new route takes them from the retired ones under
//! the lock, by the identity *and* the name of the version, since a store that was restored from a backup may
//! give an identity twice.
//!
//! **Counters that do not exist yet.** They are created by the first request of a route. A reader that has
//! not chosen would create them after the publisher looked for them, so the publisher creates them itself
//! when a route with readers retires.
//!
//! **At every gateway.** A replica reports its revision and the versions that drain. It reads the revision
//! *before* it reads the counters, so a report says: "I have followed the store to this revision, and after
//! that these versions had requests". A change at revision *r* has drained a version there when a report of
//! *r* or later does not list it. The asker reads its own counters first and then the revision that it needs,
//! while a publisher records the revision and publishes under one lock, so the revision is never older than
//! the route whose counters were read. `src/deployments/progress.rs` lists the cases, each with a test: a
//! start, a report overtaken by another, a split that cannot be read, a revision that is not known yet.
//!
//! # Locks
//!
//! A thread that holds a lock takes only locks further down in this list. Two locks on one line are never
//! held together.
//!
//! 1. `Loader::loading` (tokio): one load of the store at a time, so that a slow one never publishes over a
//!    later one. The only lock that is held across an `await` of the store.
//! 2. `Publisher::progress`: the state of the store that was read and published. Held from the record to the
//!    end of the publication, so a thread that has seen a route and then takes the lock finds its record.
//! 3. `RoutingHandle`: `publishing`, for each replacement of routes and each new entry; `sample_times`, for
//!    samples of traffic; the `series` of the metrics exporter, and the `exported` rollouts of theirs.
//! 4. `ServiceEntry::retired`, one per service: held while a route is published or observed. Then `HealthLog::state`:
//!    held while an event is applied and recorded, so that the events are in order. Then the records of a `Fleet`, and
//!    of the fleet that takes over from it: held while an event is applied, or a route is published. The lock of the
//!    earlier one is taken first, or given back before.
//! 5. `Watched::state` of a response body that has an idle time: held while the body is polled.
//! 6. `hyper` of an `Engine`, one per connection with HTTP/1.1: held for a poll of hyper, and so of the request body.
//! 7. `Tape` of `upstream`, one per request over HTTP/2: held while the request body is polled.
//! 8. `Watched::state` of a request body that has an idle time: held while the body is polled. A request body that is the
//!    response body of another exchange begins at 5 again: [who polls a connection](#who-polls-a-connection).
//! 9. `Counters::history` and `Counters::parts`, one per version; `ProxyOutcome::sending`, one per proxied request.
//! 10. The two maps of backends of a `Pool` in `upstream`: held while a backend is looked up, counted or closed.
//! 11. `State` of a `Backend`, one per backend and pool. Whatever it gives up is dropped after it, since dropping
//!     a connection takes it again.
//! 12. `sender`, one per connection: held for a call of hyper that does not wait.
//!
//! Leaves, under which no other lock is taken: the duties' `StatusBoard`, the queue of full rows and the places in it,
//! the state of `MemoryStore`, `TriedInstances` of a failover, each map of the rollouts' `Board`, the two slots of a
//! `ReplayableBody` (`taken`, then `shared`), and in `upstream` the list of pools and the new futures of a connection
//! (`Streams`). The `Published` backends of the metrics are held while gauges are set.
//!
//! In `store::sql`: the turn of a writer (a semaphore), then `Orphans::driven`, then `Orphans::queued` or the
//! wakers of its drivers. The state of the PostgreSQL listener is a tokio lock that is held while it waits for a
//! notification, and nothing else takes it.
//!
//! A request takes at most `Tape`, `state`, `sending`, `TriedInstances` and the slots of its body, which it shares with
//! nothing but its own attempts and its watch, and the locks of `upstream`, which it holds for no longer than it takes
//! to choose a connection. No `std` lock is held across an `await`; clippy's `await_holding_lock` checks that. A panic
//! does not poison: `common::lock` takes the value as it is, because each critical section leaves it valid at every
//! point where code of the application may panic.
//!
//! # Futures that are dropped
//!
//! hyper drops the future of a request when its client hangs up, and axum drops a handler. So every `await`
//! may be the last.
//!
//! | dropped | what happens |
//! | --- | --- |
//! | a request before its response head | `InFlight` is dropped: the request counts as abandoned and leaves the requests in flight |
//! | a copy of a request | the same as a request: abandoned before the response head, cancelled after it. A copy that waits for the end of a body was not sent, and counts as incomplete |
//! | a response body | the same, as cancelled. A proxied request stays in flight until its own body is sent |
//! | a request that waits in `upstream` for a connection | its place in the queue is skipped. A connection that was just handed to it goes to the next request, or is closed |
//! | a request on a connection of `upstream` | over HTTP/1.1 the connection is closed, over HTTP/2 the stream is reset. A half-used connection never returns to the pool |
//! | [`Deployments::apply`](crate::Deployments::apply) during the commit | the change is made or not. `NotifyOnDrop` wakes the refresh duty, which loads and publishes it |
//! | `apply` after the commit | cannot happen: there is no `await` between the end of the commit and the publication |
//! | a call of the SQL store | its work runs to completion: [below](#why-no-wake-up-is-lost) |
//! | [`Deployments::run`](crate::Deployments::run) | the duties end without their last work: no withdrawal, no last snapshot |
//! | a duty that takes too long | its run is dropped and counts as failed |
//! | `due` of the duty `check-health` | cannot lose a result: checks, full rows and publications are received into fields of the duty |
//! | a check of an instance | its connection is closed. It happens with `run` only: the states stay, and the next `run` checks all instances at once |
//!
//! `Notify::notify_one` stores a permit and `watch` compares versions, so a signal between two waits is seen
//! by the next wait.
//!
//! # Why no wake-up is lost
//!
//! A driver returns the connection of a dropped query to its pool as it is: perhaps in a transaction, or in
//! the middle of a reply. So the SQL store does not drop the work on a connection. `RunToCompletion` hands it
//! to `Orphans`, and the next call of the store, or the wait for signals in [`run`](crate::Deployments::run),
//! drives it beside its own work. Nothing is spawned.
//!
//! The danger is work that nobody polls after its waker was called. It cannot happen:
//!
//! - *New work.* It is queued first, and then all drivers are woken. A driver that starts later polls the
//!   queue before it waits.
//! - *A wake-up of work.* Work is polled with one waker that stands for all drivers. It wakes all of them,
//!   whichever of them polled last. So a driver that was dropped, or that rests while its task does something
//!   else, takes no wake-up with it.
//! - *A driver that starts.* It registers its waker before it polls, so it is woken for all that happens after
//!   the poll. No driver holds a lock while it waits.
//! - *A permit of a writer's turn.* It is part of the work, so it is returned when the work ends, not when
//!   the caller leaves.
//!
//! If no call comes and `run` has ended, the work rests until the pool closes its connections: nobody is left
//! to wait for it.
//!
//! # What the tests check
//!
//! | check | covers | command |
//! | --- | --- | --- |
//! | loom, `tests/models/retired.rs` | the protocol L C D E against R F I, in every order that the memory model allows, with a publisher. A lock stands in for arc-swap and gives its contract. Four deliberate faults must each be found: guard dropped before the count, counter read first, no fence in the observer, no fence in the publisher | `cargo test --test models` |
//! | loom, `tests/models/owned.rs` | the three points of [shards](#shards): threads that own a shard one after the other, threads that share one, and a request that ends elsewhere beside a reader. Five deliberate faults must each be found | `cargo test --test models` |
//! | Miri, `tests/models/publications.rs` and the unit tests | undefined behaviour and data races of the real code, with the real arc-swap: two threads of requests beside 50 publications | `cargo +nightly miri test --no-default-features --lib --test models` |
//! | `only_readers_hold_a_retired_route` | point 2 above | `cargo test --lib` |
//! | `drained_means_drained_everywhere` in `src/deployments/drain.rs` | random steps of two gateways, a store, requests and reports | `cargo test --lib` |
//! | `tests/layer/in_flight.rs` | 10,000 cancellations leave nothing in flight | `cargo test --test layer` |
//! | `work_ends_though_drivers_are_dropped` | 4,000 calls dropped at random moments | `cargo test --lib` |
//! | `tests/campaigns/{storm,stops,cancellations}.rs` | the same with real gateways and processes that are stopped once they are drained | `cargo test --all-features --test campaigns` |
//!
//! loom cannot run arc-swap, and Miri does not try every order. So a change of the protocol needs both: the
//! model first, with the fault that it must find, and then the code.

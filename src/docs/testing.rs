//! For contributors: which suite tests what, the test doubles, and how to keep a test from failing by chance.
//!
//! # Suites
//!
//! One test binary per layer of the crate. A test belongs into the lowest one that can show the fault: it
//! runs there in milliseconds, and it fails for one reason.
//!
//! | suite | tests | with | takes |
//! | --- | --- | --- | --- |
//! | unit tests in `src` | private invariants: orderings of counts, parsers, progress | nothing | seconds |
//! | `rules` | splits, slots, draws, [`Deployments`](crate::Deployments) with its duties, metrics, 1,000 simulated gateways, the architecture | paused time, no I/O | seconds |
//! | `rollout` | plans, the guard and the machine of rollouts, under random inputs and in simulations; three drivers on a store in memory | paused time | seconds; the long forms minutes |
//! | `layer` | targets, affinity, pins, overrides, failover, rewriting, in flight, allocations | `service_fn` clients | seconds |
//! | `store` | the contract of all stores; SQL: connections, migrations, edits by hand, lost servers, cancelled calls | SQLite, and servers if there are any | seconds, with servers a minute |
//! | `mirror` | copies of requests: which are copied, their bodies, counts, drains, in one process with real sockets | scripted backends | seconds |
//! | `proxy` | the bytes on the wire: headers, framing, timeouts, upgrades, log lines | raw TCP in one process | seconds |
//! | `upstream` | the client for backends: the pool, its limits and queues, repeats, drivers that end | scripted backends, frame by frame where needed | seconds |
//! | `connect` | connections to backends: TLS, early responses | raw TCP and TLS | seconds |
//! | `admin` | routes, authentication, problems, audit, hostile input, wire types | the router, without a socket | seconds |
//! | `console` | the page's response; in Chromium each state in two themes and viewports, changes, keys, hostile texts | a browser, by chromedriver | a minute |
//! | `gateway` | `examples/gateway` as a process, as an operator sees it | processes, sockets | three minutes, of which two are the rollouts of the printed story |
//! | `cli` | the program `canary`: console sessions that are its manual, exit codes, retries, recipes for deployments | processes, a gateway for each test | a minute |
//! | `examples` | the small examples run and print what they say | processes | seconds |
//! | `campaigns` | the promises of the README under load: storms, kills, outages, soaks | processes, databases | minutes; the long forms hours |
//! | `models` | the counting of requests, in every order of memory operations | loom; Miri | a minute |
//! | `fuzz/` | parsers of what strangers send: URLs, slot maps, cookies, `If-Match`, proxy headers, snapshots | libFuzzer | as long as you let it |
//!
//! ```sh
//! cargo test --all-features                        # what needs no server
//! cargo test --all-features --test layer           # one suite
//! cargo test --test rules splits::                 # one file of it
//! cargo fuzz run --sanitizer none slot_map         # one fuzz target, in fuzz/
//! ```
//!
//! Beside tests: doctests compile every example of the docs and of the README, `tests/vectors/slots.py`
//! computes the slots of keys in another language, and benches measure. Speed is measured in `benches`, never
//! asserted in a test. `benches/instructions` counts the instructions of a request, which are the same in each
//! run, and `.ci/run` compares them with their history.
//!
//! # Where a new test goes
//!
//! | you changed | suite, file |
//! | --- | --- |
//! | a rule of a split | `rules/splits.rs`; the contract then holds every store to it |
//! | how a version is chosen | `layer`, the file of the rule |
//! | a plan, the guard, the machine of rollouts | `rollout`; `benches/guard` for a scene of the simulation; `gateway/rollouts.rs` with real sockets |
//! | the driver of rollouts | `rollout/driver.rs`; what people do in each phase, `phases.rs`; what goes wrong beside it, `faults.rs`; a leader that is killed, `campaigns/leaders.rs`; how long a bad canary keeps its users, `rollout/ways_back.rs` and `campaigns/returns.rs` |
//! | the outcome of a request | `layer/outcomes.rs` |
//! | what counts as in flight or drained | `layer/in_flight.rs`, `layer/draining.rs`; `rules/draining.rs` for several gateways; the model in `models/retired.rs`, if an ordering changes |
//! | which requests are copied, and how copies count | `mirror` |
//! | a duty, or what happens when the store fails | `rules/deployments.rs` |
//! | a statement, a migration | `store`, on every database |
//! | a header, a timeout | `proxy` |
//! | how a request gets a connection, or is repeated | `upstream`; `connect` for TLS and the stream below |
//! | a route, a problem, a wire type | `admin` |
//! | a verb or an output of `canary` | `cli`: a session in `tests/cli/*.md` |
//! | the console | `console`: `pure.js` for what follows from answers, `states.rs` for how it looks. Without a browser they are ignored |
//! | an option of the example gateway | `gateway` |
//! | what clients see of an instance that fails | `gateway/instances.rs`; under load `campaigns/losses.rs` |
//! | a promise of the README | a campaign, and the row of the promise names its file |
//!
//! A fault that was found gets its test first. Run the test before the fix and see it fail.
//!
//! # Test doubles
//!
//! One double per trait, with switches, rather than one per test. They are in `tests/shared`, which each
//! suite includes by `#[path]`.
//!
//! | double | stands for | can |
//! | --- | --- | --- |
//! | `FaultyStore` | a [`RouteStore`](crate::store::RouteStore) | be down, read-only, slow, late, panic, return a backup, change between two reads, send signals, have a wrong clock, write when its caller has given up; it records its calls |
//! | `ScriptedCheck` | a [`VersionCheck`](crate::deployments::VersionCheck) | find versions healthy or not, one by one; it records the health paths |
//! | [`MemoryStore`](crate::store::MemoryStore) | a database | keep the whole contract |
//! | `service_fn`, `Echo` in `layer/support.rs` | a client | respond with the request that it got |
//! | `Backend` in `proxy/support.rs` | a backend | hand its raw connections to the test |
//! | `Backend` in `upstream/support.rs`, `Frames` in `upstream/frames.rs` | a backend | run a script for each connection; write each HTTP/2 frame by itself |
//! | `Authority` in `shared/certificates.rs` | a certificate authority | sign certificates for servers and clients |
//! | `Gateway` in `gateway/harness.rs` | a gateway process | be started, stopped, killed, and asked through its API |
//! | `Process` in `gateway/versions.rs` | a version or an instance, as a process | be killed, frozen, made to respond 503, and started again |
//! | `Paced` in `gateway/paced.rs` | clients | send at a fixed rate, whatever hangs, and keep each answer |
//! | `shared/log.rs` | the log | collect events, to assert on their fields |
//! | `shared/wait.rs` | patience | `wait_until(limit, "the expectation", async \|\| condition)` |
//!
//! No mock counts calls for their own sake. A test asserts what a caller can see.
//!
//! # Time and chance
//!
//! - **Paused time.** `#[tokio::test(start_paused = true)]` runs timers immediately, in order. The crate
//!   reads time from tokio, so ten minutes of polling take milliseconds. It does not work with real sockets,
//!   processes and databases: their I/O is no timer.
//! - **Seeded draws.** [`Draw::Seeded`](crate::Draw::Seeded) makes every choice repeat: the points of the
//!   draw, and the salt of services that [`Deployments`](crate::Deployments) creates. Without them, the salt
//!   is an argument: `Split::new(name, 7)`. The cookbook has [a test with a named
//!   user](super::cookbook::applications#a-unit-test-with-a-named-user).
//! - **Generated cases.** proptest generates changes and weights; a failure prints the smallest case.
//!   Regressions are not stored in files: make the case a test with a name.
//! - **Exactness instead of statistics.** The exact draw is within one request of its weight, so a test
//!   asserts 99 to 101 of 1,000, not "about 10 %". With keys, shares are binomial: use enough users, and
//!   bounds of five standard deviations.
//!
//! # Databases
//!
//! SQLite needs nothing. Tests on servers are ignored, with the variable in the reason, and run with:
//!
//! ```sh
//! export CANARY_TEST_POSTGRES_URL=postgres://postgres@127.0.0.1:5432/postgres
//! export CANARY_TEST_MYSQL_URL=mysql://root@127.0.0.1:3306/mysql
//! cargo test --all-features --test store -- --include-ignored --skip sqlite::measure
//! cargo test --all-features --test campaigns -- --ignored ::on_postgres:: ::on_mysql::
//! ```
//!
//! The user must be allowed to create databases and users. Each test creates a database of its own and drops
//! it, so tests run in parallel and leave nothing. `databases.rs` has the helpers; `on_every_database!` makes
//! one test per database.
//!
//! # Tests that fail by chance
//!
//! | pattern | cure |
//! | --- | --- |
//! | a sleep, then an assertion | `wait_until` a condition, with a generous bound: 5 s costs nothing when it holds after 5 ms |
//! | "nothing happened" after a sleep | make something happen that comes after it in order, and wait for that |
//! | a fixed port | bind to port 0 and read the address |
//! | a port that was free a moment ago | keep the listener; for a port that refuses, keep a socket that is bound and does not listen; for a server that starts again, a loopback address of its own |
//! | a bound on elapsed time | paused time; or only a lower bound; or a bound ten times the usual |
//! | requests that must be under way for a given time | a backend that holds them until the test releases them |
//! | so many requests in a given time | send them until there are as many |
//! | a short time limit of the code under test | the default limit, or one that a busy machine keeps |
//! | a bound on a statistic of random draws | a fixed seed, or a bound that fails once in 10^9 runs |
//! | an assertion on the order of two tasks | a channel between them |
//! | two tests that share a database, a folder or an environment variable | one of each per test. No test sets a variable |
//! | a counter read right after a response | the response body has to end first: read it, then `wait_until` the count |
//! | a named user and a random salt | a seeded draw, or a fixed salt |
//! | a process that is killed in the middle of a write | that is the test: assert what must hold afterwards in every case |
//! | loom that runs for minutes | fewer operations: two threads, one request. Each operation multiplies the orders |
//!
//! A test that failed once by chance has a fault: of the test or of the code. Find out which before you run
//! it again.
//!
//! # Names
//!
//! A short statement of at most 60 characters that is true when the test passes:
//! `removed_version_stays_in_flight`. The rest is in the body. No `test_`, no `should`, no number.

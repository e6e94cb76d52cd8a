//! For contributors: what to touch, in order, for each kind of extension.
//!
//! Each list ends with the tests and the docs. Three things hold for all of them:
//!
//! - [`architecture`](super::architecture) says which module may use which. `tests/rules/architecture.rs`
//!   fails if a module uses one above it, if two files use each other, or if a `mod.rs` defines something.
//! - A public item has a doc with an example, `# Errors` and `# Panics`, and a public enum or struct is
//!   `#[non_exhaustive]` unless a comment says why not.
//! - `CHANGELOG.md` gets a line. One that breaks callers begins with **breaking**.
//!
//! `cargo clippy --all-features --all-targets -- -D warnings` and the suites that a list names are enough
//! while you work. `.ci/run` runs everything.
//!
//! # An affinity source
//!
//! A place where a key is looked for, such as a query parameter. Before you add one: an application has
//! [`Affinity::from_fn`](crate::layer::Affinity::from_fn) for a source that only it needs.
//!
//! 1. `src/layer/affinity.rs`: a variant of `KeySource`, a public constructor of `Affinity`, an arm in
//!    `KeySource::key` and one in `Debug`. Decide and document three cases: an empty value is no key
//!    (`Affinity::slot` drops it); a place that occurs more than once either is no key, as for headers, or
//!    its first counts, as for cookies; and whether escapes are decoded or the bytes count as they are.
//! 2. The key is borrowed from the head, `Cow::Borrowed`, where that is possible. If it is not, the list
//!    under *Allocations* in `src/layer/mod.rs` gets a line.
//! 3. Tests in `tests/layer/affinity.rs`: a key is kept, each case without a key is drawn (`assert_kept`,
//!    `assert_drawn`), and the new source beside another by `or`. `tests/layer/allocations.rs`, if it is on a
//!    fast path.
//! 4. Docs: the item "Your users" of the README lists the sources, and so does the table of the [recipe for
//!    NGINX](super::migration#from-nginx-split_clients).
//!
//! # A rule of the layer
//!
//! A new reason for which a version is chosen, beside failover, override, pin, key and draw.
//!
//! 1. `src/routing/reason.rs`: a variant of [`Reason`](crate::routing::Reason) in its place in the order,
//!    `ALL`, `as_str`, and the text of `InvalidReason`. Metrics, the admin API and span fields take the word
//!    from there.
//! 2. `src/traffic/shard_counters.rs`: what the owner of a shard writes fills 128 bytes exactly, and an assertion says
//!    so. One more reason is 8 bytes more, so the next block of 128. Measure with `cargo bench --bench track`
//!    and change the assertion.
//! 3. `src/layer/rules.rs`: a field of `Rules` and a method `by_…` that returns `Option<Pick>`, called by
//!    `first_pick` in its place. A layer without rules must stay on the path that draws directly:
//!    `LayerSettings::rules` is `None` then.
//! 4. `src/layer/layer.rs`: a builder method `with_…` that sets the field through
//!    `WeightedVersionLayer::rule`.
//! 5. If the rule may choose an active version at weight 0, call `RoutingHandle::set_zero_weight_reachable`
//!    when the layer is built. Otherwise such a version is reported as drained while it gets requests.
//! 6. Tests: a file of its own in `tests/layer`, with the rule alone, against each rule before and after it,
//!    with an inactive version, and over a changed split. `tests/layer/overriding.rs` is a model.
//! 7. Docs: step 2 of the list in `src/layer/mod.rs`, [the path of a
//!    request](super::architecture#the-path-of-a-request), the README, and the panel of picks in
//!    `examples/grafana/dashboard.json`.
//!
//! # A store of your own
//!
//! In your application, not in this crate. [`RouteStore`](crate::store::RouteStore#implementing-a-store) has
//! the questions that come up and their answers. `examples/custom_store` is a whole store in one file.
//!
//! 1. Dependencies: `tower-canary`, `async-trait`, and for the tests `tower-canary` with the feature
//!    `testing`. The feature `serde` serializes [`Split`](crate::routing::Split) and
//!    [`HistoryEntry`](crate::store::HistoryEntry).
//! 2. Implement `load`, `commit` and `history`. In `commit`: read the split or take
//!    [`ChangeRequest::first_split`](crate::store::ChangeRequest::first_split), call
//!    [`ChangeRequest::decide`](crate::store::ChangeRequest::decide) with [`now()`](crate::store::now),
//!    return early if the generation is the same, write the split, the entry and the next revision together.
//!    An entry does not name its service: store it with the service. `history` of a service that does not
//!    exist is [`StoreError::UnknownService`](crate::store::StoreError::UnknownService), and an empty list is
//!    for a service without changes.
//! 3. `changed`, if your storage can notify. A signal must not be lost when the future is dropped.
//! 4. [`RefusalLog`](crate::store::RefusalLog), [`ReplicaRegistry`](crate::store::ReplicaRegistry) and
//!    [`RolloutStore`](crate::store::RolloutStore), if you
//!    want refused changes in the history, `?wait=` and rollouts. Return them from `refusal_log`,
//!    `replica_registry` and `rollout_store`.
//! 5. Test it with [`store::contract`](crate::store::contract): `contract::run_all` takes a function that
//!    creates an empty store, and also passes a store without the optional parts. Add a test that your store
//!    finds its data after a restart, and, if several processes share it, that their writers are serialized.
//!
//! A store that becomes part of this crate is a module in `src/store`, and one line `contract!(…)` in
//! `tests/store/main.rs`.
//!
//! # A database
//!
//! One that sea-orm and sqlx have a driver for. `Xyz` stands for its name.
//!
//! 1. `Cargo.toml`: a feature that enables `_sql` and the driver in sea-orm and sea-orm-migration.
//!    `deny.toml` may need a licence.
//! 2. `src/store/sql/database_url.rs`: its schemes in `backend`. `src/store/sql/connect.rs`: the number of writers
//!    in `max_writers`.
//! 3. `src/store/sql/xyz.rs`: the options of a connection, with the limits of `limits.rs`. `mysql.rs` is the
//!    model for a server, `sqlite.rs` for a file.
//! 4. `src/store/sql/dialect.rs`: how a transaction that writes begins and locks, its time limits and how
//!    they are restored on a lent connection, the clock, and the JSON functions.
//! 5. `src/store/sql/codes.rs`: the codes that mean contention (retry), loss (load everything), and those
//!    with a remedy.
//! 6. `src/store/sql/migrations/columns.rs`: types that it lacks. `step.rs`, if a definition is not part of a
//!    transaction.
//! 7. `src/store/sql/listener.rs`, if it can notify.
//! 8. Tests: a `Kind` in `tests/store/databases.rs`, a line `contract!(…)` and the list of
//!    `on_every_database!` in `tests/store`, a module in the macro of `tests/campaigns/support.rs`, and the
//!    server in `.ci/run`.
//! 9. Docs: the tables in `src/store/sql/mod.rs`, a section in [`databases`](super::databases), the features
//!    in `src/lib.rs` and in the README.
//!
//! # A setting of the client for backends
//!
//! 1. `src/upstream/settings.rs`: a field of `Settings` with its default, and the call of hyper in
//!    `Settings::http1` or `http2`. Both protocols have the setting, or its doc says why one has not.
//! 2. `src/upstream/client.rs`: a builder method `with_…` with the unit, the range and the default. A value
//!    beyond the limits of hyper is clamped: a panic there ends the connection of other requests.
//! 3. Tests in `tests/upstream`, in the file of the subject. `limits.rs` has the extremes of every setting.
//! 4. Docs: the table of hyper's options in `src/upstream/mod.rs`, and in [`wire`](super::wire) for applications that
//!    bring another client.
//!
//! # A migration
//!
//! 1. `src/store/sql/migrations/list.rs`: one more entry of `steps()` at the end, with the next number in its
//!    name. A released step never changes. One step is one statement, because MySQL commits after each
//!    definition.
//! 2. `src/store/sql/migrations/step.rs`: a variant of `Action`, what it runs, and how `is_done` finds out
//!    that it ran. Tables are in `tables.rs`, types in `columns.rs`.
//! 3. A gateway of the release before must still read and write while others are updated. So a column is
//!    nullable or has a default, and nothing is renamed or removed until the release after.
//! 4. `src/store/sql/entity.rs`: the field. `src/store/sql/rows/{service,version}.rs`: the column in
//!    `COLUMNS` and the field beside it; a test compares their number. `write.rs` or `write_versions.rs`: the
//!    value.
//! 5. If the value is part of a split: [`SplitParts`](crate::routing::SplitParts), `src/store/json.rs` (the
//!    snapshot cache, which must read files of the release before) and `src/routing/serde`.
//! 6. Tests: the number `ALL` in `tests/store/migrating.rs`, whose tests of starts then run the new step,
//!    also on MySQL after a process that ended between a step and its record. Add one in
//!    `tests/store/edits.rs` for a value by hand that cannot be read, and one that a row of the release
//!    before is read.
//! 7. Docs: the tables in `src/store/sql/mod.rs`.
//!
//! # An admin route
//!
//! 1. `src/api`: the wire type in the file of its resource, or in a new one. Derive
//!    `Clone, Debug, PartialEq, Serialize, Deserialize`, and `utoipa::ToSchema` with
//!    `cfg_attr(feature = "admin", …)`. A request has
//!    `#[serde(rename_all = "camelCase", deny_unknown_fields)]`, a response has `rename_all` alone and is
//!    `#[non_exhaustive]`. Give it a constructor from the core type. Then `src/api/mod.rs`: `mod`, `pub use`,
//!    and the table of files.
//! 2. `src/admin/handlers`: the handler, in the file of its resource. A read takes `State` and extractors and
//!    returns `Result<Json<View>, ApiError>`. A change takes `WriteConditions` and calls
//!    `AdminState::change`, the only way to write. A query is a `StrictQuery`, a body a `JsonBody`. The doc
//!    comment is the text of the OpenAPI document, so it has no links and no Rust.
//! 3. Its `#[utoipa::path]`: method, path, tag, `params(…)`, `security(("bearer" = []))`, and `responses`:
//!    with `ReadProblems`, `SplitResponses`, `ChangeResponses` or `RegistrationResponses` of
//!    `src/admin/openapi.rs`.
//! 4. `src/admin/router.rs`: `routes!(…)` in `reads` or `changes`. Methods of one path belong into one
//!    `routes!`.
//! 5. A new kind of problem: a row in `src/api/problem_kind.rs`, the mapping in `src/admin/problem.rs`, and
//!    the row in the table in `src/admin/mod.rs`, which a test compares.
//! 6. Tests: `tests/admin/auth.rs` takes the routes from the document, so authentication and scopes are
//!    covered. `tests/admin/api.rs`, or the file of its resource, for what it does, with an unknown service and a
//!    wrong parameter; `api.rs` counts the paths and the operations of the document. `tests/admin/wire.rs`, that the response
//!    reads back. `tests/admin/malformed.rs`, if it has a body or a query.
//! 7. Docs: the table of routes in `src/admin/mod.rs`, whose row links to the wire type.
//! 8. The command line, if people use the route: a row in `src/bin/canary/client/endpoint.rs`, a verb in
//!    `src/bin/canary/verbs` with an example in its help, and a session in `tests/cli`.
//!
//! # A metric
//!
//! 1. Something that happens rarely (a change, a probe, a failure): a function in
//!    `src/deployments/recorder.rs`, and its twin without a body in `no_recorder.rs`. Something that requests
//!    do: a counter in `src/traffic`, exported by `src/metrics/exporter.rs` as the difference since the last
//!    export, so that a request costs no more than the counter. Something of a rollout: a field of
//!    `RolloutStatus`, exported by `src/metrics/rollouts.rs`.
//! 2. `describe_…!` in `exporter.rs`, with the unit. The name begins with `canary_`, a counter ends with
//!    `_total`, a unit is a suffix.
//! 3. Labels come from the store or from an enum, never from a request: otherwise clients decide how many
//!    series there are.
//! 4. Tests in `tests/rules/metrics.rs`: the value, and that the series of a removed version ends.
//! 5. Docs: the table in `src/metrics/mod.rs`, a panel in `examples/grafana/dashboard.json`, and an alert in
//!    [`operating`](super::operating#metrics-and-alerts), if one makes sense.
//!
//! # A duty
//!
//! A background activity of [`Deployments::run`](crate::Deployments::run), such as the refresh.
//!
//! 1. `src/deployments/background/name.rs`: a type that implements `Duty`. It is idempotent and takes no
//!    input: `run` compares the state with what it did last. `due` waits for a period or a signal, and may be
//!    dropped at every `await`, so it loses no signal that way. `finish` does the last work at shutdown.
//!    `time_limit`, if it calls code of the application. A duty with several operations under way at once, such as
//!    `health_checker.rs`, keeps their futures in a field and polls them in `due` alone: each catches its own panics and
//!    has its own time limit, and `run` starts them and applies their results without waiting.
//! 2. `src/deployments/background/mod.rs`: `mod`, `pub(super) use`, and the table.
//! 3. `src/deployments/deployments.rs`: push it in `run_every`. The order is the order of `finish`.
//! 4. A decision is a pure function in a file of its own, as in `progress.rs` and `checks/schedule.rs`: the duty is the
//!    shell around it.
//! 5. The doc of [`DutyStatus::name`](crate::deployments::DutyStatus::name) lists the names.
//! 6. Tests in `tests/rules` under paused time: it runs at its times, a failure is retried, a panic does not end it, and it
//!    does not delay the others when it hangs. `duties.rs` lists the names.
//! 7. Docs: [`operating`](super::operating), with its cost and what an operator sees when it fails.
//!
//! # A change
//!
//! A new command on a split, such as "switch".
//!
//! 1. `src/routing/change.rs`: a `#[non_exhaustive]` variant of [`Change`](crate::routing::Change), and its arm in
//!    `version`. `change_constructors.rs` beside it has the constructors, `change_text.rs` has `kind` and `Display`.
//!    `src/routing/serde/change.rs`: its JSON.
//! 2. `src/routing/apply.rs`: the rule. It keeps the invariants of [`Split`](crate::routing::Split): weights
//!    of active versions total 100, inactive ones have 0. A new refusal is a variant of
//!    [`ChangeError`](crate::routing::ChangeError), with a problem in `src/admin/problem.rs`.
//! 3. A change that gives traffic to a version without any is found by `ChangeRequest::decide` from the split
//!    before and after. Nothing to do, but test it.
//! 4. Tests: `tests/rules/splits.rs` (also in the random changes of its support), `any_change` in
//!    `tests/store/contract.rs`, and `random_change` in `src/store/contract/rules.rs`.
//! 5. An admin route for it, and the label `action` in the table of metrics.

//! Symptom, cause, fix.
//!
//! # Requests
//!
//! | symptom | cause | fix |
//! | --- | --- | --- |
//! | 404 `unknown-service` | no service of that name is registered, or the request names none | set `RUST_LOG=tower_canary=debug`: one event per request has the name that was looked for and the target. Compare it with `GET …/deployment/services`. With a path segment as [`Target`](crate::Target), nest the layer where the segment is still in the path |
//! | 503 `no-active-version` | every version of the service is inactive | activate one, or `switch` to one |
//! | 502 `bad-gateway` | the backend refused the connection, closed it, or sent no valid HTTP | one warning per second has the cause, the others are debug events; call `POST …/versions/{version}/check` |
//! | 502 `bad-gateway`, though the backend was only slow | the client has a timeout of its own whose error the proxy does not know, such as reqwest's | [`with_timeout_check`](crate::proxy::Proxy::with_timeout_check) |
//! | 408 `request-timeout` | the backend waited for the request body, and the client did not send it in time | on the side of the client; a large upload needs no longer timeout, because every 16 KiB of the body restart it |
//! | 400 `malformed-body` for each upload over HTTP/2 | the body of a middleware before the proxy hides the end of the upload | move it below the proxy, or see [`with_unreported_body_end`](crate::proxy::Proxy::with_unreported_body_end) |
//! | redirects lead to the address of a backend | the backend makes absolute URLs from `Host`, and knows neither the host nor the prefix of the client | [`HostPolicy::Preserve`](crate::layer::HostPolicy::Preserve), or [`with_redirect_rewriting`](crate::proxy::Proxy::with_redirect_rewriting) |
//! | a version never drains, with no request that moves | a client reads nothing, or a backend sends nothing | [`with_body_idle_timeout`](crate::proxy::Proxy::with_body_idle_timeout) |
//! | 400 `ambiguous-host`, 501, 508 `loop-detected` | the request is one that the proxy refuses | see [the wire](crate::proxy#behavior-on-the-wire) |
//! | 504 `gateway-timeout` | no response head within the timeout of the proxy (60 s by default) or of the client | [`with_response_timeout`](crate::proxy::Proxy::with_response_timeout) |
//! | the client sees 504 but the figures count `abandoned` | a `TimeoutLayer` outside of the proxy gave up first, so the version has no response | give the proxy a shorter timeout than the layer outside: then a slow version counts as an error |
//! | all requests go to one version, the figures say 90 and 10 | the client ignores the URI of the request, as tonic's `Channel` and clients with a base URL do | wrap a client that sends to the URI it is given: see [`layer`](crate::layer#clients-that-ignore-the-uri) |
//! | a user changes versions | the request has no key, or the key differs between requests | `GET …/explain?key=…`; read the key from something that stays, such as a session cookie |
//! | a user stays with the old version after a switch | a pin holds while its version is active | make the version inactive, or redraw |
//! | a tester's override is ignored | the trust predicate returned false, or the version is inactive | the response header `canary-override-refused` has the reason: see [`Override`](crate::layer::Override) |
//!
//! # Instances
//!
//! `GET …/deployment/services/{service}/versions` has the state of each instance, with its last check.
//!
//! | symptom | cause | fix |
//! | --- | --- | --- |
//! | 503 `no-instance` | no instance of the version is usable, and the gateway refuses then | the last check of each has the cause; without [`refusing`](crate::health::Health::refusing) they would be tried |
//! | an instance that works is `down` | its health path does not respond 200 to 299 within 2 s: it redirects, needs credentials, or is another one | correct the path: `PUT …/routing/services/{service}`. It belongs to the service, so each version must have it |
//! | `noneUsable: true`, and requests succeed | the health path is wrong for all instances, or this gateway alone cannot check them | as above |
//! | an instance is `ejected` again and again | its requests fail with 502, 503, 504 or without a response, while its checks pass | the event `ejected` has the cause; let the health path cover it |
//! | `spared`, and the instance stays `up` | half of the instances of its version are out already, or it is the only one | more instances; [a limit for each](super::cookbook::backends#a-limit-for-each-instance) if they are overloaded |
//! | an instance is `up` here and `down` at another gateway | each gateway has its own view: one of them cannot reach it | the network between the two; or remove the URL, which is for all gateways |
//! | an instance gets no request, and is `new` | other instances are up, and its first check is not over | wait for the check; `POST …/versions/{version}/check` shows its result |
//! | an instance that returned gets few requests | slow start, or its last requests failed | wait; the share grows |
//! | there are no states, only `up` | the service has no health path and all requests succeed; or the gateway does not [`run`](crate::Deployments::run) | register a health path |
//! | 409 `last-instance` | a version keeps at least one URL | add the new URL first, make the version inactive, or remove it |
//! | instances got more requests than the clients sent | retries: each attempt counts where it went | none |
//!
//! # Changes
//!
//! | symptom | cause | fix |
//! | --- | --- | --- |
//! | 409 `backend-unhealthy` | the probe before the first traffic failed; the problem names the status or the cause | fix the backend or its health path; `?force=true` skips the probe |
//! | 409 `ambiguous-rebalance` | the other versions are all at 0, so nothing says how to share the rest | name the whole split: `PUT …/weights` |
//! | 409 `last-active-version` | the version is the last active one | switch first, or `?force=true` |
//! | 412 `generation-conflict` | the split changed after it was read | read it again and repeat the change |
//! | 422 `invalid-url` for `127.0.0.1` | the address policy refuses loopback | `UrlPolicy::new().allow_loopback()`, for development |
//! | 422 `invalid-url` for `https://…` | the gateway has no TLS to backends | [TLS to backends](super::cookbook::backends#tls-to-backends) |
//! | 503 `store-unavailable` | the database cannot be reached | routes stay in use; `GET …/deployment/status` has the age of the routes |
//! | 500 `store-unusable` | the database lacks rights, tables or space, or it is read-only | the detail has the remedy; the log has the cause. Right after a fail-over: the address still leads to the old primary |
//! | 422 `unstorable-text` | the database is not in UTF-8 | create one that is; or leave the character out |
//! | `sharesName: true` in `GET …/deployment/replicas` | two gateways that run have one name | give each its own: `--name` |
//! | a change is not served by another gateway | that gateway does not run [`Deployments::run`](crate::Deployments::run), or cannot reach the store | `GET …/deployment/replicas` |
//! | `?wait=drained` with `url` never ends | the URL is still registered, or a request hangs at a frozen process | remove the URL; the response timeout of the proxy ends the request |
//! | `?wait=drained` never ends | a long stream, a pinned user, or a replica that cannot read the split | the response says who: `elsewhere` has the other gateways with the reason (`draining`, `behind`), `inFlight` this one |
//! | 400 `malformed-query` for `?wait=converged` | the gateway has no replica name | [`with_replica_name`](crate::deployments::Builder::with_replica_name) |
//!
//! # Rollouts
//!
//! `GET …/rollouts/current` has the phase, what the step lacks (`verdict`), the gates and all events.
//!
//! | symptom | cause | fix |
//! | --- | --- | --- |
//! | 404 `not-found`, "this gateway has no rollouts" | the router is `admin::router` | mount `admin::router_with_rollouts` |
//! | 409 `not-a-replica` | the gateway has no replica name, so nobody could judge by its requests | [`with_replica_name`](crate::deployments::Builder::with_replica_name) |
//! | 409 `rollout-active` | the service has a rollout by another plan; the problem names it | wait, or abort it |
//! | nothing happens, and `tickedAt` is older than 20 s | no gateway runs the driver, or the store is down | await [`Rollouts::run`](crate::rollout::Rollouts::run) on every gateway; the log has the cause |
//! | the log has "this gateway drives no rollouts" | no replica name, or a store without rollouts | the message names it |
//! | the hold does not grow | a gateway does not serve the weights of the step yet: `converged` is false | `replicas` of the response names it |
//! | a step does not pass, "the canary has 40 of 200 requests" | too little traffic at this weight | a larger first step, `leastRequests` below 200, or a longer deadline |
//! | the guard counts fewer requests than users send | a gateway does not report (`reports` is false), or they are requests by an override | a replica name for every gateway |
//! | `paused`, reason `changed` | a person changed the weights; they stay | `resume` sets those of the step again, `abort` goes back |
//! | `paused`, reason `replaced` | base URLs of the canary or the others were replaced, so the evidence is of other processes | `resume` begins the step again, without the evidence so far |
//! | `paused`, reason `inconclusive` | the deadline passed without a verdict | `resume` accepts the step; or abort, and start with a plan that this traffic can answer |
//! | an event `stuck` | a version that would get traffic fails its probe | repair it; `abort?force=true` goes back all the same |
//! | a gate never opens | the gateway that leads does not have it (the log says so), or its URL does not respond 2xx, or responds with JSON that cannot be read | the same gates on every gateway; valid JSON, or none |
//! | 422 `unknown-gate` | this gateway does not have the gate | as above |
//! | a version that fails was not taken back | both versions fail, the difference is within the margin, or its requests were too few | [what the guard cannot see](super::rollouts#what-it-cannot-see) |
//!
//! # Start
//!
//! | symptom | cause | fix |
//! | --- | --- | --- |
//! | `cannot create the table gateway_…` | the database has a table of that name that is not the store's | rename it, or use a schema (PostgreSQL, `?options=-csearch_path%3Dcanary` in the URL) or a database of its own |
//! | `the database lacks the migration …` | [`Migrations::VerifyOnly`](crate::store::sql::Migrations::VerifyOnly) found a table or column missing | run the migrations as a user who may, or let the store run them |
//! | `the database URL has parts that are not understood` | an option that the driver does not know, or a character that is not encoded | the message lists the options; write `@ : / ? # %` in user and password as `%40 %3A %2F %3F %23 %25` |
//! | `it is read-only: name the primary server` | the address leads to a standby, or the user or database is set to read-only | name the primary |
//! | `a pooler gives each transaction another connection` | PgBouncer before 1.21 in transaction mode | session mode, or a later release |
//! | `this build has no driver for …` | the feature of that database is off | `features = ["postgres"]` or `["mysql"]` |
//! | `the probe of this gateway does not support https` | the policy allows `https`, and the probe has no TLS | `HttpProbe::with_tls`: see [TLS to backends](super::cookbook::backends#tls-to-backends) |
//! | `does not belong to the certificate` | `--tls-cert` names another certificate than the one of `--tls-key`, or the chain comes before it | the certificate of the gateway comes first in its file |
//! | the driver takes a password nobody configured | PostgreSQL's driver reads the environment variables of libpq | name the user and the password in the URL |
//!
//! # Builds
//!
//! | symptom | cause | fix |
//! | --- | --- | --- |
//! | `Service<_> is not satisfied` for `WeightedVersion<…>` | the client's response body is no `http_body::Body`, or its request body has another type | map the body: see [`WeightedVersionLayer`](crate::WeightedVersionLayer) for the bounds |
//! | `the package … links to the native library sqlite3` | two versions of `libsqlite3-sys` | align the sea-orm or rusqlite versions |

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
//! | 408 `request-timeout` | the backend waited for the request body, and the client did not send it in time | the client's side; large uploads need no longer timeout, since every 16 KiB restart it |
//! | 400 `ambiguous-host`, 501, 508 `loop-detected` | the request is one that the proxy refuses | see [the wire](crate::proxy#behavior-on-the-wire) |
//! | 504 `gateway-timeout` | no response head within the timeout of the proxy (60 s by default) or of the client | [`with_response_timeout`](crate::proxy::Proxy::with_response_timeout) |
//! | the client sees 504 but the figures count `abandoned` | a `TimeoutLayer` outside of the proxy gave up first, so the version has no response | give the proxy a shorter timeout than the layer outside: then a slow version counts as an error |
//! | all requests go to one version, the figures say 90 and 10 | the client ignores the URI of the request, as tonic's `Channel` and clients with a base URL do | wrap a client that sends to the URI it is given: see [`layer`](crate::layer#clients-that-ignore-the-uri) |
//! | a user changes versions | the request has no key, or the key differs between requests | `GET …/explain?key=…`; read the key from something that stays, such as a session cookie |
//! | a user stays with the old version after a switch | a pin holds while its version is active | make the version inactive, or redraw |
//! | a tester's override is ignored | the trust predicate returned false, or the version is inactive | the response header `canary-override-refused` has the reason: see [`Override`](crate::layer::Override) |
//! | redirects lead to the backend's address | the backend makes absolute URLs from `Host` | [`HostPolicy::Preserve`](crate::layer::HostPolicy::Preserve) |
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
//! | 503 `store-unavailable` | the database cannot be reached or written | routes stay in use; `GET …/deployment/status` has the age of the routes |
//! | a change is not served by another gateway | that gateway does not run [`Deployments::run`](crate::Deployments::run), or cannot reach the store | `GET …/deployment/replicas` |
//! | `?wait=drained` never ends | a long stream, a pinned user, or a replica that cannot read the split | the response says who: `elsewhere` has the other gateways with the reason (`draining`, `behind`), `inFlight` this one |
//! | 400 `malformed-query` for `?wait=converged` | the gateway has no replica name | [`with_replica_name`](crate::deployments::Builder::with_replica_name) |
//!
//! # Start
//!
//! | symptom | cause | fix |
//! | --- | --- | --- |
//! | `cannot create the table gateway_…` | the database has a table of that name that is not the store's | rename it, or use a schema (PostgreSQL, `?options=-csearch_path%3Dcanary` in the URL) or a database of its own |
//! | `the database lacks the migration …` | [`Migrations::VerifyOnly`](crate::store::sql::Migrations::VerifyOnly) found a table or column missing | run the migrations as a user who may, or let the store run them |
//! | `this build has no driver for …` | the feature of that database is off | `features = ["postgres"]` or `["mysql"]` |
//! | `the probe of this gateway does not support https` | the crate has no TLS | `HttpProbe::with_client`: see [TLS to backends](super::cookbook#tls-to-backends) |
//! | the driver takes a password nobody configured | PostgreSQL's driver reads the environment variables of libpq | name the user and the password in the URL |
//!
//! # Builds
//!
//! | symptom | cause | fix |
//! | --- | --- | --- |
//! | `Service<_> is not satisfied` for `WeightedVersion<…>` | the client's response body is no `http_body::Body`, or its request body has another type | map the body: see [`WeightedVersionLayer`](crate::WeightedVersionLayer) for the bounds |
//! | `the package … links to the native library sqlite3` | two versions of `libsqlite3-sys` | align the sea-orm or rusqlite versions |

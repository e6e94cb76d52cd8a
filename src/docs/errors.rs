//! Errors: which there are, who sees them, and what a program does after one.
//!
//! There are four kinds, by the moment at which they appear:
//!
//! | moment | kind | example |
//! | --- | --- | --- |
//! | a value is parsed | a small type per value, named `Invalid…` | [`InvalidName`](crate::routing::InvalidName) |
//! | the gateway starts | an enum that names the option or the setting | `store::sql::ConnectError`, `admin::JwtConfigError` |
//! | a change is made | three enums, one inside of the other | [`DeployError`](crate::deployments::DeployError) |
//! | a request is sent | a response, or the error of the client | `unknown-service`, `upstream::Error` |
//!
//! # Rules for all of them
//!
//! - A message says what is wrong *and how to fix it*: `version v9 is not registered: register it first`. It is one
//!   line in lower case without a final period, so it can stand behind a colon in a log.
//! - The cause is the [`source`](std::error::Error::source), and is not repeated in the message. Print the chain to see all
//!   of it.
//! - No message contains a secret. A database URL is shown by its server and database alone. A server's error that
//!   repeats a password, or an option of the URL, is redacted.
//! - A message may quote the request: a name, a URL, a weight. So it belongs to the sender of the request. It is escaped
//!   where it is logged.
//! - Enums are `#[non_exhaustive]`: match on the cases that the program treats, and print the others.
//!
//! # A value
//!
//! A name, a weight, a base URL, a health path and a plan are checked when they are parsed, and never again. So a function
//! that takes a [`ServiceName`](crate::ServiceName) or a [`Weight`](crate::Weight) has no error for a bad one, and a
//! program that reads configuration fails at its start:
//!
//! ```
//! use tower_canary::Weight;
//! use tower_canary::routing::Backend;
//!
//! let error = "10.005".parse::<Weight>().unwrap_err();
//! assert!(error.to_string().contains("at most two decimals"), "{error}");
//! let error = "http://10.0.0.7/?a=1".parse::<Backend>().unwrap_err();
//! assert!(error.to_string().contains("base URL"), "{error}");
//! ```
//!
//! # A change
//!
//! A change passes three levels, and the error of a level contains the error of the level below:
//!
//! ```text
//! Deployments::apply   DeployError   the probe failed, the URL policy refuses, the history lacks the generation
//!   RouteStore::commit   StoreError    another generation, no such service, the database cannot be reached
//!     Split::apply         ChangeError   the rules: 100 percent in total, one active version, no removed service
//! ```
//!
//! After [`DeployError`](crate::deployments::DeployError) nothing has changed, with one exception:
//! [`StoreError::Unavailable`](crate::store::StoreError::Unavailable) may mean that the connection was lost during the
//! commit. The split says which it is, so a program reads it before it repeats a change.
//!
//! | error | what a program does |
//! | --- | --- |
//! | [`GenerationConflict`](crate::store::StoreError::GenerationConflict) | reads the split, decides again, sends the new generation |
//! | [`Unavailable`](crate::store::StoreError::Unavailable) | waits, reads the split, repeats the change if it was not made |
//! | [`Unsettled`](crate::deployments::DeployError::Unsettled) | repeats the change as it is |
//! | [`Unhealthy`](crate::deployments::DeployError::Unhealthy) | reports the probes; a person decides about `force` |
//! | [`NotCleared`](crate::store::StoreError::NotCleared) | uses [`Deployments`](crate::Deployments), which probes, and not the store |
//! | [`Refused`](crate::store::StoreError::Refused), every other | reports the message: the same change will be refused again |
//!
//! ```
//! use tower_canary::deployments::DeployError;
//! use tower_canary::routing::Change;
//! use tower_canary::store::{ChangeRequest, StoreError};
//! use tower_canary::{Deployments, Draw};
//!
//! /// Returns whether the same change may succeed later.
//! fn may_pass(error: &DeployError) -> bool {
//!     matches!(error, DeployError::Store(StoreError::Unavailable(_)) | DeployError::Unsettled)
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let deployments = Deployments::in_memory(Draw::Exact);
//! let switch = ChangeRequest::new(Change::switch("v2".parse()?), "deploy-bot");
//! let error = deployments.apply(&"auth".parse()?, switch).await.unwrap_err();
//! assert!(!may_pass(&error), "{error}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The admin API converts each of these errors into one problem document, in `src/admin/problem.rs` and nowhere else.
//! The `type` of a problem is stable, its text is not. A failure inside of the gateway has a fixed text: its cause goes
//! to the log.
//!
//! # A request
//!
//! A service must respond, so what a request meets is a response and not an error. The error of a
//! [`WeightedVersion`](crate::WeightedVersion) is the error of its client, unchanged; `Proxy` has none.
//!
//! | who responds | status | counted as |
//! | --- | --- | --- |
//! | the layer, for an unknown service | 404 | [`unknown_service_requests`](crate::RoutingHandle::unknown_service_requests) |
//! | the layer, for a service without an active version, or a version without a usable instance | 503 | `unserved` of the service |
//! | the layer, for a URI or a host that it cannot send on | 400, 414 | `4xx` of the version |
//! | the backend | its own | the outcome of its status, or of its `grpc-status` |
//! | `Proxy`, for a client that failed | 502, 504 | an error of the version |
//! | `Proxy`, for a client that does not send its body | 400, 408 | `cancelled` of the version |
//! | `Proxy`, for a request that it refuses at once | 400 to 508 | nothing: no version was chosen |
//!
//! A gRPC request gets a status in the headers instead, with which gRPC clients decide whether to repeat the call. The
//! tables of all problems are in [`layer`](crate::layer) and `proxy`.
//!
//! # Background work
//!
//! A duty of [`Deployments::run`](crate::Deployments::run) does not end with an error. It is logged, once per outage, and is the
//! `last_error` of the duty in [`Deployments::duties`](crate::Deployments::duties) until the duty succeeds again. A panic
//! in a trait of the application, such as a store or a check, is caught there and reported in the same way.

//! Handlers, one file for each resource.
//!
//! A handler reads the request with the extractors of [`extract`](super::extract), calls
//! [`Deployments`](crate::deployments::Deployments), and returns a wire type of [`api`](crate::api) or an
//! [`ApiError`](super::problem::ApiError). It makes no decision about a split: those rules are in `routing`,
//! so that a change from the API, from code and from another gateway has the same effect.
//!
//! The first line of a handler's documentation is the summary of the operation in the OpenAPI document, and
//! the rest is its description. Both are read by operators, so they have no link into Rust.
//!
//! # Adding an operation
//!
//! 1. Write the wire types into the resource's file in `api`, with `Serialize`, `Deserialize` and, under
//!    `admin`, the schema. Refuse unknown fields in requests.
//! 2. Write the handler here. For a change, return
//!    [`change_response`](super::state::change_response)`(status, state.change(…).await?)` and document it with
//!    [`ChangeResponses`](super::openapi::ChangeResponses).
//! 3. Add it to the list in [`router`](mod@super::router). That makes the route and its documentation.
//! 4. For a new kind of problem, add a line to [`ProblemKind`](crate::api::ProblemKind) and a row to the
//!    table in the documentation of the module `admin`. A test compares the two.
//! 5. Add a row to the tables of routes in that documentation, and a test that reads the response back as the
//!    wire type.
//!
//! The tests of authentication take their paths from the OpenAPI document, so they cover the new operation.

mod cluster_view;
mod events;
pub(super) mod explain;
pub(super) mod history;
pub(super) mod mirror;
pub(super) mod overview;
pub(super) mod replicas;
#[cfg(feature = "rollout")]
pub(super) mod rollout_orders;
#[cfg(feature = "rollout")]
mod rollout_query;
#[cfg(feature = "rollout")]
pub(super) mod rollout_routes;
#[cfg(not(feature = "rollout"))]
#[path = "no_rollout_routes.rs"]
pub(super) mod rollout_routes;
#[cfg(feature = "rollout")]
pub(super) mod rollouts;
pub(super) mod service;
pub(super) mod services;
pub(super) mod traffic;
mod traffic_query;
mod url_forms;
pub(super) mod versions;
pub(super) mod weights;
pub(super) mod whoami;

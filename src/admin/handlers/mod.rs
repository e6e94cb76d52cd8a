//! Handlers, one file for each resource.

pub(super) mod explain;
pub(super) mod history;
pub(super) mod replicas;
pub(super) mod services;
pub(super) mod traffic;
mod traffic_query;
pub(super) mod versions;
pub(super) mod weights;

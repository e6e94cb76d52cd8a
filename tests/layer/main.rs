//! The layer as a host uses it: over mocks that watch readiness, over real clients and real sockets.

mod allocations;
mod clients;
mod composition;
mod in_flight;
mod rejections;
mod rewriting;
mod support;
mod targets;

//! The admin API from outside: through the router a host nests, and over sockets where probing is the matter.

mod api;
mod auth;
mod hostile;
mod probing;
mod problems;
mod support;

//! A check for clients that ignore the URI of a request.

use std::sync::atomic::{AtomicBool, Ordering};

/// The types of clients that replace the scheme and authority of every request by their own.
const IGNORES_URI: [&str; 1] = ["tonic::transport::channel::Channel"];

/// Logs an error, once per process, if the client `S` is or wraps one that is known to ignore the URI.
///
/// The library does not depend on these clients, so their type is known by its name alone. That finds no client behind
/// `dyn`, which is why the docs of the layer warn as well.
pub(super) fn log_if_uri_ignored<S>() {
    static LOGGED: AtomicBool = AtomicBool::new(false);
    let client = std::any::type_name::<S>();
    if !IGNORES_URI.iter().any(|name| client.contains(name)) {
        return;
    }
    // Relaxed: only one caller may see `false`, and nothing else is published.
    if !LOGGED.swap(true, Ordering::Relaxed) {
        tracing::error!(
            client,
            "this client sends each request to its own origin, so weights have no effect and the counts are wrong: \
             use a client that follows the URI, such as tower_canary::upstream::Client"
        );
    }
}

//! How many connections there are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use super::pool::Pool;
use crate::common::lock::lock;

/// The connections to one backend, over all pools of a [`Client`](super::Client).
///
/// ```
/// use http_body_util::Empty;
/// use hyper_util::rt::TokioExecutor;
/// use tower_canary::probe::UrlPolicy;
/// use tower_canary::upstream::Client;
///
/// let client: Client<Empty<bytes::Bytes>> = Client::new(UrlPolicy::new(), TokioExecutor::new());
/// for backend in client.connections() {
///     println!("{}: {} of {} in use", backend.backend, backend.in_use, backend.open);
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackendConnections {
    /// Scheme and authority of the backend, such as `http://10.0.0.7:8080`.
    pub backend: String,
    /// The number of connections that are open or being made.
    pub open: usize,
    /// The number of connections without a request.
    pub idle: usize,
    /// The number of connections with a request, or being made for one. Tunnels after an upgrade are not counted.
    pub in_use: usize,
    /// The number of requests over HTTP/2.
    pub streams: usize,
}

/// The pools of a client and of those with [pools of their own](super::Client::with_own_pool).
#[derive(Debug)]
pub(super) struct Pools<B>(Mutex<Vec<Weak<Pool<B>>>>);

impl<B> Pools<B> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Adds a pool, and forgets those that are gone.
    pub(super) fn add(&self, pool: &Arc<Pool<B>>) {
        let mut pools = lock(&self.0);
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(pool));
    }

    /// Returns the connections of each backend, ordered by its URL.
    pub(super) fn connections(&self) -> Vec<BackendConnections> {
        let pools: Vec<_> = lock(&self.0).iter().filter_map(Weak::upgrade).collect();
        let mut sums = BTreeMap::<String, BackendConnections>::new();
        for (backend, counts) in pools.iter().flat_map(|pool| pool.counts()) {
            let sum = sums.entry(backend).or_insert_with_key(|backend| BackendConnections {
                backend: backend.clone(),
                open: 0,
                idle: 0,
                in_use: 0,
                streams: 0,
            });
            sum.open += counts.open;
            sum.idle += counts.idle;
            sum.in_use += counts.open.saturating_sub(counts.idle);
            sum.streams += counts.streams;
        }
        sums.into_values().collect()
    }
}

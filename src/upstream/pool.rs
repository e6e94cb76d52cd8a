//! The backends of one pool.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use foldhash::fast::RandomState;
use http::Uri;
use http::uri::Scheme;

use super::backend::{Backend, Counts};
use super::connect::Target;
use super::error::Error;
use super::settings::Settings;
use crate::common::lock::lock;

/// Above this number of backends, those without connections are forgotten when another one comes.
const PRUNE_ABOVE: usize = 64;

/// Backends by their authorities.
struct Backends<B> {
    by_authority: HashMap<Box<str>, Arc<Backend<B>>, RandomState>,
    /// The number at which the next one makes others forgotten.
    prune_at: usize,
}

/// Connections to backends, by the authority of each.
pub(super) struct Pool<B> {
    pub(super) settings: Arc<Settings>,
    http: Mutex<Backends<B>>,
    https: Mutex<Backends<B>>,
}

impl<B> Pool<B> {
    /// Creates a pool without backends. Each is added by its first request.
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, http: Mutex::new(Backends::new()), https: Mutex::new(Backends::new()) }
    }

    /// Returns the backend of a URI.
    pub(super) fn backend(&self, uri: &Uri) -> Result<Arc<Backend<B>>, Error> {
        let authority = uri.authority().ok_or_else(Error::uri)?;
        let tls = uri.scheme() == Some(&Scheme::HTTPS);
        let mut backends = lock(if tls { &self.https } else { &self.http });
        if let Some(backend) = backends.by_authority.get(authority.as_str()) {
            return Ok(Arc::clone(backend));
        }
        let target = Target { tls, authority: authority.clone() };
        let backend = Backend::new(target, Arc::clone(&self.settings));
        backends.add(authority.as_str().into(), Arc::clone(&backend));
        Ok(backend)
    }

    /// Closes idle connections, and the others when they are idle.
    pub(super) fn close(&self) {
        for backends in [&self.http, &self.https] {
            for backend in lock(backends).by_authority.values() {
                backend.close();
            }
        }
    }

    /// Returns the connections of each backend, by its URL.
    pub(super) fn counts(&self) -> Vec<(String, Counts)> {
        let mut all = Vec::new();
        for (scheme, backends) in [("http", &self.http), ("https", &self.https)] {
            let backends = lock(backends);
            let backends = backends.by_authority.iter();
            all.extend(backends.map(|(name, backend)| (format!("{scheme}://{name}"), backend.counts())));
        }
        all
    }
}

impl<B> Backends<B> {
    fn new() -> Self {
        Self { by_authority: HashMap::default(), prune_at: PRUNE_ABOVE }
    }

    /// Adds a backend, and removes unused ones if there are many.
    fn add(&mut self, authority: Box<str>, backend: Arc<Backend<B>>) {
        if self.by_authority.len() >= self.prune_at {
            self.by_authority.retain(|_, backend| Arc::strong_count(backend) > 1 || !backend.is_unused());
            // Room for as many again: looking at all of them for each new one would be quadratic.
            self.prune_at = PRUNE_ABOVE.max(2 * self.by_authority.len());
        }
        self.by_authority.insert(authority, backend);
    }
}

impl<B> fmt::Debug for Pool<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("settings", &self.settings).finish_non_exhaustive()
    }
}

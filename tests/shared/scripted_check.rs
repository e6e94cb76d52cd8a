//! A check of instances whose outcome a test sets.
#![allow(dead_code, reason = "each test binary uses a part of the script")]

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tower_canary::deployments::{Healthy, Unhealthy, UrlRefused, VersionCheck};
use tower_canary::routing::{Backend, HealthPath};

/// Finds every instance healthy at first. Clones share the script.
#[derive(Clone)]
pub(crate) struct ScriptedCheck {
    script: Arc<Mutex<Script>>,
    admit: fn(&Backend) -> Result<(), UrlRefused>,
    hook: Arc<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Script {
    healthy: Option<Healthy>,
    all_unhealthy: Option<Unhealthy>,
    /// By URL.
    unhealthy: HashMap<String, Unhealthy>,
    /// The URLs whose probes never end.
    hanging: HashSet<String>,
    /// The URLs and health paths of the probes so far.
    probes: Vec<(String, Option<String>)>,
}

impl Default for ScriptedCheck {
    fn default() -> Self {
        Self { script: Arc::default(), admit: refuse_forbidden, hook: Arc::new(|| {}) }
    }
}

impl fmt::Debug for ScriptedCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedCheck").finish_non_exhaustive()
    }
}

impl ScriptedCheck {
    /// Decides with `admit` which URLs may be registered. By default, all but URLs of the host `forbidden`.
    pub(crate) fn with_admission(self, admit: fn(&Backend) -> Result<(), UrlRefused>) -> Self {
        Self { admit, ..self }
    }

    /// Returns `healthy` for healthy instances.
    pub(crate) fn with_healthy(self, healthy: Healthy) -> Self {
        self.script.lock().unwrap().healthy = Some(healthy);
        self
    }

    /// Runs `hook` with each call, where it may panic.
    pub(crate) fn with_hook(self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        Self { hook: Arc::new(hook), ..self }
    }

    /// Finds all instances unhealthy, or with `None` only the instances that are set.
    pub(crate) fn set_all(&self, unhealthy: Option<Unhealthy>) {
        self.script.lock().unwrap().all_unhealthy = unhealthy;
    }

    /// Finds the instance at `url` unhealthy, or healthy again.
    pub(crate) fn set(&self, url: &str, unhealthy: Option<Unhealthy>) {
        let script = &mut self.script.lock().unwrap().unhealthy;
        match unhealthy {
            Some(unhealthy) => script.insert(url.to_owned(), unhealthy),
            None => script.remove(url),
        };
    }

    /// Lets probes of the instance at `url` never end, from now on.
    pub(crate) fn hang(&self, url: &str) {
        self.script.lock().unwrap().hanging.insert(url.to_owned());
    }

    /// Records a probe, and returns whether it never ends.
    fn record(&self, backend: &Backend, path: Option<&HealthPath>) -> bool {
        let mut script = self.script.lock().unwrap();
        script.probes.push((backend.as_str().to_owned(), path.map(|path| path.as_str().to_owned())));
        script.hanging.contains(backend.as_str())
    }

    pub(crate) fn probes(&self) -> usize {
        self.script.lock().unwrap().probes.len()
    }

    /// Returns how often the instance at `url` was probed.
    pub(crate) fn probes_of(&self, url: &str) -> usize {
        self.script.lock().unwrap().probes.iter().filter(|(probed, _)| probed == url).count()
    }

    /// Returns the health path of each probe so far.
    pub(crate) fn paths(&self) -> Vec<Option<String>> {
        self.script.lock().unwrap().probes.iter().map(|(_, path)| path.clone()).collect()
    }
}

#[async_trait]
impl VersionCheck for ScriptedCheck {
    fn admit(&self, backend: &Backend) -> Result<(), UrlRefused> {
        (self.hook)();
        (self.admit)(backend)
    }

    async fn probe(
        &self,
        backend: &Backend,
        path: Option<&HealthPath>,
    ) -> Result<Option<Healthy>, Unhealthy> {
        (self.hook)();
        tokio::task::yield_now().await;
        if self.record(backend, path) {
            std::future::pending::<()>().await;
        }
        let script = self.script.lock().unwrap();
        let unhealthy = script.unhealthy.get(backend.as_str()).or(script.all_unhealthy.as_ref());
        unhealthy.cloned().map_or_else(|| Ok(script.healthy), Err)
    }
}

fn refuse_forbidden(backend: &Backend) -> Result<(), UrlRefused> {
    if backend.authority().host() == "forbidden" { Err(UrlRefused::new("no")) } else { Ok(()) }
}

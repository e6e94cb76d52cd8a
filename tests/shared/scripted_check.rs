//! A check of versions whose outcome a test sets.
#![allow(dead_code, reason = "each test binary uses a part of the script")]

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tower_canary::deployments::{Healthy, Unhealthy, UrlRefused, VersionCheck};
use tower_canary::routing::{Backend, HealthPath, Version};

/// Finds every version healthy at first. Clones share the script.
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
    unhealthy: HashMap<String, Unhealthy>,
    /// The health paths of the probes so far.
    paths: Vec<Option<String>>,
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

    /// Returns `healthy` for healthy versions.
    pub(crate) fn with_healthy(self, healthy: Healthy) -> Self {
        self.script.lock().unwrap().healthy = Some(healthy);
        self
    }

    /// Runs `hook` with each call, where it may panic.
    pub(crate) fn with_hook(self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        Self { hook: Arc::new(hook), ..self }
    }

    /// Finds all versions unhealthy, or with `None` only the versions that are set.
    pub(crate) fn set_all(&self, unhealthy: Option<Unhealthy>) {
        self.script.lock().unwrap().all_unhealthy = unhealthy;
    }

    /// Finds `version` unhealthy, or healthy again.
    pub(crate) fn set(&self, version: &str, unhealthy: Option<Unhealthy>) {
        let script = &mut self.script.lock().unwrap().unhealthy;
        match unhealthy {
            Some(unhealthy) => script.insert(version.to_owned(), unhealthy),
            None => script.remove(version),
        };
    }

    pub(crate) fn probes(&self) -> usize {
        self.script.lock().unwrap().paths.len()
    }

    /// Returns the health path of each probe so far.
    pub(crate) fn paths(&self) -> Vec<Option<String>> {
        self.script.lock().unwrap().paths.clone()
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
        version: &Version,
        path: Option<&HealthPath>,
    ) -> Result<Option<Healthy>, Unhealthy> {
        (self.hook)();
        tokio::task::yield_now().await;
        let mut script = self.script.lock().unwrap();
        script.paths.push(path.map(|path| path.as_str().to_owned()));
        let unhealthy = script.unhealthy.get(version.name.as_str()).or(script.all_unhealthy.as_ref());
        unhealthy.cloned().map_or_else(|| Ok(script.healthy), Err)
    }
}

fn refuse_forbidden(backend: &Backend) -> Result<(), UrlRefused> {
    if backend.authority().host() == "forbidden" { Err(UrlRefused::new("no")) } else { Ok(()) }
}

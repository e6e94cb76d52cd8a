//! What all fleets of a handle share, and which versions have one.

use std::sync::{Arc, OnceLock};

use super::fleet::{Fleet, Judge};
use super::full_rows::FullRows;
use crate::health::Health;
use crate::routing::{Draw, Instances, Split, Version};

/// What all fleets of a handle share.
#[derive(Debug, Default)]
pub(super) struct FleetSettings {
    draw: Draw,
    /// Set before anything is published, or never: without it, nothing judges instances.
    health: OnceLock<Arc<Health>>,
    /// The queue of the instances whose row of failures is full.
    rows: Arc<FullRows<Fleet>>,
}

impl FleetSettings {
    /// Creates the settings of a handle without health: nothing judges its instances.
    pub(super) fn new(draw: Draw) -> Self {
        Self { draw, ..Self::default() }
    }

    /// Returns the draw of the handle, which decides whether the choices of versions and instances repeat.
    pub(super) const fn draw(&self) -> Draw {
        self.draw
    }

    /// Sets how instances are judged. The first settings stay.
    pub(super) fn set_health(&self, health: Arc<Health>) {
        // An error means that it is set already.
        let _ = self.health.set(health);
    }

    /// Returns the queue of the instances whose row of failures is full. The health duty takes them out.
    pub(super) const fn rows(&self) -> &Arc<FullRows<Fleet>> {
        &self.rows
    }

    /// Returns the fleet of `version`: the one of the route before if it has the same base URLs, else a new one that
    /// takes over the health of the base URLs that stay. `None` for a version with one instance that is not checked.
    ///
    /// `before` are the base URLs of the route before, if it had the version, and their fleet, if they had one.
    pub(super) fn fleet(
        &self,
        split: &Split,
        version: &Version,
        before: Option<(&Instances, Option<&Arc<Fleet>>)>,
    ) -> Option<Arc<Fleet>> {
        let is_checked = self.health.get().is_some() && split.health_path().is_some();
        if version.instances.len().get() == 1 && !is_checked {
            return None;
        }
        if let Some((_, Some(fleet))) = before
            && *fleet.instances() == version.instances
        {
            return Some(Arc::clone(fleet));
        }
        let judge = self.health.get().map(|health| Judge::new(Arc::clone(health), Arc::clone(&self.rows)));
        Some(Fleet::new(split, version, self.draw, judge, before))
    }
}

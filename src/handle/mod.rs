//! Where routes are published, and where layers read them. [`RoutingHandle`] has an example.

mod cell;
mod watch;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::{ArcSwap, Guard};
use foldhash::fast::RandomState;

pub(crate) use self::cell::{Cell, Choice, NextDraw, NoChoice, Upstream};
use crate::common::lock::lock;
use crate::routing::{Draw, Route, RoutingTable, ServiceName, Split};
use crate::traffic::Ticks;

/// The routes that requests follow right now: published by one side, read by the layer without a lock.
///
/// Clones share the routes. Each request reads the route of its service once, so it sees one split whole. A
/// published route is followed by every request that starts after [`publish`](Self::publish) returned.
///
/// ```
/// use tower_canary::routing::{Change, Route, Split};
/// use tower_canary::RoutingHandle;
///
/// let handle = RoutingHandle::new();
/// let split = Split::new("auth".parse()?, 7)
///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), std::time::SystemTime::now())?;
/// assert!(handle.publish(Route::compile(split)));
/// assert_eq!(handle.route("auth").map(|route| route.split().generation()), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct RoutingHandle {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    draw: Draw,
    cells: ArcSwap<Cells>,
    /// Held by whoever publishes; requests never wait for it.
    publishing: Mutex<()>,
    /// Requests for services that no one knows.
    unknown: AtomicU64,
    /// Whether a layer keeps users with versions, or lets testers ask for them, whatever their weights.
    kept: AtomicBool,
    /// Held while samples are taken or read.
    ticks: Mutex<Ticks>,
}

pub(crate) type Cells = HashMap<ServiceName, Arc<Cell>, RandomState>;

impl RoutingHandle {
    /// No routes yet, and the exact draw.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No routes yet, and `draw`.
    #[must_use]
    pub fn with_draw(draw: Draw) -> Self {
        Self { shared: Arc::new(Shared { draw, ..Shared::default() }) }
    }

    /// The route that requests of the service called `name` follow now.
    #[must_use]
    pub fn route(&self, name: &str) -> Option<Arc<Route>> {
        self.find(name)?.route()
    }

    /// All routes that requests follow now.
    #[must_use]
    pub fn table(&self) -> RoutingTable {
        self.shared.cells.load().values().filter_map(|cell| cell.route()).collect()
    }

    /// Publishes `route`, unless a later generation is published already: then it answers `false` and keeps that.
    ///
    /// A service that was removed and registered anew starts over: its salt tells it from the one before.
    #[must_use = "false: a later generation stays published"]
    pub fn publish(&self, route: impl Into<Arc<Route>>) -> bool {
        let route = route.into();
        let _one_at_a_time = lock(&self.shared.publishing);
        let cell = self.cell_locked(route.service());
        if cell.route().is_some_and(|served| is_later(served.split(), route.split())) {
            return false;
        }
        cell.publish(route);
        true
    }

    /// Publishes `table` whatever was published before. Services that it lacks become unknown, and those whose split is
    /// published already are left alone.
    pub fn replace(&self, table: &RoutingTable) {
        let _one_at_a_time = lock(&self.shared.publishing);
        let mut cells = Cells::clone(&self.shared.cells.load());
        for (name, cell) in &cells {
            if table.get(name.as_str()).is_none() {
                cell.unpublish();
            }
        }
        for route in table.iter() {
            let new = || Arc::new(Cell::new(self.shared.draw, route.service()));
            let cell = cells.entry(route.service().clone()).or_insert_with(new);
            if cell.route().is_none_or(|served| served.split() != route.split()) {
                cell.publish(Arc::clone(route));
            }
        }
        self.shared.cells.store(Arc::new(cells));
    }

    /// The place of the service called `name`, if it was ever published or asked for by [`Self::cell`].
    fn find(&self, name: &str) -> Option<Arc<Cell>> {
        self.shared.cells.load().get(name).cloned()
    }

    /// The places of all services, to be held only while one is looked up and used.
    pub(crate) fn cells(&self) -> Guard<Arc<Cells>> {
        self.shared.cells.load()
    }

    /// Counts a request for a service that has no place.
    #[cold]
    pub(crate) fn note_unknown(&self) {
        self.shared.unknown.fetch_add(1, Ordering::Relaxed);
    }

    /// The place of one service, made if need be: for a layer that serves no other.
    pub(crate) fn cell(&self, service: &ServiceName) -> Arc<Cell> {
        let _one_at_a_time = lock(&self.shared.publishing);
        self.cell_locked(service)
    }

    fn cell_locked(&self, service: &ServiceName) -> Arc<Cell> {
        if let Some(cell) = self.find(service.as_str()) {
            return cell;
        }
        let cell = Arc::new(Cell::new(self.shared.draw, service));
        let mut cells = Cells::clone(&self.shared.cells.load());
        cells.insert(service.clone(), Arc::clone(&cell));
        self.shared.cells.store(Arc::new(cells));
        cell
    }
}

fn is_later(served: &Split, new: &Split) -> bool {
    served.salt() == new.salt() && served.generation() > new.generation()
}

//! All routes.

use std::collections::HashMap;
use std::sync::Arc;

use super::name::ServiceName;
use super::route::Route;

/// The routes of all services at one moment. It is immutable; a change publishes another table.
///
/// Of several routes of one service, the last one that is collected stays.
///
/// ```
/// use tower_canary::routing::{Change, Route, RoutingTable, Split};
///
/// let split = Split::new("auth".parse()?, 7)
///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), std::time::SystemTime::now())?;
/// let table: RoutingTable = [Route::compile(split)].into_iter().collect();
/// assert!(table.get("auth").is_some() && table.get("orders").is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct RoutingTable {
    routes: HashMap<ServiceName, Arc<Route>>,
}

impl RoutingTable {
    /// Returns the route of the service called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Route>> {
        self.routes.get(name)
    }

    /// Iterates over all routes in arbitrary order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Route>> {
        self.routes.values()
    }

    /// Returns all routes in a new list that is sorted by the name of the service.
    ///
    /// ```
    /// use tower_canary::routing::{Route, RoutingTable, Split};
    ///
    /// let table: RoutingTable = ["orders", "auth"]
    ///     .into_iter()
    ///     .map(|name| Ok(Route::compile(Split::new(name.parse()?, 7))))
    ///     .collect::<Result<_, tower_canary::routing::InvalidName>>()?;
    /// assert_eq!(table.sorted()[0].service().as_str(), "auth");
    /// # Ok::<(), tower_canary::routing::InvalidName>(())
    /// ```
    #[must_use]
    pub fn sorted(&self) -> Vec<&Arc<Route>> {
        let mut routes: Vec<_> = self.routes.values().collect();
        routes.sort_by_key(|route| route.service());
        routes
    }

    /// Returns the number of services.
    ///
    /// It counts services with a route, also those without an active version.
    #[must_use]
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Returns whether there is no service.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }
}

impl FromIterator<Arc<Route>> for RoutingTable {
    fn from_iter<I: IntoIterator<Item = Arc<Route>>>(routes: I) -> Self {
        Self { routes: routes.into_iter().map(|route| (route.service().clone(), route)).collect() }
    }
}

impl FromIterator<Route> for RoutingTable {
    fn from_iter<I: IntoIterator<Item = Route>>(routes: I) -> Self {
        routes.into_iter().map(Arc::new).collect()
    }
}

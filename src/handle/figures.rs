//! The figures by which versions are judged.

use super::routing_handle::RoutingHandle;
use crate::routing::VersionId;
use crate::traffic::{Figures, MirrorFigures, ReportedFigures};

impl RoutingHandle {
    /// Returns the figures of each published version of `service` since it was published first, or `None` if the service is
    /// not published. [`Figures`] says which requests count.
    ///
    /// ```
    /// use tower_canary::traffic::Figures;
    /// # use tower_canary::routing::{Change, Route, Split};
    /// # use tower_canary::RoutingHandle;
    /// # let handle = RoutingHandle::new();
    /// # let split = Split::new("auth".parse()?, 7)
    /// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), std::time::SystemTime::now())?;
    /// # assert!(handle.publish(Route::compile(split)));
    /// for (version, figures) in handle.figures("auth").ok_or("not published")? {
    ///     println!("{version}: {} of {} requests failed", figures.bad, figures.requests);
    ///     # assert_eq!(figures, Figures::default());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn figures(&self, service: &str) -> Option<Vec<(VersionId, Figures)>> {
        let snapshot = self.find(service)?.snapshot(self.is_zero_weight_reachable())?;
        let versions = snapshot.route.split().versions().iter().zip(&snapshot.published);
        Some(versions.map(|(version, counted)| (version.id, counted.figures())).collect())
    }

    /// Returns the figures of copies and of their originals of each published version of `service`, since it was published
    /// first, or `None` if the service is not published.
    ///
    /// ```
    /// let handle = tower_canary::RoutingHandle::new();
    /// assert!(handle.mirror_figures("auth").is_none());
    /// ```
    #[must_use]
    pub fn mirror_figures(&self, service: &str) -> Option<Vec<(VersionId, MirrorFigures)>> {
        let snapshot = self.find(service)?.snapshot(self.is_zero_weight_reachable())?;
        let versions = snapshot.route.split().versions().iter().zip(&snapshot.published);
        Some(versions.map(|(version, counted)| (version.id, counted.mirror_figures())).collect())
    }

    /// Returns the figures of requests and of copies of each published version of `service`, for a report. `None` if
    /// the service is not published.
    pub(crate) fn reported_figures(&self, service: &str) -> Option<Vec<(VersionId, ReportedFigures)>> {
        let users = self.figures(service)?;
        let mirrored = self.mirror_figures(service)?;
        // A version may have been published between the two: it has no copies yet.
        let versions = users.into_iter().map(|(id, users)| {
            let mirror = mirrored.iter().find(|(other, _)| *other == id);
            let mirror = mirror.map_or_else(MirrorFigures::default, |(_, figures)| figures.clone());
            (id, ReportedFigures::new(users, mirror))
        });
        Some(versions.collect())
    }
}

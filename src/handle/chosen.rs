//! A version for a request that the application sends by itself.

use http::StatusCode;
use thiserror::Error;

use super::routing_handle::RoutingHandle;
use super::snapshot::{NoChoice, Pick, RouteSnapshot};
use crate::routing::{Backend, Point, Reason, ServiceName, VersionName};
use crate::traffic::{InFlight, Outcome};

/// The version that [`RoutingHandle::choose`] gave a request. It counts the request as in flight until it is dropped.
///
/// The outcome is counted when the value is dropped or [finished](Self::finish):
///
/// | last call | outcome |
/// | --- | --- |
/// | [`finish`](Self::finish) | the one that it was given |
/// | [`record_status`](Self::record_status) | the one of this status |
/// | none | [`Abandoned`](Outcome::Abandoned) |
///
/// See [`RoutingHandle::choose`](crate::RoutingHandle::choose) for an example.
#[derive(Debug)]
#[must_use = "dropped without an outcome, the request counts as abandoned"]
pub struct Chosen {
    service: ServiceName,
    version: VersionName,
    backend: Backend,
    reason: Reason,
    generation: u64,
    /// Whether the latency was recorded with the status.
    has_latency: bool,
    in_flight: InFlight,
}

/// Why [`RoutingHandle::choose`] gave no version.
///
/// ```
/// use tower_canary::RoutingHandle;
/// use tower_canary::handle::ChooseError;
///
/// let error = RoutingHandle::new().choose("payments", None).unwrap_err();
/// assert_eq!(error, ChooseError::UnknownService("payments".to_owned()));
/// assert_eq!(error.to_string(), r#"service "payments" is unknown: register it first"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChooseError {
    /// No route of a service of this name is published.
    #[error("service {0:?} is unknown: register it first")]
    UnknownService(String),
    /// No version of the service is active.
    #[error("service \"{0}\" has no active version: activate one or switch to it")]
    NoActiveVersion(ServiceName),
    /// The chosen version of the service has no usable instance, and
    /// [`Health::refusing`](crate::health::Health::refusing) is set.
    #[error("service \"{0}\" has no usable instance of the chosen version: try again later")]
    NoInstance(ServiceName),
}

impl RoutingHandle {
    /// Chooses a version of `service` for a request that the application sends by itself: through a generated SDK, a
    /// database driver, or a client that is no Tower service.
    ///
    /// It applies the same rules as a [layer](crate::WeightedVersionLayer) with an [`Affinity`](crate::layer::Affinity) and
    /// without pins or overrides. A `key` always gets the version that holds its slot, on every replica. Without a key, or
    /// with an empty one, the version is drawn by weight, from the draw that layers of this handle use.
    ///
    /// Of several instances of the version it chooses one as a layer does: see [`Chosen::backend`]. The outcome says whether
    /// the instance works, so report it.
    ///
    /// The request counts like one of a layer: in [`in_flight`](Self::in_flight), [`picks`](Self::picks) and
    /// [`traffic`](Self::traffic). So keep the returned value until the request has ended, and report its outcome.
    ///
    /// # Errors
    ///
    /// - [`ChooseError::UnknownService`] if no route of `service` is published.
    /// - [`ChooseError::NoActiveVersion`] if the service has no active version.
    /// - [`ChooseError::NoInstance`] if the chosen version has no usable instance and its requests are to be refused.
    ///
    /// ```
    /// use http::StatusCode;
    /// use tower_canary::traffic::Outcome;
    /// # use tower_canary::routing::{Change, Reason, Route, Split};
    /// # use tower_canary::RoutingHandle;
    /// # let handle = RoutingHandle::new();
    /// # let split = Split::new("payments".parse()?, 7)
    /// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), std::time::SystemTime::now())?;
    /// # assert!(handle.publish(Route::compile(split)));
    /// # fn charge(base_url: &str) -> Result<StatusCode, std::io::Error> { Ok(StatusCode::OK) }
    /// let chosen = handle.choose("payments", Some(b"customer-17"))?;
    /// assert_eq!(chosen.version().as_str(), "v1.0");
    /// assert_eq!(handle.in_flight("payments", "v1.0"), 1);
    ///
    /// // The SDK is given the base URL of the version.
    /// match charge(chosen.backend().as_str()) {
    ///     Ok(status) => chosen.finish(status.into()),
    ///     Err(_) => chosen.finish(Outcome::Error),
    /// }
    /// let traffic = handle.traffic("payments").ok_or("unknown")?;
    /// assert_eq!(traffic.versions[0].total.outcome(Outcome::Success), 1);
    /// assert_eq!(traffic.versions[0].in_flight, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn choose(&self, service: &str, key: Option<&[u8]>) -> Result<Chosen, ChooseError> {
        let Some(entry) = self.find(service) else {
            self.count_unknown();
            return Err(ChooseError::UnknownService(service.to_owned()));
        };
        let loaded = entry.load();
        let Some(snapshot) = loaded.snapshot() else {
            return Err(ChooseError::UnknownService(service.to_owned()));
        };
        let split = snapshot.split();
        let choice = match snapshot.choose(pick(&snapshot, key)) {
            Ok(choice) => choice,
            Err(NoChoice::UnknownService) => return Err(ChooseError::UnknownService(service.to_owned())),
            Err(NoChoice::NoActiveVersion) => {
                return Err(ChooseError::NoActiveVersion(split.service().clone()));
            }
            Err(NoChoice::NoInstance) => return Err(ChooseError::NoInstance(split.service().clone())),
        };
        let mut chosen = Chosen {
            service: split.service().clone(),
            version: choice.version().name.clone(),
            backend: choice.backend().clone(),
            reason: choice.reason,
            generation: split.generation(),
            has_latency: false,
            in_flight: choice.enter(),
        };
        chosen.in_flight.start_timer();
        Ok(chosen)
    }
}

/// Picks by the slot of the key. An empty key counts as no key, as in a layer.
fn pick(snapshot: &RouteSnapshot<'_>, key: Option<&[u8]>) -> Pick {
    match key {
        None | Some([]) => snapshot.draw(),
        Some(key) => snapshot.by_slot(Point::from_key(snapshot.split().salt(), key)),
    }
}

impl Chosen {
    /// Returns the service.
    #[must_use]
    pub const fn service(&self) -> &ServiceName {
        &self.service
    }

    /// Returns the version to use.
    #[must_use]
    pub const fn version(&self) -> &VersionName {
        &self.version
    }

    /// Returns the base URL of the instance to use.
    #[must_use]
    pub const fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Returns the rule that chose the version: [`Reason::Key`] or [`Reason::Draw`].
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// Returns the generation of the split that the rule used.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Records the status of the response and measures the latency. The request stays in flight until the value is dropped:
    /// read the response body before.
    ///
    /// Call it when the response head has arrived. If the body fails later, [`finish`](Self::finish) with
    /// [`Outcome::Error`]. A second call replaces the status, and leaves the latency as it is.
    pub fn record_status(&mut self, status: StatusCode) {
        // A second status changes the outcome. The latency stays the one of the first.
        if !self.has_latency {
            self.has_latency = true;
            self.in_flight.record_latency();
        }
        self.in_flight.set_status(status);
    }

    /// Ends the request with `outcome`.
    ///
    /// [`Error`](Outcome::Error) counts as a failure of the instance. A [`ServerError`](Outcome::ServerError) does so only if
    /// [`record_status`](Self::record_status) got 502, 503 or 504: others are a fault of the version.
    ///
    /// The latency is measured until now, unless [`record_status`](Self::record_status) measured it before or there was no
    /// response: [`Error`](Outcome::Error), [`Abandoned`](Outcome::Abandoned) and [`Cancelled`](Outcome::Cancelled) have no
    /// latency, as in a layer.
    ///
    /// ```
    /// use tower_canary::traffic::Outcome;
    /// # use tower_canary::routing::{Change, Route, Split};
    /// # use tower_canary::RoutingHandle;
    /// # let handle = RoutingHandle::new();
    /// # let split = Split::new("orders-db".parse()?, 7)
    /// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), std::time::SystemTime::now())?;
    /// # assert!(handle.publish(Route::compile(split)));
    /// // A database query has no status.
    /// handle.choose("orders-db", None)?.finish(Outcome::Success);
    /// let total = handle.traffic("orders-db").ok_or("unknown")?.versions[0].total.clone();
    /// assert_eq!((total.outcome(Outcome::Success), total.latencies.count()), (1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn finish(mut self, outcome: Outcome) {
        let has_response = !matches!(outcome, Outcome::Error | Outcome::Abandoned | Outcome::Cancelled);
        if has_response && !self.has_latency {
            self.in_flight.record_latency();
        }
        self.in_flight.set_outcome(outcome);
    }
}

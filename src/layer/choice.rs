//! The choice for a request, for the application.

use crate::handle::Choice;
use crate::routing::{Backend, Reason, ServiceName, VersionName};

/// The version and the instance that a request was given, in the extensions of the request and of the response.
///
/// The layer adds it if [`with_choice`](super::WeightedVersionLayer::with_choice) is set.
///
/// ```
/// use http::{Request, Response};
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_canary::layer::VersionChoice;
/// # use tower_canary::routing::{Change, Route, Split};
/// # use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let handle = RoutingHandle::new();
/// # let split = Split::new("auth".parse()?, 7)
/// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), std::time::SystemTime::now())?;
/// # assert!(handle.publish(Route::compile(split)));
/// # let client = service_fn(|_: Request<()>| async { Ok::<_, std::convert::Infallible>(Response::new(String::new())) });
/// let layer = WeightedVersionLayer::new(&handle, Target::service("auth".parse()?)).with_choice();
/// let response = layer.layer(client).oneshot(Request::new(())).await?;
/// let choice = response.extensions().get::<VersionChoice>().ok_or("not chosen")?;
/// assert_eq!((choice.service.as_str(), choice.version.as_str()), ("auth", "v1.0"));
/// assert_eq!(choice.backend.as_str(), "http://10.0.0.1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionChoice {
    /// The service the request was for.
    pub service: ServiceName,
    /// The version that the request was given.
    pub version: VersionName,
    /// The base URL of the instance that the request was sent to.
    pub backend: Backend,
    /// The rule that chose the version.
    pub reason: Reason,
    /// The generation of the split that the rule used.
    pub generation: u64,
}

impl VersionChoice {
    /// Copies the choice for extensions. It allocates, so a layer does it only on request.
    pub(super) fn new(choice: &Choice<'_>) -> Self {
        Self {
            service: choice.split.service().clone(),
            version: choice.version().name.clone(),
            backend: choice.backend().clone(),
            reason: choice.reason,
            generation: choice.split.generation(),
        }
    }
}

//! Explanations of choices.

use serde::{Deserialize, Serialize};

use super::percent::Percent;
use crate::routing::Route;

/// Which version a key gets, and why: the response of `GET /deployment/services/{service}/explain?key=alice`.
///
/// ```
/// use tower_canary::api::ExplanationView;
/// use tower_canary::routing::{Change, Route, Split};
///
/// let at = std::time::SystemTime::now();
/// let register = Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?);
/// let route = Route::compile(Split::new("auth".parse()?, 7).apply(&register, at)?);
///
/// let explanation = ExplanationView::new(&route, "alice");
/// assert_eq!(explanation.version.as_deref(), Some("v1.0"));
/// assert_eq!(explanation.reason, "key");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ExplanationView {
    /// The name of the service.
    #[cfg_attr(feature = "admin", schema(example = "auth"))]
    pub service: String,
    /// The generation of the split that is explained. With other `weights`, it is the one that setting them would make.
    pub generation: u64,
    /// The key.
    #[cfg_attr(feature = "admin", schema(example = "alice"))]
    pub key: String,
    /// The slot of the key, 0 to 9,999.
    pub slot: u16,
    /// The version that has the slot. `null`: no version is active.
    #[cfg_attr(feature = "admin", schema(example = "v1.0"))]
    pub version: Option<String>,
    /// The weight of that version. `null`: no version is active.
    pub weight: Option<Percent>,
    /// The rule that chooses the version: key.
    #[cfg_attr(feature = "admin", schema(example = "key"))]
    pub reason: String,
}

impl ExplanationView {
    /// Explains which version `route` gives to `key`.
    #[must_use]
    pub fn new(route: &Route, key: impl Into<String>) -> Self {
        let key = key.into();
        let explanation = route.explain(key.as_bytes());
        Self {
            service: route.service().to_string(),
            generation: route.split().generation(),
            slot: explanation.slot.get(),
            version: explanation.version.map(|version| version.name.to_string()),
            weight: explanation.version.map(|version| version.weight.into()),
            reason: explanation.reason.as_str().to_owned(),
            key,
        }
    }
}

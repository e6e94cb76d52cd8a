//! Bodies of requests that change one version.

use serde::{Deserialize, Serialize};

use super::reason::ChangeReason;
use crate::routing::{Backend, HealthPath, Instances, VersionName, Weight};

/// Registers a version: `POST /routing/services/{service}/versions`. The first version creates the service.
///
/// It has either `url`, for a version with one instance, or `urls`.
///
/// ```
/// use tower_canary::api::RegisterVersion;
///
/// let body = RegisterVersion::new(&"v1.1".parse()?, &"http://10.0.0.2:8080".parse()?)
///     .with_weight("5".parse()?)
///     .with_health_path(&"/healthz".parse()?);
/// let json = r#"{"version":"v1.1","url":"http://10.0.0.2:8080","weight":5.0,"healthPath":"/healthz"}"#;
/// assert_eq!(serde_json::to_string(&body)?, json);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RegisterVersion {
    /// The name of the version.
    #[cfg_attr(feature = "admin", schema(example = "v1.1"))]
    pub version: String,
    /// The base URL of a version with one instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "admin", schema(example = "http://10.0.0.2:8080"))]
    pub url: Option<String>,
    /// The base URLs of the version's instances, 1 to 64. Instead of `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "admin",
        schema(example = json!(["http://10.0.0.2:8080", "http://10.0.0.3:8080"]))
    )]
    pub urls: Option<Vec<String>>,
    /// The weight in percent. Default: 100 for an active version while no other one is active, 0 otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "admin", schema(minimum = 0, maximum = 100))]
    pub weight: Option<f64>,
    /// Whether the version may get traffic. Default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// The path of health probes, below the base URLs of each version of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "admin", schema(example = "/healthz"))]
    pub health_path: Option<String>,
    /// Why the change is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ChangeReason>,
}

/// Changes a version: `PUT /routing/services/{service}/versions/{version}`.
///
/// At least one field beside the reason is needed, and at most one of `url`, `urls`, `addUrls` and `removeUrls`.
///
/// ```
/// use tower_canary::api::UpdateVersion;
/// use tower_canary::routing::Instances;
///
/// let body = UpdateVersion::new().with_active(false);
/// assert_eq!(serde_json::to_string(&body)?, r#"{"active":false}"#);
///
/// let third = Instances::new(vec!["http://10.0.0.4:8080".parse()?])?;
/// let body = UpdateVersion::new().with_added_urls(&third);
/// assert_eq!(serde_json::to_string(&body)?, r#"{"addUrls":["http://10.0.0.4:8080"]}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct UpdateVersion {
    /// Whether the version may get traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// The new base URL, the only one afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The new base URLs, 1 to 64, in place of the present ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "admin",
        schema(example = json!(["http://10.0.0.2:8080", "http://10.0.0.3:8080"]))
    )]
    pub urls: Option<Vec<String>>,
    /// Base URLs to add to the present ones. One that is there already changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "admin", schema(example = json!(["http://10.0.0.4:8080"])))]
    pub add_urls: Option<Vec<String>>,
    /// Base URLs to remove from the present ones. One that is not there changes nothing; one must remain.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "admin", schema(example = json!(["http://10.0.0.3:8080"])))]
    pub remove_urls: Option<Vec<String>>,
    /// Why the change is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ChangeReason>,
}

// === impl RegisterVersion ===

impl RegisterVersion {
    /// Creates a request for an active version that gets no traffic, unless no other version of its service is active.
    #[must_use]
    pub fn new(version: &VersionName, url: &Backend) -> Self {
        Self {
            version: version.to_string(),
            url: Some(url.to_string()),
            urls: None,
            weight: None,
            active: None,
            health_path: None,
            reason: None,
        }
    }

    /// Sets the base URLs of all instances.
    ///
    /// ```
    /// use tower_canary::api::RegisterVersion;
    /// use tower_canary::routing::Instances;
    ///
    /// let urls = Instances::new(vec!["http://10.0.0.2".parse()?, "http://10.0.0.3".parse()?])?;
    /// let body = RegisterVersion::new(&"v1.1".parse()?, urls.first()).with_urls(&urls);
    /// let json = r#"{"version":"v1.1","urls":["http://10.0.0.2","http://10.0.0.3"]}"#;
    /// assert_eq!(serde_json::to_string(&body)?, json);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_urls(self, urls: &Instances) -> Self {
        Self { url: None, urls: Some(texts(urls)), ..self }
    }

    /// Sets the weight that the version gets immediately.
    #[must_use]
    pub fn with_weight(self, weight: Weight) -> Self {
        Self { weight: Some(weight.percent()), ..self }
    }

    /// Sets whether the version may get traffic.
    #[must_use]
    pub fn with_active(self, active: bool) -> Self {
        Self { active: Some(active), ..self }
    }

    /// Sets the path of health probes for all versions of the service.
    #[must_use]
    pub fn with_health_path(self, health_path: &HealthPath) -> Self {
        Self { health_path: Some(health_path.as_str().to_owned()), ..self }
    }

    /// Adds a reason, which the history shows.
    #[must_use]
    pub fn with_reason(self, reason: ChangeReason) -> Self {
        Self { reason: Some(reason), ..self }
    }
}

// === impl UpdateVersion ===

impl UpdateVersion {
    /// Creates a request that changes nothing yet. The server refuses it in this form.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether the version may get traffic.
    #[must_use]
    pub fn with_active(self, active: bool) -> Self {
        Self { active: Some(active), ..self }
    }

    /// Sets another base URL, the only one afterwards. Other changes of the base URLs are left out.
    #[must_use]
    pub fn with_url(self, url: &Backend) -> Self {
        Self { url: Some(url.to_string()), ..self.without_urls() }
    }

    /// Sets other base URLs. Other changes of the base URLs are left out.
    #[must_use]
    pub fn with_urls(self, urls: &Instances) -> Self {
        Self { urls: Some(texts(urls)), ..self.without_urls() }
    }

    /// Adds base URLs. Other changes of the base URLs are left out. See [`UpdateVersion`] for an example.
    #[must_use]
    pub fn with_added_urls(self, urls: &Instances) -> Self {
        Self { add_urls: Some(texts(urls)), ..self.without_urls() }
    }

    /// Removes base URLs. Other changes of the base URLs are left out.
    #[must_use]
    pub fn with_removed_urls(self, urls: &Instances) -> Self {
        Self { remove_urls: Some(texts(urls)), ..self.without_urls() }
    }

    /// Adds a reason, which the history shows.
    #[must_use]
    pub fn with_reason(self, reason: ChangeReason) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// Clears all forms in which a body names base URLs: it may have one of them.
    fn without_urls(self) -> Self {
        Self { url: None, urls: None, add_urls: None, remove_urls: None, ..self }
    }
}

/// Returns base URLs as a body has them.
fn texts(urls: &Instances) -> Vec<String> {
    urls.iter().map(Backend::to_string).collect()
}

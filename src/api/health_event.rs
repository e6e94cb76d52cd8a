//! Transitions of instances.

use serde::{Deserialize, Serialize};

use super::timestamp::Timestamp;
use crate::deployments::HealthEvent;
use crate::routing::Backend;

/// A transition of an instance, or of a version with all of its instances, at one gateway.
///
/// ```
/// use tower_canary::api::HealthEventView;
///
/// let json = r#"{
///     "at": "2026-01-05T09:31:00.000Z", "version": "v1.1", "url": "http://10.0.0.3:8080",
///     "kind": "ejected", "cause": "it responded 503"
/// }"#;
/// let event: HealthEventView = serde_json::from_str(json)?;
/// assert_eq!((&*event.kind, event.cause.as_deref()), ("ejected", Some("it responded 503")));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct HealthEventView {
    /// When it happened.
    #[cfg_attr(feature = "admin", schema(value_type = String, format = "date-time"))]
    pub at: Timestamp,
    /// The name of the version.
    #[cfg_attr(feature = "admin", schema(example = "v1.1"))]
    pub version: String,
    /// The base URL of the instance. Left out for an event of the whole version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "admin", schema(example = "http://10.0.0.3:8080"))]
    pub url: Option<String>,
    /// `up`, `down`, `ejected`, `spared` (its requests fail, and half of the instances are out already), and of the version
    /// `none-usable` and `some-usable`.
    #[cfg_attr(feature = "admin", schema(example = "ejected"))]
    pub kind: String,
    /// What the last check or the last request saw, never a body. Left out if nothing failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "admin", schema(example = "it responded 503"))]
    pub cause: Option<String>,
    /// When the ejection ends, unless the last check before fails. Left out for other events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "admin", schema(value_type = Option<String>, format = "date-time"))]
    pub until: Option<Timestamp>,
    /// `true` for an instance that is up on trial: one failed request ejects it again. Left out otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trial: bool,
}

impl From<&HealthEvent> for HealthEventView {
    fn from(event: &HealthEvent) -> Self {
        Self {
            at: event.at.into(),
            version: event.version.to_string(),
            url: event.instance.as_ref().map(Backend::to_string),
            kind: event.kind.as_str().to_owned(),
            cause: event.cause.clone(),
            until: event.lasts.and_then(|lasts| event.at.checked_add(lasts)).map(Timestamp::from),
            trial: event.trial,
        }
    }
}

//! The sender of a request.

use serde::{Deserialize, Serialize};

use super::timestamp::Timestamp;

/// The authenticated sender of a request: the response of `GET /whoami`.
///
/// ```
/// use tower_canary::api::PrincipalView;
///
/// let response = r#"{"subject":"alice","scopes":["canary:read"],"expiresAt":null}"#;
/// let alice: PrincipalView = serde_json::from_str(response)?;
/// assert!(!alice.scopes.iter().any(|scope| scope == "canary:write"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct PrincipalView {
    /// The actor of the sender's changes in the history.
    #[cfg_attr(feature = "admin", schema(example = "alice"))]
    pub subject: String,
    /// The scopes of the sender: `canary:read`, `canary:write`. Empty: the sender may send this request alone.
    #[cfg_attr(feature = "admin", schema(example = json!(["canary:read", "canary:write"])))]
    pub scopes: Vec<String>,
    /// When the credentials expire. `null`: not known, or never.
    #[cfg_attr(feature = "admin", schema(value_type = Option<String>, format = "date-time"))]
    pub expires_at: Option<Timestamp>,
}

impl PrincipalView {
    /// Shows the sender whose credentials have this subject and these scopes. `expires_at`: when they expire, if that is known.
    #[must_use]
    pub fn new(subject: impl Into<String>, scopes: Vec<String>, expires_at: Option<Timestamp>) -> Self {
        Self { subject: subject.into(), scopes, expires_at }
    }
}

//! Bodies of requests about rollouts.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::reason::ChangeReason;
use crate::rollout::{InvalidPlan, Plan};

/// Starts a rollout: `POST /deployment/services/{service}/rollouts`. The fields of the [plan](Plan) stand beside the reason.
///
/// ```
/// use tower_canary::api::StartRollout;
///
/// let plan = r#"{"version": "v1.1", "steps": [5, 25], "hold": "2m"}"#.parse()?;
/// let body = StartRollout::new(plan).with_reason("release 1.1".parse()?);
/// let json = serde_json::to_value(&body)?;
/// assert_eq!((&json["steps"][1], &json["reason"]), (&25.into(), &"release 1.1".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
#[non_exhaustive]
pub struct StartRollout {
    /// The plan.
    #[serde(flatten)]
    pub plan: Plan,
    /// Why the rollout is started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ChangeReason>,
}

/// An order about one stage: `POST …/rollouts/{rollout}/approve` and `…/advance`. It is refused if another stage is present
/// meanwhile.
///
/// ```
/// use tower_canary::api::StepOrder;
///
/// assert_eq!(serde_json::to_string(&StepOrder::new(2))?, r#"{"step":2}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct StepOrder {
    /// The number of the stage that the sender has seen. 0 before the first one.
    #[cfg_attr(feature = "admin", schema(example = 2))]
    pub step: u32,
    /// Why the order is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ChangeReason>,
}

impl StartRollout {
    /// Creates a request to roll out by `plan`.
    #[must_use]
    pub const fn new(plan: Plan) -> Self {
        Self { plan, reason: None }
    }

    /// Adds a reason, which the rollout shows.
    #[must_use]
    pub fn with_reason(self, reason: ChangeReason) -> Self {
        Self { reason: Some(reason), ..self }
    }
}

impl StepOrder {
    /// Creates an order about the stage with this number.
    #[must_use]
    pub const fn new(step: u32) -> Self {
        Self { step, reason: None }
    }

    /// Adds a reason, which the events show.
    #[must_use]
    pub fn with_reason(self, reason: ChangeReason) -> Self {
        Self { reason: Some(reason), ..self }
    }
}

impl TryFrom<Map<String, Value>> for StartRollout {
    type Error = InvalidPlan;

    fn try_from(mut fields: Map<String, Value>) -> Result<Self, InvalidPlan> {
        let reason = match fields.remove("reason") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => {
                Some(text.parse::<ChangeReason>().map_err(|error| InvalidPlan::new("/reason", error))?)
            }
            Some(_) => return Err(InvalidPlan::new("/reason", "give a text")),
        };
        Ok(Self { plan: Plan::try_from(&Value::Object(fields))?, reason })
    }
}

//! The question to a gate of the application, and its answer.

use serde::{Deserialize, Serialize};

use crate::rollout::guard::Tally;
use crate::rollout::plan::GateName;
use crate::routing::{ServiceName, VersionName, Weight};

/// What a gate of the application is asked. An HTTP gate gets it as JSON.
///
/// See [`GateAnswer`] for the answer.
///
/// ```
/// use tower_canary::Weight;
/// use tower_canary::rollout::Question;
///
/// let ten = Weight::from_percent(10);
/// let question = Question::new("smoke".parse()?, "auth".parse()?, "v1.1".parse()?, ten).with_step(2, 4);
/// let json = serde_json::to_value(&question)?;
/// assert_eq!((&json["gate"], &json["version"], &json["step"]), (&"smoke".into(), &"v1.1".into(), &2.into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A gate is asked again with the same question until it opens, so its answer should not depend on how often
/// it was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Question {
    /// The gate.
    pub gate: GateName,
    /// The service.
    pub service: ServiceName,
    /// The canary.
    pub version: VersionName,
    /// The number of the stage that is over. 0 before the first one.
    pub step: usize,
    /// The number of stages.
    pub steps: usize,
    /// The present weight of the canary.
    pub weight: Weight,
    /// The requests of the canary in this stage.
    pub canary: Tally,
    /// The requests of the others in this stage.
    pub stable: Tally,
}

impl Question {
    /// Asks `gate` about the step of `version`.
    #[must_use]
    pub fn new(gate: GateName, service: ServiceName, version: VersionName, weight: Weight) -> Self {
        let none = Tally::default();
        Self { gate, service, version, step: 0, steps: 0, weight, canary: none, stable: none }
    }

    /// Sets the number of the stage, and the number of stages.
    #[must_use]
    pub fn with_step(self, step: usize, steps: usize) -> Self {
        Self { step, steps, ..self }
    }

    /// Sets the requests of both sides.
    #[must_use]
    pub fn with_requests(self, canary: Tally, stable: Tally) -> Self {
        Self { canary, stable, ..self }
    }
}

/// The answer of a gate.
///
/// ```
/// use tower_canary::rollout::GateAnswer;
///
/// assert_eq!(GateAnswer::from_http(204, b""), GateAnswer::Open);
/// assert_eq!(GateAnswer::from_http(503, b"busy"), GateAnswer::NotYet);
/// let failed = GateAnswer::from_http(200, br#"{"verdict": "fail", "reason": "login is broken"}"#);
/// assert_eq!(failed, GateAnswer::Fail("login is broken".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GateAnswer {
    /// The next stage may begin.
    Open,
    /// Not yet: ask again. An error and a time-out are the same.
    NotYet,
    /// The canary is not good, for this reason.
    Fail(String),
}

/// The body of an answer over HTTP. Other fields are ignored.
#[derive(Deserialize)]
struct Body {
    verdict: Option<String>,
    reason: Option<String>,
}

impl GateAnswer {
    /// The longest reason that is kept, in characters.
    const MAX_REASON: usize = 300;

    /// Reads the response of a gate over HTTP: a status 2xx opens it, unless the body is JSON with the verdict `fail`.
    /// Everything else means not yet.
    #[must_use]
    pub fn from_http(status: u16, body: &[u8]) -> Self {
        if !(200..300).contains(&status) {
            return Self::NotYet;
        }
        match serde_json::from_slice(body) {
            Ok(Body { verdict: Some(verdict), reason }) if verdict == "fail" => {
                let reason = reason.unwrap_or_else(|| "the gate gave no reason".to_owned());
                Self::Fail(reason.chars().filter(|c| !c.is_control()).take(Self::MAX_REASON).collect())
            }
            _ => Self::Open,
        }
    }
}

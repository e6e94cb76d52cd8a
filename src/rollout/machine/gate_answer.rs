//! The question to a gate of the application, and its answer.

use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    /// The number of the present stage, which has passed. 0 before the first one.
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
    /// Creates the question to `gate` whether `version` of `service`, which has `weight`, may go on: at stage 0 of 0,
    /// and without requests.
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
///
/// An HTTP response is read by its status and the verdict:
///
/// | response | answer |
/// | --- | --- |
/// | 2xx | open |
/// | 2xx with a JSON object whose `verdict` is `"fail"` | fail, with its `reason`, whatever else it has |
/// | 2xx with a body that begins with `{` and is no JSON object, or has two verdicts | not yet: the verdict is unknown |
/// | another status | not yet |
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GateAnswer {
    /// The next stage may begin.
    Open,
    /// Not yet: ask again. It stands for a gate that could not be asked too.
    NotYet,
    /// The canary is not good, for this reason.
    Fail(String),
}

/// The verdict of a gate over HTTP. Other fields are skipped unread, so that a reason in any form leaves the verdict
/// as it is.
#[derive(Deserialize)]
struct VerdictField {
    verdict: Option<Value>,
}

impl GateAnswer {
    /// The longest reason that is kept, in characters.
    const MAX_REASON: usize = 300;

    /// Reads the response of a gate over HTTP, as the table [above](Self) says. Control characters of the reason are
    /// left out, and it ends after 300 characters.
    #[must_use]
    pub fn from_http(status: u16, body: &[u8]) -> Self {
        if !(200..300).contains(&status) {
            return Self::NotYet;
        }
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Self::Open;
        }
        match serde_json::from_slice(body) {
            Ok(VerdictField { verdict: Some(verdict) }) if verdict == "fail" => Self::Fail(reason(body)),
            Ok(_) => Self::Open,
            // It may have meant to fail.
            Err(_) => Self::NotYet,
        }
    }
}

/// Returns the reason in the body of a gate that failed: its text, or the JSON of another value.
fn reason(body: &[u8]) -> String {
    let body = serde_json::from_str(&String::from_utf8_lossy(body)).unwrap_or(Value::Null);
    let reason = match &body["reason"] {
        Value::String(reason) => reason.clone(),
        Value::Null => "the gate gave no reason".to_owned(),
        other => other.to_string(),
    };
    reason.chars().filter(|c| !c.is_control()).take(GateAnswer::MAX_REASON).collect()
}

//! The parameters of operations on rollouts in the OpenAPI document, and the limits of their bodies.

use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::parameters::{boolean, path, query, service, text};
use super::rollout_extract::RolloutPath;
use crate::api::{AbortParams, StartParams};
use crate::routing::VersionName;

/// A whole number with its unit.
const DURATION: &str = "^[0-9]+(?:ms|s|m|h|d)$";

impl IntoParams for RolloutPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let id = "the id of the rollout, or 'current' for the one that is under way";
        vec![service(), path("rollout", id, text().build())]
    }
}

impl IntoParams for StartParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let dry_run = "do not start it: respond with what each stage would do";
        vec![query("dryRun", dry_run, boolean())]
    }
}

impl IntoParams for AbortParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let force = "go back although the versions that then get traffic are not usable";
        vec![query("force", force, boolean())]
    }
}

/// Returns the limits of bodies by their place below the schemas.
pub(super) fn limits() -> Vec<(&'static str, Value)> {
    let name = json!({"maxLength": VersionName::MAX_LEN, "pattern": VersionName::PATTERN});
    let duration = json!({"pattern": DURATION});
    let durations = [
        "StartRollout/properties/hold",
        "StartRollout/properties/deadline",
        "PlanWholeStep/properties/hold",
        "PlanWholeStep/properties/deadline",
        "PlanBake/properties/hold",
        "PlanBack/properties/hold",
        "PlanLatency/properties/atLeast",
        "PlanLatency/properties/limit",
    ];
    let durations = durations.into_iter().map(|place| (place, duration.clone()));
    std::iter::once(("StartRollout/properties/version", name)).chain(durations).collect()
}

//! The plan of a rollout, from flags or from a file.

use std::fmt::Display;
use std::io::{Read, stdin};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};
use tower_canary::api::StartRollout;
use tower_canary::routing::{VersionName, Weight};

use crate::failure::Failure;
use crate::values::weight;

/// The longest plan that is read: the limit of the API.
const MAX_LEN: u64 = 16 * 1024;

/// The flags of a plan. Each one that is left out has the default of the gateway.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Plan")]
pub(super) struct PlanOptions {
    /// Weights of the steps in percent, rising [default: 5,10,25,50]
    #[arg(long, value_name = "N,N…", value_delimiter = ',', value_parser = weight)]
    steps: Vec<Weight>,

    /// Time that each step is watched, such as 90s or 5m [default: 5m]
    #[arg(long, value_name = "TIME")]
    hold: Option<String>,

    /// Weight that the other versions keep while the end is watched, so that the guard can compare [default: 5]
    #[arg(long, value_name = "N", value_parser = weight)]
    keep: Option<Weight>,

    /// Part of the requests of the version that may fail, in percent
    #[arg(long, value_name = "N", value_parser = weight)]
    max_failed: Option<Weight>,

    /// Latency that 99 % of the requests of the version may have, such as 300ms
    #[arg(long, value_name = "TIME")]
    max_p99: Option<String>,

    /// Gate that must be open after each step: `approval`, or one that the gateway has
    #[arg(long = "gate", value_name = "NAME", requires = "steps")]
    gates: Vec<String>,

    /// File with the plan as JSON, `-` for stdin, instead of the flags
    #[arg(long, value_name = "FILE", conflicts_with_all = ["steps", "hold", "keep", "max_failed", "max_p99", "gates"])]
    plan: Option<PathBuf>,
}

impl PlanOptions {
    /// Returns the body that starts a rollout of `version`. A plan that the API would refuse is refused here.
    pub(super) fn body(&self, version: &VersionName) -> Result<StartRollout, Failure> {
        let mut fields = match &self.plan {
            Some(file) => read(file)?,
            None => self.fields(),
        };
        let named = fields.entry("version").or_insert_with(|| json!(version.as_str()));
        if named.as_str() != Some(version.as_str()) {
            return Err(Failure::usage(format!(
                "the plan is for {named} and not for {version}: leave its version out"
            )));
        }
        serde_json::from_value(Value::Object(fields))
            .map_err(|error| Failure::usage(format!("the plan is not valid: {error}")))
    }

    /// Returns the fields of the plan that the flags name. The gateway has the defaults.
    fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        if !self.steps.is_empty() {
            fields.insert("steps".into(), self.steps.iter().map(|weight| self.step(*weight)).collect());
        }
        if let Some(hold) = &self.hold {
            fields.insert("hold".into(), json!(hold));
        }
        if let Some(keep) = self.keep {
            fields.insert("bake".into(), json!({ "keep": keep.percent() }));
        }
        let mut guard = Map::new();
        if let Some(limit) = self.max_failed {
            guard.insert("errors".into(), json!({ "limit": limit.percent() }));
        }
        if let Some(limit) = &self.max_p99 {
            guard.insert("latency".into(), json!({ "limit": limit }));
        }
        if !guard.is_empty() {
            fields.insert("guard".into(), Value::Object(guard));
        }
        fields
    }

    /// Returns a step: a number, or an object if all steps have gates.
    fn step(&self, weight: Weight) -> Value {
        if self.gates.is_empty() {
            return json!(weight.percent());
        }
        json!({ "weight": weight.percent(), "gates": self.gates })
    }
}

/// Reads a plan from a file, or from stdin for `-`. A longer text than a plan may be is not read to its end.
fn read(file: &Path) -> Result<Map<String, Value>, Failure> {
    let mut text = Vec::new();
    let result = if file == Path::new("-") {
        stdin().take(MAX_LEN + 1).read_to_end(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(MAX_LEN + 1).read_to_end(&mut text))
    };
    let length = result.map_err(|error| unusable(file, &error))?;
    if length as u64 > MAX_LEN {
        return Err(unusable(file, &"it is longer than 16 KiB"));
    }
    serde_json::from_slice(&text).map_err(|error| unusable(file, &error))
}

/// Creates the failure for a file that is no plan.
fn unusable(file: &Path, error: &dyn Display) -> Failure {
    Failure::usage(format!("cannot use the plan in {}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::PlanOptions;
    use crate::failure::Failure;

    fn body(options: &PlanOptions) -> Result<Value, Failure> {
        options.body(&"v1.1".parse().unwrap()).map(|body| serde_json::to_value(body).unwrap())
    }

    #[test]
    fn flags_are_a_plan() {
        let options = PlanOptions {
            steps: ["5", "25"].map(|weight| weight.parse().unwrap()).to_vec(),
            hold: Some("2m".into()),
            keep: Some("10".parse().unwrap()),
            max_failed: Some("1".parse().unwrap()),
            max_p99: Some("300ms".into()),
            gates: vec!["approval".into()],
            plan: None,
        };
        let plan = body(&options).unwrap();
        assert_eq!(
            (&plan["version"], &plan["hold"], &plan["bake"]["keep"]),
            (&json!("v1.1"), &json!("2m"), &json!(10))
        );
        assert_eq!(plan["steps"][1]["gates"], json!(["approval"]));
        assert_eq!(plan["guard"]["errors"]["limit"], json!(1.0));
        assert_eq!(plan["guard"]["latency"]["limit"], json!("300ms"));
    }

    #[test]
    fn wrong_plans_are_refused_before_a_call() {
        let falling = PlanOptions {
            steps: ["25", "5"].map(|weight| weight.parse().unwrap()).to_vec(),
            ..PlanOptions::default()
        };
        let unknown = PlanOptions { hold: Some("5 minutes".into()), ..PlanOptions::default() };
        for options in [falling, unknown] {
            assert_eq!(body(&options).unwrap_err().exit().code(), 2, "{options:?}");
        }
    }

    // Without its end, it would be refused for another reason.
    #[test]
    fn long_plan_is_refused_for_its_length() {
        let file = std::env::temp_dir().join(format!("canary-plan-{}.json", std::process::id()));
        std::fs::write(&file, format!("{}{}", " ".repeat(16 * 1024), "{}")).unwrap();
        let failure = body(&PlanOptions { plan: Some(file.clone()), ..PlanOptions::default() }).unwrap_err();
        std::fs::remove_file(file).unwrap();
        assert!(failure.to_string().ends_with("it is longer than 16 KiB"), "{failure}");
    }
}

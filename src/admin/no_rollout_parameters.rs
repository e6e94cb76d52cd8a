//! In place of `rollout_parameters` in a build without rollouts.

use serde_json::Value;

pub(super) const fn limits() -> [(&'static str, Value); 0] {
    []
}

//! The guard of a rollout: it compares the canary with the other versions and gives a verdict at any time. [`Guard`] has the
//! method and its sources.

mod baseline;
mod claim;
mod evidence;
#[expect(clippy::module_inception, reason = "the guard has the name of its module")]
mod guard;
mod latency;
mod measure;
mod odds;
mod totals;
mod verdict;
mod wagers;
mod window;

pub use self::baseline::{Baseline, ReplicaFigures};
pub use self::evidence::Evidence;
pub use self::guard::Guard;
pub use self::measure::Measure;
pub use self::odds::Odds;
pub use self::totals::{Tally, Totals};
pub use self::verdict::{Finding, Lack, Verdict};
pub use self::window::Window;

//! Copies of requests that a version got.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::figures::LatencyView;
use crate::traffic::{CopyTraffic, Outcome, Unsent};

/// The copies of requests that a version got since the gateway first served it. Nobody sees their responses, so they are in
/// no other figure but the requests in flight.
///
/// ```
/// use tower_canary::api::CopiesView;
/// use tower_canary::traffic::CopyTraffic;
///
/// let view = CopiesView::from(&CopyTraffic::default());
/// assert_eq!((view.sent, view.unsent["busy"]), (0, 0));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct CopiesView {
    /// The number of copies that were sent.
    pub sent: u64,
    /// The number of requests that were drawn to be copied and were not, by cause: busy, too-large, incomplete, no-instance or
    /// refused.
    #[cfg_attr(
        feature = "admin",
        schema(example = json!({"busy": 2, "too-large": 0, "incomplete": 0, "no-instance": 0, "refused": 0}))
    )]
    pub unsent: BTreeMap<String, u64>,
    /// The number of copies that ended, by outcome. A copy without a response head within its time limit is abandoned.
    #[cfg_attr(
        feature = "admin",
        schema(example = json!({"1xx": 0, "2xx": 118, "3xx": 0, "4xx": 1, "5xx": 1, "error": 0, "abandoned": 0, "cancelled": 0}))
    )]
    pub outcomes: BTreeMap<String, u64>,
    /// The time until the response headers.
    pub latency: LatencyView,
}

impl From<&CopyTraffic> for CopiesView {
    fn from(copies: &CopyTraffic) -> Self {
        let unsent = Unsent::ALL.iter().map(|why| (why.as_str().to_owned(), copies.unsent(*why)));
        let outcomes =
            Outcome::ALL.iter().map(|outcome| (outcome.as_str().to_owned(), copies.outcome(*outcome)));
        Self {
            sent: copies.sent(),
            unsent: unsent.collect(),
            outcomes: outcomes.collect(),
            latency: copies.latencies().into(),
        }
    }
}

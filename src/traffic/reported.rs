//! The figures of a version as gateways exchange them.

use serde::{Deserialize, Serialize};

use super::figures::{Figures, MirrorFigures};
use super::latencies::Latencies;
use super::short_text;

/// So many good requests without any time show that latencies are not measured. Fewer may have none for another reason:
/// a request that cannot be sent counts as good and has no time.
const ENOUGH_GOOD: u64 = 100;

/// All figures of a version, as gateways exchange them.
///
/// A gateway of an earlier release reports its latencies as a list, and reads those of this release as none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReportedFigures {
    /// The requests of users.
    #[serde(flatten, with = "ShortFigures")]
    pub(crate) users: Figures,
    #[serde(default, skip_serializing_if = "Figures::is_empty", with = "ShortFigures")]
    pub(crate) copies: Figures,
    /// See [`MirrorFigures::originals`].
    #[serde(default, skip_serializing_if = "Figures::is_empty", with = "ShortFigures")]
    pub(crate) originals: Figures,
}

/// [`Figures`] with their latencies as a short text.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Figures")]
struct ShortFigures {
    requests: u64,
    bad: u64,
    #[serde(
        default,
        rename = "histogram",
        alias = "latencies",
        skip_serializing_if = "Latencies::is_empty",
        with = "short_text"
    )]
    latencies: Latencies,
}

impl ReportedFigures {
    pub(crate) fn new(users: Figures, mirror: MirrorFigures) -> Self {
        Self { users, copies: mirror.copies, originals: mirror.originals }
    }

    /// Removes the latencies, which are the largest part of a report. The counts stay.
    pub(crate) fn clear_latencies(&mut self) {
        for figures in [&mut self.users, &mut self.copies, &mut self.originals] {
            figures.latencies = Latencies::default();
        }
    }
}

impl Figures {
    /// Returns whether latencies are not measured: at least 100 requests were good, and no time was counted.
    pub(crate) fn lack_latencies(&self) -> bool {
        self.latencies.is_empty() && self.requests.saturating_sub(self.bad) >= ENOUGH_GOOD
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn figures() -> ReportedFigures {
        let latencies: Latencies =
            [(Duration::from_millis(5), 98), (Duration::from_millis(250), 2)].into_iter().collect();
        let users = Figures::new(200, 1).with_latencies(latencies);
        ReportedFigures { copies: Figures::new(7, 0), users, originals: Figures::default() }
    }

    #[test]
    fn latencies_are_a_short_text() {
        let text = serde_json::to_string(&figures()).unwrap();
        let expected = r#"{"requests":200,"bad":1,"histogram":"ALMBYgBZAg","copies":{"requests":7,"bad":0}}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<ReportedFigures>(&text).unwrap(), figures());
    }

    #[test]
    fn lists_of_an_earlier_release_are_read() {
        let text = r#"{"requests":200,"bad":1,"latencies":[[179,98],[269,2]],"copies":{"requests":7,"bad":0,"latencies":[]}}"#;
        assert_eq!(serde_json::from_str::<ReportedFigures>(text).unwrap(), figures());
    }

    /// What a gateway of an earlier release reads.
    #[derive(Deserialize)]
    struct Earlier {
        #[serde(flatten)]
        users: Figures,
        copies: Figures,
    }

    #[test]
    fn earlier_release_reads_no_latencies() {
        let text = serde_json::to_string(&figures()).unwrap();
        let earlier: Earlier = serde_json::from_str(&text).unwrap();
        assert_eq!((earlier.users, earlier.copies), (Figures::new(200, 1), Figures::new(7, 0)));
    }

    #[test]
    fn failed_requests_need_no_latencies() {
        assert!(Figures::new(1_000, 900).lack_latencies());
        assert!(!Figures::new(1_000, 1_000).lack_latencies());
        assert!(!Figures::new(99, 0).lack_latencies());
        assert!(!figures().users.lack_latencies());
    }
}

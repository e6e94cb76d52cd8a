//! Exports the copies of requests.

use metrics::{Label, Unit, counter, describe_counter, describe_histogram, histogram};

use crate::traffic::{CopyTraffic, Outcome, Unsent};

/// The counter of copies that ended.
const COPIES: &str = "canary_mirror_copies_total";
/// The counter of requests of which no copy was sent.
const UNSENT: &str = "canary_mirror_unsent_total";
/// The histogram of the time until the response head of a copy.
const DURATION: &str = "canary_mirror_duration_seconds";

/// Exports the counts `added` since the last export to the series of the version with these `labels`.
pub(super) fn export(labels: &[Label; 2], added: &CopyTraffic) {
    for outcome in Outcome::ALL {
        let labels = with(labels, "outcome", outcome.as_str());
        counter!(COPIES, labels).increment(added.outcome(*outcome));
    }
    for why in Unsent::ALL {
        let labels = with(labels, "cause", why.as_str());
        counter!(UNSENT, labels).increment(added.unsent(*why));
    }
    let durations = histogram!(DURATION, labels.to_vec());
    for (time, count) in added.latencies().iter() {
        durations.record_many(time, usize::try_from(count).unwrap_or(usize::MAX));
    }
}

/// Returns the labels of the version, and one more with this name and value.
fn with(labels: &[Label; 2], name: &'static str, value: &'static str) -> Vec<Label> {
    let mut labels = labels.to_vec();
    labels.push(Label::from_static_parts(name, value));
    labels
}

/// Describes the metrics of copies. A recorder ignores a repeated description.
pub(super) fn describe() {
    describe_counter!(COPIES, Unit::Count, "Copies of requests that ended, by the status of their response.");
    describe_counter!(UNSENT, Unit::Count, "Requests that were drawn to be copied and were not, by cause.");
    describe_histogram!(
        DURATION,
        Unit::Seconds,
        "Time from the sending of a copy of a request to the response headers."
    );
}

//! Which instances of a version get requests.

use super::instance_state::InstanceState;
use super::record::Record;
use super::settings::Health;

/// Returns the instances that may be chosen, as bits in the order of `records`.
///
/// While none is up, they are the new ones, of which nothing bad is known. Without new ones either, they are all instances; or
/// no instance, if the settings send the requests elsewhere or refuse them.
pub(crate) fn usable(settings: &Health, records: &[Record]) -> u64 {
    let in_service = up_or_new(records);
    if in_service != 0 || settings.is_failover() || settings.is_refusing() {
        return in_service;
    }
    bits(records, |_| true)
}

/// Returns whether each instance is down or ejected. [`usable`] may be all of them then.
pub(crate) fn is_none_usable(records: &[Record]) -> bool {
    up_or_new(records) == 0
}

/// Returns the instances that are up, or the new ones if none is up, as bits.
fn up_or_new(records: &[Record]) -> u64 {
    match bits(records, |state| state == InstanceState::Up) {
        0 => bits(records, |state| state == InstanceState::New),
        up => up,
    }
}

/// Returns the instances whose state `is_set` accepts, as bits in the order of `records`.
fn bits(records: &[Record], is_set: impl Fn(InstanceState) -> bool) -> u64 {
    let set = records.iter().enumerate().filter(|(_, record)| is_set(record.state));
    set.fold(0, |bits, (i, _)| bits | 1 << i)
}

//! The share of an instance that starts slowly.

use std::time::Instant;

use super::record::Record;
use super::settings::Health;

/// The first share in 1/256: 10 %.
const FIRST_SHARE: u128 = 26;
/// The share of an instance that has started, in parts of 256.
const WHOLE_SHARE: u128 = 256;

/// Returns the instances that start slowly, as bits in the order of `records`. None does while more than half of those in
/// service would: they would only starve each other.
pub(crate) fn warming(settings: &Health, records: &[Record], now: Instant) -> u64 {
    let mut bits = 0_u64;
    let mut up = 0;
    for (i, record) in records.iter().enumerate() {
        up += u32::from(record.state.is_up());
        bits |= u64::from(is_warming(settings, record, now)) << i;
    }
    if bits.count_ones() * 2 > up { 0 } else { bits }
}

/// Returns the greatest byte, of 256 equally likely ones, with which the instance keeps a request that it was chosen for.
pub(crate) fn warm_share(settings: &Health, record: &Record, now: Instant) -> u8 {
    let Some(since) = record.warm_since.filter(|_| is_warming(settings, record, now)) else { return u8::MAX };
    let elapsed = now.saturating_duration_since(since).as_millis();
    // `is_warming` excludes zero, but not a part of a millisecond.
    let grown = (WHOLE_SHARE - FIRST_SHARE) * elapsed / settings.slow_start().as_millis().max(1);
    u8::try_from(FIRST_SHARE + grown - 1).unwrap_or(u8::MAX)
}

/// Returns whether slow start is on and has not ended.
pub(super) fn is_warming(settings: &Health, record: &Record, now: Instant) -> bool {
    let Some(since) = record.warm_since else { return false };
    record.state.is_up() && now.saturating_duration_since(since) < settings.slow_start()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn settings() -> Health {
        Health::new().with_slow_start(Duration::from_secs(30))
    }

    #[test]
    fn share_grows_linearly_from_a_tenth() {
        let start = Instant::now();
        let record = Record::new(false, 0, start).joining();
        let share = |seconds| warm_share(&settings(), &record, start + Duration::from_secs(seconds));
        assert_eq!([share(0), share(15), share(29), share(30), share(300)], [25, 140, 247, 255, 255]);
        assert_eq!(warm_share(&Health::new(), &record, start), 255, "off by default");
    }

    #[test]
    fn only_a_minority_starts_slowly() {
        let start = Instant::now();
        let old = Record::new(false, 0, start);
        let joining = old.clone().joining();
        let warming = |records: &[&Record]| {
            let records: Vec<Record> = records.iter().map(|record| (*record).clone()).collect();
            warming(&settings(), &records, start)
        };
        assert_eq!(warming(&[&old, &old]), 0);
        assert_eq!(warming(&[&old, &joining]), 0b10);
        assert_eq!(warming(&[&joining, &old, &joining]), 0, "two of three");
        assert_eq!(warming(&[&joining, &old, &joining, &old]), 0b101);
        assert_eq!(warming(&[&joining]), 0);
    }
}

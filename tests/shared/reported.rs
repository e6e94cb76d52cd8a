//! The figures of a version in a report, as a gateway writes them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use serde_json::{Value, json};
use tower_canary::traffic::{Figures, Latencies};

pub(crate) fn reported(figures: &Figures) -> Value {
    let Figures { requests, bad, latencies, .. } = figures;
    if latencies.count() == 0 {
        return json!({ "requests": requests, "bad": bad });
    }
    json!({ "requests": requests, "bad": bad, "histogram": text(latencies) })
}

/// Writes the counts of all buckets in Base64, in groups of 7 bits. A 0 is followed by the number of buckets to skip.
fn text(latencies: &Latencies) -> String {
    let buckets: Vec<(u64, u64)> = serde_json::from_value(json!(latencies)).unwrap();
    let mut bytes = Vec::new();
    let mut next = 0;
    for (bucket, count) in buckets {
        if bucket > next {
            bytes.push(0);
            write(bucket - next, &mut bytes);
        }
        write(count, &mut bytes);
        next = bucket + 1;
    }
    BASE64_STANDARD_NO_PAD.encode(bytes)
}

fn write(number: u64, bytes: &mut Vec<u8>) {
    let groups = (u64::BITS - number.leading_zeros()).div_ceil(7).max(1);
    for group in 0..groups {
        let more = if group + 1 < groups { 0x80 } else { 0 };
        bytes.push(((number >> (7 * group)) & 0x7f) as u8 | more);
    }
}

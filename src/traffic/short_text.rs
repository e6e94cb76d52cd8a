//! Latencies as a short text.
//!
//! The text is a sequence of numbers in Base64, each in groups of 7 bits, the lowest first (LEB128). A number above 0 is the
//! count of the next bucket. A 0 is followed by the number of empty buckets that are left out.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serializer};

use super::latencies::Latencies;

/// Writes latencies as the short text.
pub(super) fn serialize<S: Serializer>(latencies: &Latencies, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&write(latencies))
}

/// Reads the short text, or the list of an earlier release.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Latencies, D::Error> {
    deserializer.deserialize_any(TextOrList)
}

struct TextOrList;

impl<'de> Visitor<'de> for TextOrList {
    type Value = Latencies;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("latencies as a text or as a list")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Latencies, E> {
        read(text).ok_or_else(|| E::custom("the text has no latencies"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Latencies, A::Error> {
        Latencies::deserialize(SeqAccessDeserializer::new(list))
    }
}

/// Returns the short text of `latencies`.
fn write(latencies: &Latencies) -> String {
    let mut bytes = Vec::new();
    let mut next = 0;
    for (bucket, count) in latencies.buckets() {
        if bucket > next {
            push(&mut bytes, 0);
            push(&mut bytes, u64::from(bucket - next));
        }
        push(&mut bytes, count);
        next = bucket + 1;
    }
    BASE64_STANDARD_NO_PAD.encode(bytes)
}

/// Appends a number in groups of 7 bits, the lowest first. The high bit of a byte says that another group follows.
fn push(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        let [low, ..] = number.to_le_bytes();
        bytes.push(low | 0x80);
        number >>= 7;
    }
    let [low, ..] = number.to_le_bytes();
    bytes.push(low);
}

/// Returns the latencies in `text`. `None`: it is not of the form that the module describes, or it has a bucket that
/// this release does not have.
fn read(text: &str) -> Option<Latencies> {
    let bytes = BASE64_STANDARD_NO_PAD.decode(text).ok()?;
    let mut bytes = bytes.as_slice();
    let mut latencies = Latencies::default();
    let mut bucket = 0_u16;
    while !bytes.is_empty() {
        let skipped = match take(&mut bytes)? {
            0 => u16::try_from(take(&mut bytes)?).ok()?,
            count if latencies.try_add(bucket, count) => 1,
            _ => return None,
        };
        bucket = bucket.checked_add(skipped)?;
    }
    Some(latencies)
}

/// Takes a number from the front of `bytes`. `None` if it has more than 64 bits, or no end.
fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        let group = u64::from(first & 0x7f);
        if (group << shift) >> shift != group {
            return None;
        }
        number |= group << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn dense(count: u64) -> Latencies {
        let times = (0..4_000).map(|i| Duration::from_nanos((1.0065_f64.powi(i)) as u64));
        times.map(|time| (time, count)).collect()
    }

    proptest! {
        #[test]
        fn text_is_read_as_written(times in vec((0..(1_u64 << 38), any::<u64>()), 0..500)) {
            let times = times.into_iter().map(|(nanos, count)| (Duration::from_nanos(nanos), count));
            let latencies: Latencies = times.collect();
            prop_assert_eq!(read(&write(&latencies)), Some(latencies));
        }

        #[test]
        fn no_text_panics(text in "[A-Za-z0-9+/=]{0,64}", bytes in vec(any::<u8>(), 0..64)) {
            read(&text);
            read(&BASE64_STANDARD_NO_PAD.encode(bytes));
        }
    }

    #[test]
    fn length_is_bounded() {
        assert_eq!(dense(1).buckets().count(), 416);
        // A million requests in each bucket, and the largest counts.
        assert!(write(&dense(100_000)).len() < 1_800);
        assert!(write(&dense(u64::MAX)).len() < 5_600);
        assert_eq!(write(&Latencies::default()), "");
    }

    #[test]
    fn other_texts_are_refused() {
        let encode = |bytes: &[u8]| BASE64_STANDARD_NO_PAD.encode(bytes);
        // Bucket 415 is the last one.
        assert!(read(&encode(&[0, 0x9f, 0x03, 7])).is_some());
        assert_eq!(read(&encode(&[0, 0xa0, 0x03, 7])), None);
        assert_eq!(read(&encode(&[0xff; 11])), None, "more than 64 bits");
        assert_eq!(read(&encode(&[0x80])), None, "no end");
        assert_eq!(read(&encode(&[0])), None, "nothing after 0");
        assert_eq!(read("a=b"), None);
    }
}

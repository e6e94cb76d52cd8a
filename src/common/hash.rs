//! Hashes for identities and seeds. An attacker can find collisions of either.

/// The offset basis of FNV-1a for 64 bits.
const FNV_OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
/// The prime of FNV-1a for 64 bits.
const FNV_PRIME: u64 = 0x0000_0100_0000_01B3;

/// Hashes `text` by 64-bit [FNV-1a](https://www.rfc-editor.org/rfc/rfc9923).
pub(crate) fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}

/// Scrambles `value`: one step of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
///
/// Different values give different results, and each bit of the value affects each bit of the result.
pub(crate) const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::{fnv1a, mix};

    #[test]
    fn hashes_have_their_published_values() {
        assert_eq!(fnv1a(""), 0xCBF2_9CE4_8422_2325);
        assert_eq!(fnv1a("a"), 0xAF63_DC4C_8601_EC8C);
        assert_eq!(fnv1a("foobar"), 0x8594_4171_F739_67E8);
        assert_eq!(mix(0), 0xE220_A839_7B1D_CDAF);
    }
}

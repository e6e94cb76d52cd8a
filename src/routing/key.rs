//! Which slot a key falls into.

use twox_hash::XxHash64;

use super::draw::Point;

impl Point {
    /// The slot of `key` in a service whose salt is `salt`: the same on every replica and for good.
    ///
    /// This is a format, for others to compute as well: `XXH64` of the key's bytes with the salt as the seed
    /// ([specification](https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md)), times 10,000, divided by 2^64
    /// and rounded down. `tests/vectors/slots.json` has examples, and `slots.py` beside it computes them.
    ///
    /// Slots spread users evenly; they are no access control. Who may choose their own key may choose their version.
    ///
    /// ```
    /// use tower_canary::routing::Point;
    ///
    /// assert_eq!(Point::from_key(0, b"alice").get(), 4_517);
    /// ```
    #[must_use]
    pub fn from_key(salt: u64, key: &[u8]) -> Self {
        Self::of(XxHash64::oneshot(salt, key))
    }
}
